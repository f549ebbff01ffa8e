"""Reading the gate's topics: from their start to their ends, or on from now; in no group, nothing committed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from dualgate.cli.topic_admin import connect
from dualgate.processors.runtime.clients import client_config, watermarks
from dualgate.processors.runtime.hearing import Hearing
from dualgate.schemas.errors import ConfigError, StateError, TransientError
from dualgate.schemas.settings import Settings

BATCH, POLL_S = 1_000, 0.2
SILENT_S = 15.0
LEADERLESS_S = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """One record as it stands: the bare name of its topic, its place, its time, and its bytes."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str | None
    value: bytes | None


class Reader:
    """Reads topics of the catalogue.

    TransientError names an address that does not answer, ConfigError a topic that is not there.
    """

    def __init__(self, settings: Settings, names: Sequence[str], *, from_now: bool = False) -> None:
        self._settings = settings
        found = places(settings, names)
        self._consumer: Any = Consumer(_config(settings))
        for place in found:
            place.offset = _end(self._consumer, place) if from_now else OFFSET_BEGINNING
        self._ahead = {(place.topic, place.partition) for place in found}
        self._consumer.assign(found)
        self._hearing = Hearing(settings, self._consumer, found[0].topic)

    def poll(self, timeout_s: float = POLL_S) -> list[Found]:
        """Return what has arrived; TransientError where nothing can any more."""
        messages = self._consumer.consume(BATCH, timeout_s)
        self._hearing.tick(bool(messages))
        return [found for message in messages if (found := self._found(message)) is not None]

    def end(self, name: str) -> int | None:
        """Return how many records a topic of one partition has had; None where the broker does not answer."""
        try:
            return watermarks(self._consumer, TopicPartition(self._settings.topic_prefix + name, 0))[1]
        except TransientError:
            return None

    def to_ends(self, keep: Callable[[Found], bool] = lambda _: True) -> list[Found]:
        """Return the records to keep up to the ends of the topics; TransientError where the broker falls silent."""
        found: list[Found] = []
        silent_s = 0.0
        while self._ahead:
            before, some = len(self._ahead), self.poll()
            found += filter(keep, some)
            silent_s = 0.0 if some or len(self._ahead) < before else silent_s + POLL_S
            if silent_s > SILENT_S:
                topic = min(self._ahead)[0]
                raise TransientError(f"{self._settings.bootstrap_servers}: nothing came of {topic} for {SILENT_S:.0f} s")
        return found

    def _found(self, message: Any) -> Found | None:
        error, place = message.error(), (message.topic(), message.partition())
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._ahead.discard(place)
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                raise StateError(f"{message.topic()} no longer has the records at the position read: {error.str()}")
            return None
        key = message.key()
        return Found(
            message.topic().removeprefix(self._settings.topic_prefix),
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            None if key is None else key.decode(errors="replace"),
            message.value(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()


def places(settings: Settings, names: Sequence[str]) -> list[TopicPartition]:
    """Return the partitions of topics; TransientError where no broker answers, ConfigError for a topic that is not there."""
    _, present = connect(settings.bootstrap_servers)
    absent = [settings.topic_prefix + name for name in names if settings.topic_prefix + name not in present]
    if absent:
        raise ConfigError(
            f"no topic {', '.join(absent)} on {settings.bootstrap_servers}; `dualgate topics create` makes it "
            "(or is the prefix another: --prefix, DUALGATE_TOPIC_PREFIX?)"
        )
    full = [settings.topic_prefix + name for name in names]
    return [TopicPartition(name, number) for name in full for number in sorted(present[name].partitions)]


def _end(consumer: Any, place: TopicPartition) -> int:
    """Return the next offset to be written; a topic that was just made may have no leader yet."""
    deadline = time.monotonic() + LEADERLESS_S
    while True:
        try:
            return watermarks(consumer, place)[1]
        except TransientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def _config(settings: Settings) -> dict[str, Any]:
    name = settings.name("operate")
    return {
        **client_config(settings, name),
        "group.id": name,  # librdkafka wants a name; no group is joined
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        "log_level": 2,
    }
