"""Fold the records of one partition into ledger entries and dead letters; knows no Kafka.

Every record ends in exactly one way: a row of a block, a dead letter, or a count of why it was dropped.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dualgate.processors.runtime.dead_letters import DeadLetterBudget, dead_letter
from dualgate.processors.scoring.block import Source
from dualgate.processors.scoring.clock import Clocks
from dualgate.processors.scoring.context import Rated
from dualgate.processors.scoring.logic import MigrationScoring, cover_unpaired
from dualgate.processors.scoring.waiting import Waiting
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import DeadLetterBudgetExceeded, RecordError
from dualgate.schemas.records import DeadLetter, LedgerEntry, Pair, Query, Response, Unpaired
from dualgate.schemas.topics import split_key

MAX_AHEAD_MS = 300_000
"""A question that claims to be asked this much after its record was written would move the evidence clock on its own."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as the broker has it."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Origin:
    """The partition of a topic that a batch comes from; `from_offset` is where the batch before it ended."""

    topic: str
    lineage: str
    partition: int
    from_offset: int


@dataclass(slots=True)
class Folded:
    """What a batch became; of a migration that has a rater, what will become a block when the rater has spoken."""

    entries: list[LedgerEntry] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


Lookup = Callable[[str], MigrationScoring | None]
"""The scoring of a migration id: None where it is over; RecordError where no configuration was ever accepted."""


@dataclass(slots=True)
class _Rows:
    """The records of one migration in a batch."""

    scoring: MigrationScoring
    offsets: list[int] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    unpaired: list[Unpaired] = field(default_factory=list)


class ScoringLogic:
    """Folds batches. It remembers the dead-letter budget of each migration, and nothing that a restart could miss."""

    def __init__(self, codec: Codec, lookup: Lookup, worker: str, budget: DeadLetterBudget | None = None) -> None:
        self._codec = codec
        self._lookup = lookup
        self._worker = worker
        self._budget = budget or DeadLetterBudget()
        self._held: set[str] = set()

    def pairs(self, origin: Origin, records: Sequence[Raw], clocks: Clocks) -> Folded:
        """Return a quality block for each migration in a batch of `pairs`."""
        folded, source = Folded(), _source(origin, records)
        for rows in self._sorted(Pair, origin, records, clocks, folded):
            waiting = Waiting(rows.scoring, source, rows.offsets, rows.pairs)
            if isinstance(rows.scoring.context.rated, Rated):
                waiting.ask()
                folded.waiting.append(waiting)
            else:
                folded.entries.append(waiting.entry())
            folded.counts["pairs"] += len(rows.pairs)
        return folded

    def unpaired(self, origin: Origin, records: Sequence[Raw], clocks: Clocks) -> Folded:
        """Return a coverage block for each migration in a batch of `unpaired`."""
        folded, source = Folded(), _source(origin, records)
        for rows in self._sorted(Unpaired, origin, records, clocks, folded):
            block = cover_unpaired(rows.scoring.identity, source, rows.offsets, rows.unpaired, rows.timestamps_ms)
            folded.entries.append(LedgerEntry(coverage=block))
            folded.counts["unpaired"] += len(rows.unpaired)
        return folded

    def _sorted(
        self, kind: type[Pair] | type[Unpaired], origin: Origin, records: Sequence[Raw], clocks: Clocks, folded: Folded
    ) -> Sequence[_Rows]:
        by_migration: dict[str, _Rows] = {}
        for raw in records:
            try:
                self._sort(kind, raw, clocks, by_migration, folded.counts)
            except RecordError as error:
                self._bury(origin, raw, str(error), folded)
        return list(by_migration.values())

    def _sort(
        self, kind: type[Pair] | type[Unpaired], raw: Raw, clocks: Clocks, rows: dict[str, _Rows], counts: Counter[str]
    ) -> None:
        """Put one record with its migration's rows, or count why it is dropped; RecordError where it cannot be used."""
        migration_id, query_id = split_key(raw.key)
        if migration_id in self._held:
            counts["held"] += 1
            return
        self._budget.read(migration_id, 1)
        record = self._codec.decode(kind, raw.value)
        _check(record, migration_id, query_id, raw.timestamp_ms)
        scoring = self._lookup(migration_id)
        if scoring is None:
            counts["over"] += 1
            return
        query = record.query
        if query is not None and not clocks.admits(migration_id, scoring.identity.epoch, query.asked_at_ms):
            counts["stale"] += 1
            return
        found = rows.setdefault(migration_id, _Rows(scoring))
        found.offsets.append(raw.offset)
        found.timestamps_ms.append(raw.timestamp_ms)
        if isinstance(record, Pair):
            found.pairs.append(record)
        else:
            found.unpaired.append(record)

    def _bury(self, origin: Origin, raw: Raw, reason: str, folded: Folded) -> None:
        migration_id = _migration_of(raw.key)
        folded.counts["dead"] += 1
        place = (origin.topic, origin.partition, raw.offset)
        folded.dead.append(
            dead_letter(
                place, raw.timestamp_ms, raw.key, raw.value, reason=reason, worker=self._worker, migration_id=migration_id
            )
        )
        if migration_id is None:
            return
        try:
            self._budget.spend(migration_id)
        except DeadLetterBudgetExceeded as exceeded:
            self._held.add(migration_id)
            folded.dead[-1] = dead_letter(
                place,
                raw.timestamp_ms,
                raw.key,
                raw.value,
                reason=f"{reason}; {exceeded}",
                worker=self._worker,
                migration_id=migration_id,
            )


