"""Which differences the live phases watch, and which they cannot and why: nothing goes unwatched without a word."""

from collections.abc import Sequence
from dataclasses import replace

from dualgate.gate import monitor_plans, phases
from dualgate.gate.budget import uncounted_words
from dualgate.gate.hypotheses import sampling_of
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import DimensionSpec, DimensionState
from dualgate.gate.stats.lattice import SWAP
from dualgate.gate.stats.monitor import start_monitor
from dualgate.gate.stats.monitor_plan import SPREAD
from dualgate.gate.stats.rated import RATED
from dualgate.gate.stats.shiryaev_roberts import greatest_level
from dualgate.schemas.migration import MigrationSpec

COMPOSITE = "composite"


def begun(state: MigrationState, *, screen: bool = False) -> MigrationState:
    """Return the state with what the live phases are watched by, planned from every pair so far.

    A hypothesis without a monitor is named with the reason: nothing goes unwatched without a word. screen: with lower limits of
    the charts, which tell where no alarm can be (`chart_limit`).
    """
    pairs = [(s, d) for s, d in zip(state.specs, state.dims, strict=True) if _watchable(s, d)]
    expected, sampling = observations(state), sampling_of(state.spec)
    state = replace(state, planned=expected)
    made, limits = {}, {}
    missing = {s.name: _unwatchable(s) for s, d in zip(state.specs, state.dims, strict=True) if not _watchable(s, d)}
    composed = _together([s for s, _ in pairs])
    together = [(s, d) for s, d in pairs if s in composed]
    n_monitors = len(pairs) + (len(together) > 1)
    for spec, dim in pairs:
        found = monitor_plans.plan(state, spec, dim, n_monitors, screen)
        if isinstance(found, str):
            missing[spec.name] = found
            continue
        watched = monitor_plans.sampled(found[0], sampling)
        made[spec.name] = (watched, start_monitor(watched))
        if found[1]:
            limits[spec.name] = dict(found[1])
    if len(together) > 1:
        whole = monitor_plans.composite(state, together, n_monitors, screen)
        if isinstance(whole, str):
            missing[COMPOSITE] = whole
        else:
            watched = monitor_plans.sampled(whole, sampling)
            made[COMPOSITE] = (watched, start_monitor(watched))
    return replace(state, monitors=made, limits=limits, unwatched=dict(sorted(missing.items())))


def watches_nothing(state: MigrationState) -> str:
    """Return why a begun state's live phases would have no monitor at all though there are differences to watch; else nothing."""
    if state.monitors or not any(_watchable(s, d) for s, d in zip(state.specs, state.dims, strict=True)):
        return ""
    n, why = sum(state.planned.values()), "; ".join(f"{name}: {why}" for name, why in state.unwatched.items())
    return f"{n:,} observations are expected in the live phases, over which no monitor can be planned ({why})"


def observations(state: MigrationState) -> dict[str, int]:
    """Return the observations expected in each live phase: what is planned, or more where it lasts longer.

    A phase takes its observations or its least duration at the rate of pairs seen in SHADOW, whichever is more.
    """
    lasted = max(1, (state.evidence_clock_ms or 0) - (state.phase_began_ms or 0))
    found = {}
    for phase in (name for name in phases.order(state.spec) if phases.is_live(name)):
        expected = phases.min_duration_ms(state.spec, phase) * state.n_phase // lasted if lasted > 1 else 0
        found[phase] = max(phases.observations(state.spec, phase), expected)
    return found


def most_observations(spec: MigrationSpec, specs: Sequence[DimensionSpec]) -> int:
    """Return how many observations all live phases may have together for a monitor to be planned over them.

    e-SR's alarm level is the observations over its share of the rollback budget, and must be one that it can reach.
    """
    watched = [s for s in specs if unwatchable(s) is None]
    n_monitors = max(1, len(watched) + (len(_together(watched)) > 1))
    return int(greatest_level(len(SPREAD)) * (spec.errors.rollback / n_monitors * monitor_plans.ESR))


def unwatchable(spec: DimensionSpec) -> str | None:
    """Return why a hypothesis can have no monitor whatever its pairs say, None where it can."""
    if spec.worse is not None and spec.worse.lattice.low < 0:
        return None
    return _unwatchable(spec)


def unwatched_words(state: MigrationState) -> str:
    """Return what has no monitor and why, and which budget counts nothing, to be said with the decision."""
    said = [f"no monitor will watch {name}: {why}" for name, why in unwatched(state).items()]
    return "".join(f"; {words}" for words in [*said, *uncounted_words(state.spec, state.specs)])


def unwatched(state: MigrationState) -> dict[str, str]:
    """Return the dimensions, and the composite, that have no monitor of their own, with the reason."""
    return {name: why for name, why in state.unwatched.items() if name in (*state.on, COMPOSITE)}


def _together(specs: Sequence[DimensionSpec]) -> list[DimensionSpec]:
    """Return the hypotheses of the composite: what a rater tells comes later than its pair, and is no part of a pair's sum."""
    return [s for s in specs if s.worse and s.worse.lattice != SWAP and s.measure != RATED]


def _watchable(spec: DimensionSpec, dim: DimensionState) -> bool:
    return spec.worse is not None and spec.worse.lattice.low < 0 and dim.n_worse > 0


def _unwatchable(spec: DimensionSpec) -> str:
    if spec.worse is None:
        return f"it is watched with {spec.dimension}, of which it is a part"
    if spec.worse.lattice.low >= 0:
        return "without re-runs of the incumbent it has no paired difference"
    return "no paired difference was seen before the canary"
