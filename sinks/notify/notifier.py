"""One target's notifications: follows `evidence`, delivers what is new in its order, and commits after each delivery.

The position and what has been told stand on the broker, under a group of the target's own; nobody else waits for a slow
target. A kill between a delivery and its commit repeats that one message, with the same id.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from dualgate.processors.runtime.clients import client_config, kafka_errors, watermarks
from dualgate.processors.runtime.hearing import Hearing
from dualgate.processors.runtime.loop import Stop, run_sessions
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import EvidenceRecord
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import EVIDENCE
from dualgate.sinks.notify.marks import Marks, mark_of
from dualgate.sinks.notify.messages import Message, message_of
from dualgate.sinks.notify.targets import TIMEOUT_S, Refused, Target, Undelivered

log = logging.getLogger(__name__)
BATCH, POLL_S, CALL_S = 500, 0.5, 10.0
FIRST_WAIT_S, MOST_WAIT_S = 1.0, 60.0


class Notifier:
    """Tells one target of the decisions of all migrations; the first start begins at the present end of `evidence`."""

    def __init__(
        self,
        target: Target,
        settings: Settings,
        *,
        timeout_s: float = TIMEOUT_S,
        first_wait_s: float = FIRST_WAIT_S,
        told: Callable[[Message], None] = lambda _: None,
    ) -> None:
        self._target, self._settings = target, settings
        self._timeout_s, self._first_wait_s, self._told = timeout_s, first_wait_s, told
        self._codec = codec_for(settings.schema_registry_url)
        self._marks = Marks()

    def run(self, stop: Stop) -> None:
        """Follow until stopped; TransientError where the broker does not answer at all."""
        run_sessions(lambda: self._opened(stop), stop)

    @contextmanager
    def _opened(self, stop: Stop) -> Iterator["_Session"]:
        consumer: Any = Consumer(_config(self._settings, self._target.name))
        try:
            with kafka_errors(f"notifications of {self._target.name}"):
                self._begin(consumer)
            yield _Session(self, consumer, Hearing(self._settings, consumer, self._settings.topic_prefix + EVIDENCE), stop)
        finally:
            consumer.close()

    def _begin(self, consumer: Any) -> None:
        """Go on where the group stands."""
        place = TopicPartition(self._settings.topic_prefix + EVIDENCE, 0)
        (found,) = consumer.committed([place], timeout=CALL_S)
        if found.offset < 0:
            self._from_now(consumer)
            return
        place.offset, self._marks = found.offset, Marks.decode(found.metadata)
        consumer.assign([place])

    def _from_now(self, consumer: Any) -> None:
        place = TopicPartition(self._settings.topic_prefix + EVIDENCE, 0)
        _, place.offset = watermarks(consumer, place)
        self._commit(consumer, place.topic, place.offset)
        consumer.assign([place])

    def _failed(self, error: Any, consumer: Any) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            log.error("evidence was made anew or cut: what was decided before now is not told to %s", self._target.name)
            self._marks = Marks()
            self._from_now(consumer)
        else:
            log.warning("evidence: %s", error.str())

    def take(self, message: Any, consumer: Any, stop: Stop) -> bool:
        """Tell one record where it is a new decision; return False where stopped before that was done."""
        if message.error() is not None:
            self._failed(message.error(), consumer)
            return True
        found = self._message(message)
        if found is None:
            return True
        told, mark = found
        if not self._deliver(told, stop):
            return False
        self._marks.put(mark)
        self._commit(consumer, message.topic(), message.offset() + 1)
        return True

    def _message(self, message: Any) -> tuple[Message, str] | None:
        """Return what a record tells and its mark; None where it is no news."""
        try:
            decision = self._codec.decode(EvidenceRecord, message.value()).decision
        except RecordError as error:
            log.error("evidence offset %d is not told: %s", message.offset(), error)
            return None
        told = None if decision is None else message_of(decision)
        if decision is None or told is None or not self._marks.new(mark := mark_of(decision)):
            return None
        return told, mark

    def _deliver(self, message: Message, stop: Stop) -> bool:
        """Try until it is delivered or refused, each time after a longer pause; return False where stopped before."""
        wait_s = self._first_wait_s
        while True:
            try:
                self._target.post(message, self._timeout_s)
                self._told(message)
                return True
            except Refused as error:
                log.error("%s is not told: %s", message.id, error)
                return True
            except Undelivered as error:
                log.warning("%s is tried again in %.0f s: %s", message.id, wait_s, error)
            if stop.wait(wait_s):
                return False
            wait_s = min(2 * wait_s, MOST_WAIT_S)

    def _commit(self, consumer: Any, topic: str, offset: int) -> None:
        """Put position and marks on the broker; one that is lost is made good by the next, or repeats a message."""
        place = TopicPartition(topic, 0, offset, metadata=self._marks.encode())
        try:
            consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            log.warning("the position after %d is not committed: %s", offset, error.args[0].str())


@dataclass(frozen=True, slots=True)
class _Session:
    notifier: Notifier
    consumer: Any
    hearing: Hearing
    stop: Stop

    def step(self) -> bool:
        """Tell what has arrived; return whether anything has."""
        messages = self.consumer.consume(BATCH, POLL_S)
        self.hearing.tick(bool(messages))
        return bool(messages) and all(self.notifier.take(message, self.consumer, self.stop) for message in messages)


def _config(settings: Settings, name: str) -> dict[str, Any]:
    group = settings.name("notify", name)
    return {
        **client_config(settings, group),
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "reconnect.backoff.max.ms": 2_000,
    }
