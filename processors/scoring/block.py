"""From decoded pairs to the columns that go to the ledger; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from dualgate.processors.scoring.protocol import Score
from dualgate.schemas.records import (
    ArmColumns,
    CoverageBlock,
    DimensionColumns,
    Pair,
    QualityBlock,
    Query,
    Response,
    Unpaired,
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a block comes from: the id of the topic, its partition, and the offsets [from, to) that the block covers."""

    lineage: str
    partition: int
    from_offset: int
    to_offset: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Which migration, in which of its epochs, a block is evidence for."""

    migration_id: str
    epoch: int
    config_hash: str


def hash_of(migration_id: str, name: str) -> str:
    """Return 16 hex digits for a query or session id, so that the ledger names neither."""
    return blake2b(f"{migration_id}/{name}".encode(), digest_size=8).hexdigest()


def quality_block(
    identity: Identity,
    source: Source,
    offsets: Sequence[int],
    pairs: Sequence[Pair],
    scores: Mapping[str, Sequence[Score]],
    versions: Mapping[str, str],
) -> QualityBlock:
    """Return the block of scored pairs, a row a pair in the order of their offsets."""
    return QualityBlock(
        **_asked(identity, source, offsets, [pair.query for pair in pairs]),
        scorer_versions=dict(versions),
        incumbent=_arm([pair.incumbent for pair in pairs]),
        challenger=_arm([pair.challenger for pair in pairs]),
        dimensions={name: _dimension(column) for name, column in scores.items()},
    )


def coverage_block(
    identity: Identity, source: Source, offsets: Sequence[int], unpaired: Sequence[Unpaired], timestamps_ms: Sequence[int]
) -> CoverageBlock:
    """Return the block of what did not become a pair; an answer without a query is dated by its record."""
    queries = [u.query or _unknown(u, at) for u, at in zip(unpaired, timestamps_ms, strict=True)]
    return CoverageBlock(
        **_asked(identity, source, offsets, queries),
        reason=[u.reason for u in unpaired],
        silent_arm=[u.silent_arm for u in unpaired],
    )


def _asked(identity: Identity, source: Source, offsets: Sequence[int], queries: Sequence[Query]) -> dict[str, Any]:
    """Return what every block says: whose it is, where its rows come from, and the columns of their queries."""
    return {
        "migration_id": identity.migration_id,
        "epoch": identity.epoch,
        "config_hash": identity.config_hash,
        "lineage": source.lineage,
        "partition": source.partition,
        "from_offset": source.from_offset,
        "to_offset": source.to_offset,
        "offset": list(offsets),
        "query_hash": [hash_of(q.migration_id, q.query_id) for q in queries],
        "session_hash": [_session(q) for q in queries],
        "session_turn": [q.session_turn for q in queries],
        "stratum": [q.stratum for q in queries],
        "sampling_probability": [_probability(q) for q in queries],
        "asked_at_ms": [q.asked_at_ms for q in queries],
        "routing_sequence": [q.routing_sequence for q in queries],
        "served_by": [q.served_by for q in queries],
    }


def _unknown(unpaired: Unpaired, timestamp_ms: int) -> Query:
    return Query(query_id=unpaired.query_id, migration_id=unpaired.migration_id, asked_at_ms=timestamp_ms, text="")


def _session(query: Query) -> str | None:
    return None if query.session_id is None else hash_of(query.migration_id, query.session_id)


def _probability(query: Query) -> float:
    """Quantise to .001, never to 0: the gate divides by it."""
    return max(0.001, round(query.sampling_probability, 3))


def _arm(responses: Sequence[Response]) -> ArmColumns:
    return ArmColumns(
        version=[r.agent_version for r in responses],
        lane=[r.lane for r in responses],
        status=[r.status for r in responses],
        service_ms=[r.service_ms for r in responses],
        queue_ms=[r.queue_ms for r in responses],
    )


def _dimension(scores: Sequence[Score]) -> DimensionColumns:
    return DimensionColumns(
        incumbent=[s.incumbent for s in scores],
        challenger=[s.challenger for s in scores],
        state=[s.state for s in scores],
        reason=[s.reason for s in scores],
        source=[s.source for s in scores],
        rater_version=[s.rater_version for s in scores],
        label_probability=[s.label_probability for s in scores],
        label_drawn=[s.label_drawn for s in scores],
    )
