"""From a state to the next by a decision: the routing command that it causes, and the record that explains it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dualgate.gate import phases
from dualgate.gate.checks import ASSIGNMENT
from dualgate.gate.evidence import dimensions, snapshot
from dualgate.gate.state import PHASE, MigrationState
from dualgate.gate.withdrawal import begun
from dualgate.schemas.records import (
    Command,
    DecisionKind,
    DecisionRecord,
    EvidenceRecord,
    RoutingCommand,
)
from dualgate.schemas.topics import DECISIONS, EVIDENCE, MIGRATIONS


@dataclass(frozen=True, slots=True)
class At:
    """Where an entry stands in the ledger, and when it was appended (the ledger clock), in milliseconds."""

    partition: int
    offset: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Output:
    """A record to publish: the bare name of its topic, its key, and the record."""

    topic: str
    key: str
    record: Any


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the ledger: an entry, and the row of its block where there is one."""

    at: At
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is decided: the rule's name, the reason in words with both numbers, and the operator's command if one."""

    rule: str
    reason: str
    kind: DecisionKind = "transition"
    command: Command | None = None
    outcome: str | None = None


Decided = tuple[MigrationState, list[Output]]


def enter(state: MigrationState, phase: str, cause: Cause, place: Place) -> Decided:
    """Enter a phase: a new routing command with the next sequence, its decision record and a snapshot."""
    share = phases.live_share(state.spec, phase)
    commanded, outputs = command(entered(state, phase), share, cause, place, state.phase)
    if commanded.migration.active != state.migration.active:
        outputs.insert(0, Output(MIGRATIONS, state.migration_id, commanded.migration))
    return commanded, outputs


def entered(state: MigrationState, phase: str) -> MigrationState:
    """Return the state at the beginning of a phase, before its command."""
    return replace(
        state,
        phase=phase,
        n_phase=0,
        phase_sequence=state.last_command.sequence + 1,
        phase_began_ms=state.begins_ms,
        retreated=False,
        reentry="",
        reentry_ms=None,
        by_stratum={},
        mirrored={},
        spent={},
        checks={},
        waiting=None,
        counters={name: n for name, n in state.counters.items() if not name.startswith(PHASE)},
        migration=replace(state.migration, active=phase not in phases.TERMINAL),
        line=None if state.line is None else state.line.passed(),
    )


def command(state: MigrationState, share: float, cause: Cause, place: Place, before: str | None = None) -> Decided:
    """Command a share with the next sequence; the phase stays as the state has it."""
    spec, over = state.spec, state.phase in phases.TERMINAL
    last = state.last_command
    routing = RoutingCommand(
        migration_id=state.migration_id,
        epoch=state.migration.epoch,
        sequence=last.sequence + 1,
        phase=state.phase,
        incumbent_version=spec.incumbent,
        challenger_version=spec.challenger,
        salt=last.salt,
        live_share=share,
        shadow_share={"all": 0.0} if over else dict(spec.shadow_sampling),
        lease_ms=None if over else spec.lease_ms,
        issued_at_ms=place.at.time_ms,
        reason=cause.reason,
        config_hash=state.migration.config_hash,
        ledger_partition=place.at.partition,
        ledger_offset=place.at.offset,
        ledger_row=place.row,
    )
    checks = {name: sums for name, sums in state.checks.items() if not name.startswith(ASSIGNMENT)}
    gone = begun(state, share, place.at.time_ms)
    state = replace(state, last_command=routing, withdrawal=gone, assigned=(0, 0), checks=checks)
    told, outputs = record(state, cause, place, before, routing)
    return told, [Output(DECISIONS, state.migration_id, routing), *outputs]


def record(
    state: MigrationState, cause: Cause, place: Place, before: str | None = None, routing: RoutingCommand | None = None
) -> Decided:
    """Write the record of a decision and a snapshot beside it."""
    written = DecisionRecord(
        decision_id=f"{state.migration_id}/{state.migration.epoch}/{state.n_decisions}",
        migration_id=state.migration_id,
        epoch=state.migration.epoch,
        sequence=state.last_command.sequence,
        kind=cause.kind,
        from_phase=state.phase if before is None else before,
        to_phase=state.phase,
        rule=cause.rule,
        reason=cause.reason,
        outcome=cause.outcome,
        actor=cause.command.actor if cause.command else None,
        command_id=cause.command.command_id if cause.command else None,
        n_pairs=state.n_units,
        evidence_clock_ms=state.evidence_clock_ms,
        ledger_clock_ms=state.ledger_clock_ms,
        ledger_partition=place.at.partition,
        ledger_offset=place.at.offset,
        ledger_row=place.row,
        config_hash=state.migration.config_hash,
        scorer_versions=dict(state.scorer_versions),
        dimensions=dimensions(state),
        counters=dict(state.counters),
        routing_command=routing,
    )
    outputs = [
        Output(EVIDENCE, state.migration_id, EvidenceRecord(decision=written)),
        Output(EVIDENCE, state.migration_id, snapshot(state, place.at.partition, place.at.offset, place.row)),
    ]
    return replace(state, n_decisions=state.n_decisions + 1), outputs


def renewed(state: MigrationState, time_ms: int) -> Decided:
    """Repeat the last command with a new time: the lease runs on; no decision, no new sequence."""
    again = replace(state.last_command, issued_at_ms=time_ms)
    return replace(state, last_command=again), [Output(DECISIONS, state.migration_id, again)]


def refused(migration_id: str, order: Command, reason: str, at: At, counters: Mapping[str, int]) -> Output:
    """Return the record of a command on a migration that does not exist."""
    return Output(
        EVIDENCE,
        migration_id,
        EvidenceRecord(
            decision=DecisionRecord(
                decision_id=f"{migration_id}/0/{at.partition}-{at.offset}",
                migration_id=migration_id,
                epoch=0,
                kind="command",
                rule=order.kind,
                reason=reason,
                outcome="refused",
                actor=order.actor,
                command_id=order.command_id,
                n_pairs=0,
                ledger_clock_ms=at.time_ms,
                ledger_partition=at.partition,
                ledger_offset=at.offset,
                config_hash=order.config_hash or "",
                scorer_versions={},
                dimensions={},
                counters=dict(counters),
            )
        ),
    )