def _source(origin: Origin, records: Sequence[Raw]) -> Source:
    return Source(origin.lineage, origin.partition, origin.from_offset, records[-1].offset + 1)


def _migration_of(key: bytes | None) -> str | None:
    try:
        return split_key(key)[0]
    except RecordError:
        return None


def _check(record: Pair | Unpaired, migration_id: str, query_id: str, timestamp_ms: int) -> None:
    """Hold a record to its key and to sense; RecordError says what does not fit."""
    if isinstance(record, Unpaired):
        _same("unpaired", record.migration_id, record.query_id, migration_id, query_id)
    parts: list[tuple[str, str, Response | None]] = [
        ("incumbent", "incumbent", record.incumbent),
        ("challenger", "challenger", record.challenger),
        ("rerun", "incumbent", record.rerun),
    ]
    for name, arm, response in parts:
        if response is not None:
            _same(name, response.migration_id, response.query_id, migration_id, query_id)
            if response.arm != arm:
                raise RecordError(f"{name} says arm={response.arm}; in its place only {arm} can stand")
            if not (math.isfinite(response.service_ms) and response.service_ms >= 0 and math.isfinite(response.queue_ms)):
                raise RecordError(
                    f"{name} has service_ms={response.service_ms}, queue_ms={response.queue_ms}; both must be at least 0"
                )
    if record.query is not None:
        _same("query", record.query.migration_id, record.query.query_id, migration_id, query_id)
        _check_query(record.query, timestamp_ms)


def _same(part: str, has_migration: str, has_query: str, migration_id: str, query_id: str) -> None:
    if has_migration != migration_id or has_query != query_id:
        raise RecordError(f"{part} is of {has_migration}/{has_query}, but the key says {migration_id}/{query_id}")


def _check_query(query: Query, timestamp_ms: int) -> None:
    ahead = query.asked_at_ms - timestamp_ms
    if ahead > MAX_AHEAD_MS:
        raise RecordError(f"asked_at_ms={query.asked_at_ms} is {ahead} ms > {MAX_AHEAD_MS} ms after its record's timestamp")
    if not 0 < query.sampling_probability <= 1:
        raise RecordError(f"sampling_probability={query.sampling_probability} must be above 0 and at most 1")
