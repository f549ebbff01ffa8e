"""The phases of a migration: their names, their order, and what each means for the users."""

from dualgate.schemas.migration import MigrationSpec

CALIBRATING, SHADOW, CANARY, TAIL, COMPLETED = "CALIBRATING", "SHADOW", "CANARY", "TAIL", "COMPLETED"
REJECTED_WORSE, REJECTED_FUTILE = "REJECTED(worse)", "REJECTED(futile)"
ROLLED_BACK, ABORTED, INCONCLUSIVE = "ROLLED_BACK", "ABORTED", "INCONCLUSIVE"

TERMINAL = frozenset({COMPLETED, REJECTED_WORSE, REJECTED_FUTILE, ROLLED_BACK, ABORTED, INCONCLUSIVE})
"""Latches: only an operator's command leads out of them."""

OFFLINE = frozenset({CALIBRATING, SHADOW})
"""Users see the incumbent only, and evidence is gathered."""


def rollout(share: float) -> str:
    """Return the name of a rollout step."""
    return f"ROLLOUT({share:g})"


def is_live(phase: str) -> bool:
    """Tell whether users see the challenger in a phase that still watches."""
    return phase not in TERMINAL and phase not in OFFLINE


def order(spec: MigrationSpec) -> tuple[str, ...]:
    """Return the phases on the way to everyone, in their order."""
    return (CALIBRATING, SHADOW, CANARY, *(rollout(share) for share in spec.phases.rollout.steps), TAIL, COMPLETED)


def following(spec: MigrationSpec, phase: str) -> str:
    """Return the phase that a positive verdict leads to."""
    way = order(spec)
    return way[way.index(phase) + 1]


def before(spec: MigrationSpec, phase: str) -> str:
    """Return the live phase before a live phase; the canary is before itself."""
    way = order(spec)
    return way[max(way.index(phase) - 1, way.index(CANARY))]


def live_share(spec: MigrationSpec, phase: str) -> float:
    """Return the share of users that the challenger serves in a phase."""
    steps = {rollout(share): share for share in spec.phases.rollout.steps}
    return {CANARY: spec.phases.canary.share, **steps, TAIL: 1.0, COMPLETED: 1.0}.get(phase, 0.0)


def observations(spec: MigrationSpec, phase: str) -> int:
    """Return how many counted units a live phase asks for."""
    own = {CANARY: spec.phases.canary.observations, TAIL: spec.phases.tail.observations}
    return own.get(phase, spec.phases.rollout.observations)


def min_duration_ms(spec: MigrationSpec, phase: str) -> int:
    """Return how long a phase lasts at least, on the evidence clock."""
    phases = spec.phases
    own = {
        CALIBRATING: 0,
        SHADOW: phases.shadow.min_duration_ms,
        CANARY: phases.canary.min_duration_ms,
        TAIL: phases.tail.min_duration_ms,
    }
    return own.get(phase, phases.rollout.min_duration_ms)


def needs_approval(spec: MigrationSpec, phase: str) -> bool:
    """Tell whether an operator must approve before a phase is entered: listed shares, and the canary where a dimension is off."""
    if phase == CANARY:
        return len(spec.dimensions.on) < 4
    return phase not in (SHADOW, COMPLETED) and live_share(spec, phase) in spec.phases.rollout.approval
