"""The Kafka side of a router: reads commands from the start of `decisions`, sends acknowledgements to the ledger."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from dualgate.processors.runtime.clients import Linger, gather, silent
from dualgate.processors.runtime.hearing import Hearing
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import LedgerEntry, RoutingAck, RoutingCommand
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import DECISIONS, LEDGER
from dualgate.sinks.router.acks import AckBook
from dualgate.sinks.router.table import command_fault

log = logging.getLogger(__name__)
BATCH = 500
TOLD_EVERY_S = 10.0


class Outage:
    """Logs a client's errors, at most one every ten seconds: a broker that is away is asked for twenty times a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._told_at, self._untold = clock, -TOLD_EVERY_S, 0
        self._lock = threading.Lock()

    def __call__(self, error: Any) -> None:
        """Log an error, with the number of those since the last line, or count it."""
        with self._lock:
            if self._clock() - self._told_at < TOLD_EVERY_S:
                self._untold += 1
                return
            log.warning("broker: %s (%d more since the last such line); it is asked for again", error, self._untold)
            self._told_at, self._untold = self._clock(), 0


class DecisionFollower:
    """One consumer and one producer; every method is called by the router's background thread only.

    The consumer is in no group: it reads the whole compacted topic at each start and commits nothing, so a router keeps
    no state of its own. Losing the broker shows as silence; librdkafka reconnects by itself; where it can not, `poll` tells.
    """

    def __init__(self, migration_id: str, settings: Settings, codec: Codec, book: AckBook) -> None:
        self._key, self._codec, self._book = migration_id.encode(), codec, book
        self._ledger = settings.topic_prefix + LEDGER
        outage = Outage()
        self._consumer = Consumer(_consumer_config(settings, migration_id, outage))
        self._consumer.assign([TopicPartition(settings.topic_prefix + DECISIONS, 0, OFFSET_BEGINNING)])
        self._hearing = Hearing(settings, self._consumer, settings.topic_prefix + DECISIONS)
        self._producer = Producer(_producer_config(settings, outage))

    def poll(self, timeout_s: float) -> list[RoutingCommand]:
        """Return the commands of this migration that have arrived, in order; what cannot be read is logged and left.

        TransientError where this client will hear nothing more.
        """
        messages = gather(self._consumer, BATCH, timeout_s, Linger(0.0))
        self._hearing.tick(bool(messages))
        found = (self._command(message) for message in messages)
        return [command for command in found if command is not None]

    def send(self, acks: Iterable[RoutingAck]) -> None:
        """Send acknowledgements without waiting; the counts of one that is not delivered go back into the book."""
        for ack in acks:
            self._send(ack)
        self._producer.poll(0)

    def _send(self, ack: RoutingAck) -> None:
        def delivered(error: Any, _message: Any) -> None:
            if error is not None:
                self._book.restore(ack)

        try:
            self._producer.produce(self._ledger, self._codec.encode(LedgerEntry(ack=ack)), self._key, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            log.warning("acknowledgement not sent: %s", error)
            self._book.restore(ack)

    def close(self, timeout_s: float = 2.0) -> None:
        """Give the last acknowledgement a moment, then let go of the connections."""
        self._producer.flush(timeout_s)
        self._consumer.close()

    def _command(self, message: Any) -> RoutingCommand | None:
        if message.error() is not None:
            log.warning("decisions: %s", message.error())
            return None
        if message.key() != self._key or message.value() is None:
            return None
        try:
            command = self._codec.decode(RoutingCommand, message.value())
            if fault := command_fault(command):
                raise RecordError(fault)
        except RecordError as error:
            log.error("decisions offset %d is not a routing command and is not obeyed: %s", message.offset(), error)
            return None
        return command


def _consumer_config(settings: Settings, migration_id: str, outage: Outage) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "group.id": settings.name("router", migration_id),  # librdkafka wants a name; no group is joined
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 100,  # a fetch is answered at once where there is anything; this is how long it waits for nothing
        "reconnect.backoff.max.ms": 2_000,
        "topic.metadata.refresh.interval.ms": 5_000,  # finds a topic that is made after the router has started
        "error_cb": outage,
        "logger": silent(),
    }


def _producer_config(settings: Settings, outage: Outage) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "message.timeout.ms": 30_000,
        "reconnect.backoff.max.ms": 2_000,
        "error_cb": outage,
        "logger": silent(),
    }
