"""Follow the compacted topic of accepted configurations: which migrations there are, and what scores each."""

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from dualgate.processors.runtime.bounded import close_in_time
from dualgate.processors.runtime.clients import client_config, make_consumer, watermarks
from dualgate.processors.runtime.faults import error_of
from dualgate.processors.runtime.hearing import Hearing
from dualgate.processors.scoring.logic import MigrationScoring
from dualgate.processors.scoring.migrations import close, open_migration
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError, RecordError, TransientError
from dualgate.schemas.records import Migration
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import MIGRATIONS

log = logging.getLogger(__name__)
CATCH_UP_S = 30.0
QUIET_S = 300.0
"""This topic is silent for days while pairs come, and each question whether it still could be heard holds them up; a migration
that is not known is looked for at once in any case."""


class Migrations:
    """The accepted configurations by migration id, and the scorers of those that pairs came for.

    A pair may overtake its migration's configuration on the way here, so an id that is not known is looked for up to the
    present end of the topic before it counts as unknown.
    """

    def __init__(
        self, settings: Settings, codec: Codec, opened: Callable[[Migration], MigrationScoring] = open_migration
    ) -> None:
        self._place = TopicPartition(settings.topic_prefix + MIGRATIONS, 0)
        self._codec = codec
        self._opened = opened
        self._records: dict[str, Migration] = {}
        self._scorings: dict[str, MigrationScoring] = {}
        self._consumer = make_consumer(_config(settings))
        low, _ = watermarks(self._consumer, self._place)
        self._consumer.assign([TopicPartition(self._place.topic, 0, low)])
        self._hearing = Hearing(settings, self._consumer, self._place.topic, quiet_s=QUIET_S)
        self.catch_up()

    @property
    def epochs(self) -> Mapping[str, int]:
        """Return the present epoch of each migration that is not over."""
        return {m.migration_id: m.epoch for m in self._records.values() if m.active}

    def scoring(self, migration_id: str) -> MigrationScoring | None:
        """Return what scores a migration, None where it is over; RecordError where it was never accepted."""
        found = self._scorings.get(migration_id)
        if found is not None:
            return found
        if migration_id not in self._records:
            self.catch_up()
        record = self._records.get(migration_id)
        if record is None:
            raise RecordError(
                f"migration {migration_id} is not known: no configuration was accepted; dualgate start its file first"
            )
        if not record.active:
            return None
        try:
            self._scorings[migration_id] = self._opened(record)
        except ConfigError as error:
            raise RecordError(f"migration {migration_id}, epoch {record.epoch}: {error}") from None
        return self._scorings[migration_id]

    def catch_up(self) -> None:
        """Read up to the present end of the topic; TransientError where that takes longer than half a minute."""
        _, end = watermarks(self._consumer, self._place)
        waited = 0.0
        while self._position() < end:
            message = self._consumer.poll(0.5)
            waited += 0.5 if message is None else 0.0
            if message is not None and self._take(message) and self._reached(message) >= end:
                return
            if waited > CATCH_UP_S:
                raise TransientError(f"{self._place.topic}: nothing came for {waited:.0f} s at {self._position()} of {end}")

    def drain(self) -> None:
        """Take what has come since, without waiting; TransientError where nothing could come any more."""
        messages = self._consumer.consume(100, 0)
        self._hearing.tick(bool(messages))
        for message in messages:
            self._take(message)

    def close(self) -> None:
        """Leave the topic, and close every database."""
        close_in_time("leaving the topic of migrations", self._consumer.close)
        for scoring in self._scorings.values():
            close(scoring)

    def _position(self) -> int:
        offset = self._consumer.position([self._place])[0].offset
        return max(int(offset), 0)

    def _reached(self, message: Any) -> int:
        return int(message.offset()) + (0 if message.error() else 1)

    def _take(self, message: Any) -> bool:
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise error_of(error, f"reading {self._place.topic}: {error}")
            return True
        self._learn((message.key() or b"").decode("utf-8", "replace"), message.value())
        return True

    def _learn(self, migration_id: str, value: bytes | None) -> None:
        try:
            record = None if value is None else self._codec.decode(Migration, value)
        except RecordError as error:
            log.error("%s: configuration of %s cannot be read and is left out: %s", self._place.topic, migration_id, error)
            return
        if record is None:
            self._records.pop(migration_id, None)
        else:
            self._records[migration_id] = record
        old = self._scorings.get(migration_id)
        if old is not None and (record is None or not record.active or not _same(record, old)):
            close(self._scorings.pop(migration_id))


def _same(record: Migration, scoring: MigrationScoring) -> bool:
    return (record.epoch, record.config_hash) == (scoring.identity.epoch, scoring.identity.config_hash)


def _config(settings: Settings) -> dict[str, Any]:
    """A group that nobody else has: every worker reads the whole topic, and commits nothing."""
    name = settings.name("scoring", "migrations", uuid.uuid4().hex[:8])
    return {
        **client_config(settings, name),
        "group.id": name,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }
