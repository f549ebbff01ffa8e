"""The producer of scoring: blocks go to the ledger as soon as they are made, and are waited for together."""

import logging
from typing import Any

from confluent_kafka import KafkaError, Producer

from dualgate.processors.runtime.bounded import close_in_time
from dualgate.processors.runtime.clients import kafka_errors, producer_config
from dualgate.processors.runtime.faults import error_of
from dualgate.processors.scoring.fold import Folded
from dualgate.processors.scoring.metrics import Reporter
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import TransientError
from dualgate.schemas.records import DeadLetter, LedgerEntry
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import DEAD_LETTERS, LEDGER

log = logging.getLogger(__name__)

SEND_TIMEOUT_S = 30.0


class Outlet:
    """Writes what was folded; after `send` nothing of it may be taken as written before `settle` has returned."""

    def __init__(self, settings: Settings, name: str, codec: Codec, reporter: Reporter) -> None:
        self._ledger, self._dead_letters = (settings.topic_prefix + topic for topic in (LEDGER, DEAD_LETTERS))
        self._codec, self._reporter = codec, reporter
        self._producer = Producer(producer_config(settings, name))
        self._open: list[Folded] = []
        self._failures: list[KafkaError] = []

    def send(self, folded: Folded) -> None:
        """Hand entries and dead letters to the client, which sends them while others are made, in this order."""
        self._open.append(folded)
        with kafka_errors("writing to the ledger"):
            for entry in folded.entries:
                self._producer.produce(self._ledger, self._codec.encode(entry), _key(entry), on_delivery=self._told)
            for dead in folded.dead:
                self._bury(dead)

    def settle(self) -> None:
        """Wait until all that was sent is acknowledged; raise where it is not, and the session must end."""
        sent = sum(len(part.entries) + len(part.dead) for part in self._open)
        with kafka_errors("writing to the ledger"):
            left = self._producer.flush(SEND_TIMEOUT_S) if sent else 0
        if self._failures:
            raise error_of(self._failures[0], f"writing to the ledger: {self._failures[0]}")
        if left:
            raise TransientError(f"{left} of {sent} ledger entries were not acknowledged within {SEND_TIMEOUT_S:.0f} s")
        settled, self._open = self._open, []
        self._reporter.acknowledged(entry for part in settled for entry in part.entries)

    def close(self) -> None:
        """Let go of the producer: what it has not delivered is scored and sent anew."""
        self._producer.purge()
        close_in_time("closing the producer of scoring", self._producer.close)

    def _bury(self, dead: DeadLetter) -> None:
        log.warning("dead letter %s/%d@%d: %s", dead.topic, dead.partition, dead.offset, dead.reason)
        self._producer.produce(self._dead_letters, self._codec.encode(dead), dead.key, on_delivery=self._told)

    def _told(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failures.append(error)


def _key(entry: LedgerEntry) -> bytes:
    block = entry.quality or entry.coverage
    return b"" if block is None else block.migration_id.encode()
