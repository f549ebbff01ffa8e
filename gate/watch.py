"""What the passing of time does on the ledger clock: leases are renewed, silence holds and then takes the traffic back."""

from dataclasses import replace

from dualgate.gate import phases
from dualgate.gate.decide import At, Cause, Decided, Output, Place, command, record, renewed
from dualgate.gate.routers import settled
from dualgate.gate.state import MigrationState

RENEWALS_PER_LEASE = 3
LAPSED, BACK = "lapsed", "back"


def tick(state: MigrationState, at: At) -> Decided:
    """Apply a tick; also after its end a migration may wait for routers to let go of the challenger."""
    state, followed = settled(state, at)
    if not state.active:
        return state, followed
    state, outputs = _silence(state, at)
    outputs = followed + outputs
    if state.reentry == LAPSED:
        state, back = _back(state, at)
        return state, outputs + back
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
        away = replace(state, retreated=True, reentry="", reentry_ms=None)
        state, taken = command(away, 0.0, Cause("retreat", words, "hold"), Place(at))
        outputs = outputs + taken
    return state, outputs


def lapsed(state: MigrationState) -> MigrationState:
    """Note that the lease has run out: nobody renewed it for longer, so every router serves the incumbent by itself.

    In a replay no user is served by it, so there it is renewed like any other.
    """
    last = state.last_command
    served = state.spec.mode == "live" and phases.is_live(state.phase) and last.live_share > 0 and last.lease_ms is not None
    if not served or state.reentry == LAPSED or state.ledger_clock_ms - last.issued_at_ms <= (last.lease_ms or 0):
        return state
    return replace(state, reentry=LAPSED, reentry_ms=None)


def _back(state: MigrationState, at: At) -> Decided:
    """The lease returns: the challenger re-enters at the share of the step before; the phase is kept."""
    step = phases.before(state.spec, state.phase)
    share, last = phases.live_share(state.spec, step), state.last_command
    quiet_ms = at.time_ms - last.issued_at_ms
    words = (
        f"the lease ran out (not renewed for {quiet_ms // 1000} s > {(last.lease_ms or 0) // 1000} s) and users saw "
        f"the incumbent: the challenger re-enters {state.phase} at the share {share:g} of {step}"
    )
    reentry = BACK if step != state.phase else ""
    state = replace(state, reentry=reentry, reentry_ms=state.begins_ms)
    return command(state, share, Cause("lapsed", words, "hold"), Place(at))
