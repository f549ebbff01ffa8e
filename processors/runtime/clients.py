"""Configurations of Kafka clients, and Kafka's errors as ours.

Every producer partitions by murmur2 as the Java clients do (librdkafka's own default is CRC32), and every consumer is
`read_committed` and never jumps over a gap by itself: a position out of range is a StateError.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from dualgate.processors.runtime.faults import error_of
from dualgate.schemas.errors import ConfigError, StateError, TransientError
from dualgate.schemas.settings import Settings

log = logging.getLogger(__name__)


class Seldom(logging.Filter):
    """Lets a line of librdkafka through once in ten seconds: it repeats "connection refused" many times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line, taken by its first words, was not told lately."""
        words = record.getMessage()[:60]
        if record.created - self._told.get(words, 0.0) < 10.0:
            return False
        self._told[words] = record.created
        return True


log.addFilter(Seldom())

TRANSACTION_TIMEOUT_MS = 10_000
SESSION_TIMEOUT_MS = 10_000
# `committed()` of a read_committed consumer waits for a dead predecessor's open transaction: its time-out, then up to
# 10 s until the broker looks; 5 s to spare.
COMMITTED_TIMEOUT_S = TRANSACTION_TIMEOUT_MS / 1000 + 15
CALL_TIMEOUT_S = 10.0
# A fetch takes this much of each partition (a larger record still comes), so that co-partitioned topics are read side by side.
FETCH_BYTES = 1 << 20
MAX_MESSAGE_BYTES = 8 << 20
"""As `max.message.bytes` of the derived topics."""

# A broker that is back is found within a second, and what it did not know yet while it started is asked again within ten: by
# default a client waits for up to ten seconds, and asks again after five minutes.
AFTER_AN_OUTAGE = {"reconnect.backoff.max.ms": 1_000, "topic.metadata.refresh.interval.ms": 10_000}

Config = dict[str, Any]


def client_config(settings: Settings, name: str) -> Config:
    """Return what any client needs; name is what the broker's logs call it."""
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": name,
        "log.connection.close": False,
        "logger": log,
        **AFTER_AN_OUTAGE,
    }


def consumer_config(settings: Settings, group: str, instance: str | None = None) -> Config:
    """Return the configuration of a worker's consumer: positions are given explicitly and committed by the worker alone.

    An instance makes the member static: after a restart it takes its partitions back with no wait for the session.
    """
    static: Config = {} if instance is None else {"group.instance.id": instance}
    return {
        **client_config(settings, instance or group),
        **static,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "range",  # the one assignor of librdkafka that keeps co-partitioned topics together
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": SESSION_TIMEOUT_MS // 5,
        "enable.partition.eof": True,
        "fetch.message.max.bytes": FETCH_BYTES,
    }


def producer_config(settings: Settings, name: str) -> Config:
    """Return the configuration of an idempotent producer."""
    return {
        **client_config(settings, name),
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "compression.type": "lz4",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 1 << 20,
    }


def transactional_config(settings: Settings, transactional_id: str) -> Config:
    """Return the configuration of a producer whose transactions fence any other process of the same id."""
    return {
        **producer_config(settings, transactional_id),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "message.timeout.ms": TRANSACTION_TIMEOUT_MS,
    }


@contextmanager
def kafka_errors(doing: str, slot: bool = False) -> Iterator[None]:
    """Raise Kafka's exceptions from this block as ours; `doing` begins the message, slot says whether the process has one."""
    try:
        yield
    except KafkaException as failure:
        error = failure.args[0]
        raise error_of(error if isinstance(error, KafkaError) else None, f"{doing}: {failure}", slot) from failure


def wait_for_broker(settings: Settings, timeout_s: float = 30.0) -> AdminClient:
    """Return an admin client once the broker answers; TransientError names the address where it does not."""
    admin = make_admin(settings)
    try:
        admin.list_topics(timeout=timeout_s)
    except KafkaException as failure:
        raise TransientError(
            f"no Kafka broker answers at {settings.bootstrap_servers} within {timeout_s:.0f} s ({failure.args[0].str()}); "
            "start one (dualgate broker start) or set DUALGATE_BOOTSTRAP_SERVERS"
        ) from None
    return admin


def make_admin(settings: Settings) -> AdminClient:
    """Return an admin client that logs nothing."""
    config: Config = {**client_config(settings, settings.name("admin")), "logger": silent()}
    return AdminClient(config)


def silent() -> logging.Logger:
    """Return a logger for clients whose refused connections are retried and told by us, not at each attempt."""
    quiet = logging.getLogger(f"{__name__}.waiting")
    quiet.disabled = True
    return quiet


def partition_counts(admin: AdminClient, topics: Iterable[str]) -> Mapping[str, int]:
    """Return the number of partitions of each topic; ConfigError names those that do not exist."""
    with kafka_errors("asking the broker for its topics"):
        found = admin.list_topics(timeout=CALL_TIMEOUT_S).topics
    counts = {name: len(found[name].partitions) for name in topics if name in found and found[name].error is None}
    missing = [name for name in topics if name not in counts]
    if missing:
        raise ConfigError(f"topics {', '.join(missing)} do not exist; create them with: dualgate topics create")
    return counts


