"""Publishes an archived log: the same records under the same keys with their own times, as fast as one likes."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from dualgate.processors.runtime.clients import partition_counts, producer_config, wait_for_broker
from dualgate.processors.runtime.faults import error_of
from dualgate.producers.messages import headers_of
from dualgate.schemas.archive import Archived, read_archive
from dualgate.schemas.errors import ConfigError, DualgateError, RecordError, TransientError
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import INPUTS, split_key

Speed = float | Literal["max"]
DELIVERY_TIMEOUT_S = 30.0
_BROKER_TIMEOUT_S = 10.0
_TELL_EVERY = 500


class Pace(Protocol):
    """Waits until a record is due; `idle` is called with the seconds that it may use meanwhile."""

    def __call__(self, timestamp_ms: int, idle: Callable[[float], object]) -> None:
        """Return when the record of this time is due."""


@dataclass(slots=True)
class Published:
    """What a replay has done so far."""

    topics: Counter[str] = field(default_factory=Counter)
    first_timestamp_ms: int | None = None
    last_timestamp_ms: int | None = None
    composed: str | None = None

    @property
    def n_records(self) -> int:
        """Return the number of records of all topics."""
        return self.topics.total()

    def add(self, line: Archived) -> None:
        """Count a record that was handed over."""
        self.topics[line.topic] += 1
        at = line.timestamp_ms
        self.first_timestamp_ms = at if self.first_timestamp_ms is None else min(at, self.first_timestamp_ms)
        self.last_timestamp_ms = at if self.last_timestamp_ms is None else max(at, self.last_timestamp_ms)
        if self.composed is None and "context" in line.value:
            self.composed = (line.value["context"] or {}).get("composed")


class _Deliveries:
    """Remembers a record that the broker did not take.

    A bad time fails the whole batch that it came in: of those the one furthest ahead is to blame. Else it is the first.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failed: tuple[KafkaError, Archived] | None = None

    def of(self, line: Archived) -> Callable[[KafkaError | None, Any], None]:
        def delivered(error: KafkaError | None, _message: Any) -> None:
            if error is not None and (self._failed is None or self._is_further(error, line)):
                self._failed = (error, line)

        return delivered

    def _is_further(self, error: KafkaError, line: Archived) -> bool:
        assert self._failed is not None
        same = error.code() == self._failed[0].code() == KafkaError.INVALID_TIMESTAMP
        return same and line.timestamp_ms > self._failed[1].timestamp_ms

    def check(self) -> None:
        if self._failed is not None:
            error, line = self._failed
            raise refusal(error, line.where, line.topic, self._settings)


def refusal(error: KafkaError, where: str, topic: str, settings: Settings) -> DualgateError:
    """Return why a record was not taken, with its place in the archive."""
    code = error.code()
    if code in (KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
        return TransientError(
            f"{where}: the broker at {settings.bootstrap_servers} did not take this record within {DELIVERY_TIMEOUT_S:.0f} s"
        )
    if code == KafkaError.INVALID_TIMESTAMP:
        return RecordError(f"{where}: topic {topic} takes no record stamped more than a minute ahead ({error.str()})")
    return error_of(error, f"{where}: topic {topic}: {error.str()}")


def pace_of(speed: Speed, now_s: Callable[[], float] = time.monotonic) -> Pace:
    """Return the pace of a replay: at once, or `speed` times as fast as the records' times say (1 is real time)."""
    if speed == "max":
        return lambda _timestamp_ms, _idle: None
    began: list[tuple[float, int]] = []

    def wait(timestamp_ms: int, idle: Callable[[float], object]) -> None:
        if not began:
            began.append((now_s(), timestamp_ms))
        due = began[0][0] + (timestamp_ms - began[0][1]) / 1000 / float(speed)
        while (left := due - now_s()) > 0:
            idle(min(left, 0.5))

    return wait


def speed_of(text: str) -> Speed:
    """Read a speed: max, real, or how many times as fast as it was; ConfigError says what is accepted."""
    if text in ("max", "real"):
        return "max" if text == "max" else 1.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ConfigError(f"speed={text!r} must be max, real, or a number above 0 (times as fast as it was)")
    return speed


def replay(path: Path, settings: Settings, speed: Speed, tell: Callable[[int], None]) -> Published:
    """Publish an archived log and return when the broker has all of it.

    ConfigError or RecordError names file and line of what cannot be published, TransientError a broker that does not answer.
    Records before a bad line may have been published; pairing counts each only once when the log is replayed again.
    """
    lines = checked(read_archive(path))
    first = next(lines, None)
    if first is None:
        raise ConfigError(f"archive {path} holds no records")
    admin = wait_for_broker(settings, _BROKER_TIMEOUT_S)
    partition_counts(admin, [settings.topic_prefix + topic for topic in INPUTS])
    config = producer_config(settings, settings.name("replay"))
    config |= {"message.timeout.ms": int(DELIVERY_TIMEOUT_S * 1000), "queue.buffering.max.messages": 100_000}
    producer = Producer(config)
    return _publish(_chain(first, lines), producer, settings, pace_of(speed), tell)


def _chain(first: Archived, rest: Iterator[Archived]) -> Iterator[Archived]:
    yield first
    yield from rest


def checked(lines: Iterable[Archived]) -> Iterator[Archived]:
    """Pass on the lines that can be replayed; ConfigError names file and line of any other."""
    for line in lines:
        if line.topic not in INPUTS:
            raise ConfigError(f"{line.where}: topic {line.topic} is not replayed; a replay publishes {', '.join(INPUTS)}")
        try:
            key = split_key(None if line.key is None else line.key.encode())
        except RecordError as error:
            raise ConfigError(f"{line.where}: {error}") from None
        named = (line.value.get("migration_id"), line.value.get("query_id"))
        if key != named:
            raise ConfigError(f"{line.where}: key {line.key!r} does not name the record, which is {named[0]}/{named[1]}")
        if line.timestamp_ms <= 0:  # the client would take 0 for now
            raise ConfigError(f"{line.where}: timestamp_ms {line.timestamp_ms} must be above 0")
        yield line


def _publish(
    lines: Iterator[Archived], producer: Producer, settings: Settings, pace: Pace, tell: Callable[[int], None]
) -> Published:
    published, deliveries = Published(), _Deliveries(settings)
    codec = codec_for(settings.schema_registry_url)
    try:
        for line in lines:
            pace(line.timestamp_ms, producer.poll)
            _produce(producer, settings, line, line.avro(codec), deliveries)
            published.add(line)
            if published.n_records % _TELL_EVERY == 0:
                tell(published.n_records)
                deliveries.check()
    finally:
        left = producer.flush(DELIVERY_TIMEOUT_S + 5)
    deliveries.check()
    if left:
        raise TransientError(f"{left} of {published.n_records} records were not delivered to {settings.bootstrap_servers}")
    tell(published.n_records)
    return published


def _produce(producer: Producer, settings: Settings, line: Archived, value: bytes, deliveries: _Deliveries) -> None:
    headers = headers_of(line.topic, line.value)
    topic = settings.topic_prefix + line.topic
    while True:
        try:
            producer.produce(
                topic, value, line.key, timestamp=line.timestamp_ms, headers=headers, on_delivery=deliveries.of(line)
            )
            producer.poll(0)
            return
        except BufferError:  # the queue is full: wait until the broker has taken some
            producer.poll(0.2)
            deliveries.check()
        except KafkaException as failure:
            raise refusal(failure.args[0], line.where, topic, settings) from None
