"""Evidence as it is told: one `DimensionEvidence` a dimension, snapshots, and the reasons of decisions with both numbers."""

from dataclasses import replace

from dualgate.gate import phases, told
from dualgate.gate.paths import now
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import (
    DimensionState,
    futility_threshold,
    interval,
    log_e_futility,
    log_e_worse,
    log_threshold,
    p_value,
    rank_thresholds,
)
from dualgate.gate.stats.interval import Interval
from dualgate.gate.waiting import waiting_for
from dualgate.gate.withdrawal import told as routers
from dualgate.schemas.dimensions import DIMENSIONS
from dualgate.schemas.records import DimensionEvidence, DimensionStatus, EvidenceRecord, EvidenceSnapshot

SNAPSHOT_UNITS = 100
"""A snapshot is written whenever the count of units passes a multiple of this."""


def dimensions(state: MigrationState) -> dict[str, DimensionEvidence]:
    """Return the evidence of all four dimensions; one that is off says so."""
    found = {name: _off() for name in DIMENSIONS}
    paths, errors = now(state), state.spec.errors
    current = paths.by_dimension[:, 0]
    thresholds = rank_thresholds(current, errors.promote, errors.gate, errors.miss, errors.boundary)
    enough = state.n_counted >= state.plan.min_pairs
    for i, name in enumerate(state.on):
        claimed = bool(paths.claimed[i, 0]) and enough
        found[name] = _dimension(state, name, float(current[i]), float(thresholds[i]), claimed)
    return found


def _off() -> DimensionEvidence:
    return DimensionEvidence(
        status="off", n=0, n_missing=0, n_not_eligible=0, log_e=0.0, threshold=0.0, p_value=1.0, log_e_futility=0.0,
        futility_threshold=0.0, log_e_worse=0.0, worse_threshold=0.0,
    )  # fmt: skip


def _dimension(state: MigrationState, name: str, log_e: float, threshold: float, claimed: bool) -> DimensionEvidence:
    own = [(s, d) for s, d in zip(state.specs, state.dims, strict=True) if s.dimension == name]
    spec, dim = next((s, _observed(state, d)) for s, d in own if s.name == name)
    found = interval(spec, dim)
    errors = state.spec.errors
    tested = sum(s.worse is not None for s in state.specs)
    return DimensionEvidence(
        status=_status(state, name, claimed),
        n=dim.n_accept,
        n_missing=state.counters.get(f"missing.{name}", 0),
        n_not_eligible=state.counters.get(f"not_eligible.{name}", 0),
        estimate=found.estimate,
        interval_low=_bound(found, found.low),
        interval_high=_bound(found, found.high),
        log_e=log_e,
        threshold=threshold,
        p_value=max(p_value(d) for _, d in own),
        log_e_futility=max(log_e_futility(s, d) for s, d in own),
        futility_threshold=futility_threshold(errors.miss, len(state.specs)),
        log_e_worse=log_e_worse(spec, dim),
        worse_threshold=log_threshold(errors.rollback / 4, max(1, tested)),
        pairs_to_decision=state.decided_at.get(name),
    )


def _observed(state: MigrationState, dim: DimensionState) -> DimensionState:
    """Return what is told as observed: of a migration that was not counted yet, the pairs that were set aside."""
    if state.n_counted or state.phase == phases.SHADOW:
        return dim
    return replace(dim, n_accept=dim.n_calibration, accept_counts=dim.calibration_counts)


def _bound(found: Interval, bound: float) -> float | None:
    return bound if found.n else None


def _status(state: MigrationState, name: str, claimed: bool) -> DimensionStatus:
    if name in state.verdicts:
        return state.verdicts[name]
    if state.phase == phases.CALIBRATING:
        return "collecting"
    if claimed:
        return "accepted"
    missing = state.counters.get(f"missing.{name}", 0)
    floor = state.spec.missing.coverage_floor
    scored = state.counters.get(f"scored.{name}", 0)
    return "missing" if missing and scored < floor * (scored + missing) else "collecting"


def snapshot(state: MigrationState, partition: int, offset: int, row: int | None) -> EvidenceRecord:
    """Return the evidence of a migration at one place of the ledger."""
    return EvidenceRecord(
        snapshot=EvidenceSnapshot(
            migration_id=state.migration_id,
            epoch=state.migration.epoch,
            phase=state.phase,
            live_share=state.last_command.live_share,
            n_pairs=state.n_units,
            evidence_clock_ms=state.evidence_clock_ms,
            ledger_clock_ms=state.ledger_clock_ms,
            ledger_partition=partition,
            ledger_offset=offset,
            ledger_row=row,
            waiting_for=waiting_for(state),
            dimensions=dimensions(state),
            counters=dict(state.counters),
            routers=routers(state),
            budgets=told.budgets(state),
            monitors=told.monitors(state),
            strata=told.strata(state),
            checks=told.held(state),
        )
    )
