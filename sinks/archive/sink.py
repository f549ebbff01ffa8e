"""The archiver: reads topics from where the archive ends and writes them down, each record once."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from dualgate.processors.runtime.hearing import Hearing
from dualgate.schemas import records
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError, RecordError, StateError, TransientError
from dualgate.schemas.records import DeadLetter
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import BY_NAME, DEAD_LETTERS, DECISIONS, EVIDENCE, INPUTS, LEDGER, MIGRATIONS
from dualgate.sinks.archive.manifest import NAME, Manifest
from dualgate.sinks.archive.segments import OpenSegments

log = logging.getLogger(__name__)
DECIDED = (LEDGER, MIGRATIONS, DECISIONS, EVIDENCE, DEAD_LETTERS)
"""What `dualgate verify` and the report read."""
ARCHIVED = (*INPUTS, *DECIDED)
"""What is archived unless told otherwise: also what `dualgate backtest` reads. `pairs` and `unpaired` follow from it."""
BATCH, POLL_S = 1_000, 0.5
METADATA_S = 10.0
QUIET_S = 15.0
"""How long nothing may come while there is more to read up to an end."""
At = tuple[str, int]


class Archiver:
    """Archives topics into a folder until it is stopped; then it reads on to their ends of that moment.

    It is in no consumer group: the manifest's positions are its only state, so a crash loses the open segments and
    the next start reads them again.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        topics: Sequence[str] = ARCHIVED,
        *,
        roll_records: int = 100_000,
        roll_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        unknown = [name for name in topics if name not in BY_NAME]
        if unknown:
            raise ConfigError(f"topic {unknown[0]!r} is not in the catalogue; its topics are {', '.join(BY_NAME)}")
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*.partial"):  # of a run that was killed: its records are read again
            left.unlink()
        self._folder, self._settings, self._topics = folder, settings, tuple(topics)
        self._manifest = Manifest.read(folder) if (folder / NAME).exists() else Manifest()
        self._segments = OpenSegments(folder, len(self._manifest.segments))
        self._codec: Codec = codec_for(settings.schema_registry_url)
        self._roll_records, self._roll_s, self._clock = roll_records, roll_s, clock
        self._ended: dict[At, int] = {}
        self._rolled_s = self._clock()
        self.n_records = 0

    def run(self, stopped: Callable[[], bool]) -> Manifest:
        """Archive until stopped, then to the ends of the topics, and close; TransientError where no broker answers."""
        consumer = Consumer(_config(self._settings))
        try:
            self._assign(consumer)
            self._read(consumer, stopped)
            self._drain(consumer)
            self._roll(closed=True)
            return self._manifest
        finally:
            self._segments.abandon()
            consumer.close()

    def _assign(self, consumer: Consumer) -> None:
        positions, found = self._manifest.positions(), []
        for name in self._topics:
            for partition in _partitions(consumer, self._settings, name):
                at = positions.get((name, partition), OFFSET_BEGINNING)
                found.append(TopicPartition(self._settings.topic_prefix + name, partition, at))
        self._assigned = found
        consumer.assign(found)

    def _read(self, consumer: Consumer, stopped: Callable[[], bool]) -> None:
        hearing = Hearing(self._settings, consumer, self._settings.topic_prefix + self._topics[0])
        while not stopped():
            messages = consumer.consume(BATCH, POLL_S)
            hearing.tick(bool(messages))
            self._take(messages)

    def _drain(self, consumer: Consumer) -> None:
        """Read on until each partition has reached the end that it has now, however long that takes while anything comes."""
        ends = {(tp.topic, tp.partition): _end(consumer, tp) for tp in self._assigned}
        heard_s = self._clock()
        while behind := [at for at, end in ends.items() if self._ended.get(at, 0) < end]:
            before = sum(self._ended.values())
            self._take(consumer.consume(BATCH, POLL_S))
            if sum(self._ended.values()) > before:
                heard_s = self._clock()
            elif self._clock() - heard_s > QUIET_S:
                raise TransientError(f"{behind[0][0]}: nothing came for {QUIET_S:.0f} s before its end {ends[behind[0]]}")

    def _take(self, messages: list[Any]) -> None:
        for message in messages:
            error = message.error()
            if error is None:
                self._write(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._ended[message.topic(), message.partition()] = message.offset()
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                raise StateError(f"{message.topic()} no longer has the records after the archive's end: {error.str()}")
            else:
                log.warning("%s: %s", message.topic(), error.str())
        n = self._segments.n_records
        if n >= self._roll_records or (n and self._clock() - self._rolled_s >= self._roll_s):
            self._roll(closed=False)
            self._rolled_s = self._clock()

    def _write(self, message: Any) -> None:
        topic = message.topic().removeprefix(self._settings.topic_prefix)
        self._ended[message.topic(), message.partition()] = message.offset() + 1
        if message.value() is None:
            return  # a tombstone of a compacted topic says nothing that a line could hold
        key = message.key()
        self._segments.write(
            topic,
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            None if key is None else key.decode(errors="replace"),
            self._line(topic, message),
        )
        self.n_records += 1

    def _line(self, topic: str, message: Any) -> tuple[str, Any]:
        try:
            return topic, self._codec.decode(getattr(records, BY_NAME[topic].value), message.value())
        except RecordError as error:
            return DEAD_LETTERS, DeadLetter(
                topic=topic,
                partition=message.partition(),
                offset=message.offset(),
                timestamp_ms=message.timestamp()[1],
                key=message.key(),
                value=message.value(),
                reason=str(error),
                worker="archive",
            )

    def _roll(self, *, closed: bool) -> None:
        self._manifest = self._manifest.having(self._segments.close(), closed=closed)
        self._manifest.write(self._folder)


def _partitions(consumer: Consumer, settings: Settings, name: str) -> list[int]:
    full = settings.topic_prefix + name
    try:
        metadata = consumer.list_topics(full, timeout=METADATA_S).topics[full]
    except KafkaException as error:
        raise TransientError(
            f"no Kafka broker answers at {settings.bootstrap_servers} ({error.args[0].str()}): start one with "
            "'dualgate broker start', or name yours in DUALGATE_BOOTSTRAP_SERVERS or --bootstrap-servers"
        ) from None
    if metadata.error is not None:
        raise ConfigError(f"topic {full} is not on {settings.bootstrap_servers}; `dualgate topics create` makes it")
    return sorted(metadata.partitions)


def _end(consumer: Consumer, at: TopicPartition) -> int:
    try:
        _, end = consumer.get_watermark_offsets(at, timeout=METADATA_S)
    except KafkaException as error:
        raise TransientError(f"end of {at.topic} [{at.partition}] unknown: {error.args[0].str()}") from None
    return int(end)


def _config(settings: Settings) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "group.id": settings.name("archive"),  # librdkafka wants a name; no group is joined
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "error_cb": lambda error: log.warning("broker: %s", error.str()),
        "log_level": 3,
    }
