"""What the passing of time does on the ledger clock: leases are renewed, silence holds and then takes the traffic back."""

from dataclasses import replace

from dualgate.gate import phases
from dualgate.gate.decide import At, Cause, Decided, Output, Place, command, record, renewed
from dualgate.gate.routers import settled
from dualgate.gate.state import MigrationState

RENEWALS_PER_LEASE = 3


def tick(state: MigrationState, at: At) -> Decided:
    """Apply a tick; also after its end a migration may wait for routers to let go of the challenger."""
    state, followed = settled(state, at)
    if not state.active:
        return state, followed
    state, outputs = _silence(state, at)
    outputs = followed + outputs
    lease_ms, issued_ms = state.last_command.lease_ms, state.last_command.issued_at_ms
    if lease_ms is None or at.time_ms - issued_ms < lease_ms // RENEWALS_PER_LEASE:
        return state, outputs
    state, repeated = renewed(state, at.time_ms)
    return state, outputs + repeated


def _silence(state: MigrationState, at: At) -> Decided:
    """Say once that no evidence comes; after retreat_after take the users back, the phase is kept."""
    quiet_ms, missing = at.time_ms - state.last_evidence_ms, state.spec.missing
    outputs: list[Output] = []
    if quiet_ms >= missing.hold_after_ms and not state.silent:
        words = (
            f"no evidence for {quiet_ms // 1000} s ≥ missing.hold_after {missing.hold_after_ms // 1000} s: {state.phase} holds"
        )
        state, outputs = record(replace(state, silent=True), Cause("silence", words, "hold"), Place(at))
    if quiet_ms >= missing.retreat_after_ms and not state.retreated and phases.is_live(state.phase):
        words = (
            f"no evidence for {quiet_ms // 1000} s ≥ missing.retreat_after {missing.retreat_after_ms // 1000} s: "
            f"the users are taken back, {state.phase} is kept"
        )
        state, taken = command(replace(state, retreated=True), 0.0, Cause("retreat", words, "hold"), Place(at))
        outputs = outputs + taken
    return state, outputs
