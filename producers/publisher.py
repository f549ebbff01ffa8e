"""Mirrors queries and answers from inside an agent service, without ever standing in a request's way.

A call puts the record into a bounded buffer and returns; a thread of the publisher's own encodes and sends. Where the broker is
slow or gone the buffer fills and new mirrors are dropped, counted and reported: a dead broker costs mirrors, never answers.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Producer

from dualgate.processors.runtime.clients import producer_config
from dualgate.producers.messages import headers_of, timestamp_of, topic_of
from dualgate.producers.mirror_buffer import BUFFER_FULL, CLOSED, INVALID, NOT_DELIVERED, Mirror, MirrorBuffer, PublisherCounts
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import Query, Response
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings, load_settings
from dualgate.schemas.topics import split_key, traffic_key

log = logging.getLogger("dualgate.publisher")

_REPORT_EVERY_S = 10.0
_POLL_S = 0.02


class Publisher:
    """Publishes queries and answers; safe to call from any thread.

    `query` and `response` never raise and never wait; they return whether the record was accepted. `on_drop` hears the dropped
    counts whenever they are logged, in the publisher's thread. `producer` is a seam for tests.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        buffer: int = 10_000,
        delivery_timeout_s: float = 30.0,
        on_drop: Callable[[Mapping[str, int]], None] | None = None,
        producer: Callable[[dict[str, Any]], Any] = Producer,
    ) -> None:
        if buffer < 1:
            raise ConfigError(f"buffer={buffer} must be at least 1")
        self._settings = settings or load_settings()
        self._codec = codec_for(self._settings.schema_registry_url)
        config = producer_config(self._settings, self._settings.name("publisher"))
        config |= {"message.timeout.ms": int(delivery_timeout_s * 1000), "queue.buffering.max.messages": buffer}
        try:
            self._producer = producer(config)
        except (KafkaException, ValueError) as error:
            raise ConfigError(f"Kafka client: {error}") from None
        self._buffer, self._on_drop = MirrorBuffer(buffer), on_drop
        self._n_reported = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="dualgate-publisher", daemon=True)
        self._thread.start()

    def query(self, record: Query | None = None, /, **fields: Any) -> bool:
        """Mirror a query, given as a record or as its fields."""
        return self._offer(Query, record, fields, False)

    def response(self, record: Response | None = None, /, *, is_rerun: bool = False, **fields: Any) -> bool:
        """Mirror an answer, given as a record or as its fields; a re-run is the incumbent's second answer."""
        return self._offer(Response, record, fields, is_rerun)

    @property
    def counts(self) -> PublisherCounts:
        """Return what became of the records so far."""
        return self._buffer.counts

    def flush(self, timeout: float) -> int:
        """Wait until every accepted record is delivered or dropped, at most so many seconds; return how many still wait."""
        return self._buffer.wait(timeout)

    def close(self, timeout: float = 5.0) -> int:
        """Flush, stop, and drop what is left; return how many records that were."""
        left = self.flush(timeout)
        self._closed = True
        self._thread.join(timeout + 5)
        return left

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _offer(self, cls: type[Any], record: Any, fields: dict[str, Any], is_rerun: bool) -> bool:
        try:
            made = cls(**fields) if record is None else record
        except TypeError as error:  # a field that is missing or unknown: the request must not suffer for it
            log.warning("a %s was not mirrored: %s", cls.__name__, error)
            return self._refuse(INVALID)
        if self._closed:
            return self._refuse(CLOSED)
        return self._buffer.offer((made, is_rerun)) or self._refuse(BUFFER_FULL)

    def _refuse(self, reason: str) -> bool:
        self._buffer.drop(reason)
        return False

    def _run(self) -> None:
        reported_at = time.monotonic()
        while not self._closed:
            while not self._closed and (mirror := self._buffer.take()) is not None:
                self._send(mirror)
            self._producer.poll(_POLL_S)
            if time.monotonic() - reported_at > _REPORT_EVERY_S:
                reported_at = time.monotonic()
                self._report()
        self._stop()

    def _stop(self) -> None:
        while self._buffer.take() is not None:
            self._buffer.settle(CLOSED)
        self._producer.purge()
        self._producer.flush(1)
        self._report()

    def _send(self, mirror: Mirror) -> None:
        """Hand a record to the client; whatever cannot be encoded is dropped, since this thread must go on."""
        try:
            self._produce(*mirror)
        except Exception as error:
            log.warning("a %s was not mirrored: %s", type(mirror[0]).__name__, error)
            self._buffer.settle(INVALID)

    def _produce(self, record: Query | Response, is_rerun: bool) -> None:
        topic, key = topic_of(record, is_rerun), traffic_key(record.migration_id, record.query_id)
        split_key(key)
        value, timestamp = self._codec.encode(record), timestamp_of(record)
        headers = headers_of(topic, to_plain(record))
        while not self._closed:
            try:
                self._producer.produce(
                    self._settings.topic_prefix + topic, value, key, headers=headers, timestamp=timestamp, on_delivery=self._told
                )
                self._producer.poll(0)
                return
            except BufferError:  # the client's own queue is full as well
                self._producer.poll(_POLL_S)
        self._buffer.settle(CLOSED)

    def _told(self, error: KafkaError | None, _message: Any) -> None:
        self._buffer.settle(None if error is None else NOT_DELIVERED)

    def _report(self) -> None:
        dropped = self._buffer.counts.dropped
        total = sum(dropped.values())
        if total == self._n_reported:
            return
        self._n_reported = total
        words = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()))
        log.warning("%d mirrors dropped so far (%s); users' answers are not affected", total, words)
        if self._on_drop is not None:
            self._on_drop(dropped)