def topic_ids(admin: AdminClient, topics: Iterable[str]) -> Mapping[str, str]:
    """Return the id of each topic: one that was made anew under its old name has another. StateError where one is gone."""
    with kafka_errors("asking for the ids of topics"):
        futures = admin.describe_topics(TopicCollection(list(topics)), request_timeout=CALL_TIMEOUT_S)
    ids = {}
    for name, future in futures.items():
        with kafka_errors(f"asking for the id of {name}"):
            ids[name] = future.result().topic_id
    unknown = [name for name, id_ in ids.items() if id_ is None]
    if unknown:
        raise StateError(f"the broker gives {', '.join(unknown)} no topic id; Apache Kafka 2.8 or newer is needed")
    return {name: str(id_) for name, id_ in ids.items()}


def start_positions(consumer: Any, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
    """Return where to go on reading: the group's committed offset with its metadata, else the first offset there is.

    StateError names a partition whose committed offset is no longer within the log: the topic was made anew, or its
    retention has eaten records that were not read. TransientError where a transaction that holds the offsets does not end.
    """
    with kafka_errors("reading the committed offsets (if this stays: a transaction hangs, see docs/pairing.md)"):
        committed = consumer.committed(list(partitions), timeout=COMMITTED_TIMEOUT_S)
    return [_checked(consumer, place) for place in committed]


def _checked(consumer: Any, place: TopicPartition) -> TopicPartition:
    low, high = watermarks(consumer, place)
    if place.error is not None:
        raise error_of(place.error, f"committed offset of {place.topic}/{place.partition}: {place.error}")
    if place.offset == OFFSET_INVALID:
        return TopicPartition(place.topic, place.partition, low)
    check_within(place.topic, place.partition, low, place.offset, high)
    return place


def check_within(topic: str, partition: int, low: int, offset: int, high: int) -> None:
    """Raise StateError where a position lies outside of the log."""
    if low <= offset <= high:
        return
    cause = "retention has eaten records that were not read" if offset < low else "the topic was made anew"
    raise StateError(
        f"{topic}/{partition}: position {offset} is outside of the log {low}..{high}: {cause}; "
        "going on would lose evidence: reset the consumer group on purpose, or use another topic prefix"
    )


def watermarks(consumer: Any, place: TopicPartition) -> tuple[int, int]:
    """Return the first offset and the next one to be written of a partition, asked from the broker."""
    with kafka_errors(f"asking for the ends of {place.topic}/{place.partition}"):
        low, high = consumer.get_watermark_offsets(place, timeout=CALL_TIMEOUT_S)
    return int(low), int(high)


def end_offsets(admin: AdminClient, places: Iterable[tuple[str, int]], timeout_s: float = 2.0) -> Mapping[tuple[str, int], int]:
    """Return the next offset to be written of each partition, as its leader says now."""
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    wanted = {TopicPartition(topic, number): latest for topic, number in places}
    with kafka_errors("asking for the ends of partitions"):
        futures = admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=timeout_s)
        return {(place.topic, place.partition): future.result().offset for place, future in futures.items()}


@dataclass(frozen=True, slots=True)
class Linger:
    """How long to wait for more once the first message is there, and how much longer where `many` have come by then.

    A backlog is worth large batches, and nobody waits for one of its messages; a live message should not wait for others.
    """

    seconds: float
    many: int = sys.maxsize
    longer_s: float = 0.0


def gather(consumer: Any, most: int, wait_s: float, linger: Linger, tenure: Callable[[], object] = lambda: None) -> list[Any]:
    """Return messages: wait for the first one, and then only so long for more, at most so many in all.

    `consume(n, timeout)` of the library waits for its whole time unless n have come: in quiet times that is pure delay. The
    assignment may change between two calls, inside the later one: `tenure` is what changes with it, and then what came before
    is of the old assignment and is left out. (Within one call the library itself drops what is outdated.)
    """
    first = consumer.poll(wait_s)
    if first is None:
        return []
    found = _more(consumer, [first], most, linger.seconds, tenure)
    return _more(consumer, found, most, linger.longer_s, tenure) if linger.many <= len(found) < most else found


def _more(consumer: Any, found: list[Any], most: int, seconds: float, tenure: Callable[[], object]) -> list[Any]:
    before = tenure()
    more = consumer.consume(most - len(found), seconds)
    return [*found, *more] if tenure() == before else list(more)


def make_consumer(config: Config) -> Any:
    """Return a consumer; ConfigError says what librdkafka does not accept."""
    try:
        return Consumer(config)
    except KafkaException as failure:
        raise ConfigError(f"Kafka consumer: {failure.args[0].str()}") from None
