"""What the live phases are watched by: a CUSUM and an e-SR for each paired difference and for their composite.

All monitors share what the rollback budget has for them: half for e-SR (guaranteed over the planned observations) and a quarter
for CUSUM (nominal: h from an upper bound of the discordance, or the law of the pairs before). A chart that is carried over the
steps has its part for all of them; one that is reset at each step spends it over them, more on later steps, where a bad answer
reaches more users. The composite, for small losses in several dimensions at once, is always carried.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dualgate.gate import phases
from dualgate.gate.budget import uncounted_words
from dualgate.gate.hypotheses import sampling_of
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import DimensionSpec, DimensionState, SamplingPlan
from dualgate.gate.stats.chart import CusumSpec, Reset
from dualgate.gate.stats.composite import composite_law, composite_weights, plan_composite
from dualgate.gate.stats.cusum import adjustment_coefficient, phase_arl
from dualgate.gate.stats.lattice import SWAP, TERNARY, FloatArray
from dualgate.gate.stats.laws import empirical, ternary, tilt
from dualgate.gate.stats.monitor import MonitorSpec, chart_limit, plan_monitor, start_monitor
from dualgate.gate.stats.monitor_plan import SPREAD, discordance_upper, spend
from dualgate.gate.stats.rated import RATED, watched_law
from dualgate.gate.stats.run_length import step_law
from dualgate.gate.stats.shiryaev_roberts import greatest_level
from dualgate.schemas.migration import MigrationSpec

ESR, CUSUM = 0.5, 0.25
COMPOSITE = "composite"
_LARGER = (1, 2, 4, 8)
"""A shift too fine for the chart's grid is looked for at a multiple of it."""

Planned = tuple[MonitorSpec, Mapping[str, int]]
"""A monitor, and the limit of its chart in each phase where that is not one and the same."""


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
        found = _plan(state, spec, dim, n_monitors, screen)
        if isinstance(found, str):
            missing[spec.name] = found
            continue
        watched = _sampled(found[0], sampling)
        made[spec.name] = (watched, start_monitor(watched))
        if found[1]:
            limits[spec.name] = dict(found[1])
    if len(together) > 1:
        whole = _composite(state, together, n_monitors, screen)
        if isinstance(whole, str):
            missing[COMPOSITE] = whole
        else:
            watched = _sampled(whole, sampling)
            made[COMPOSITE] = (watched, start_monitor(watched))
    return replace(state, monitors=made, limits=limits, unwatched=dict(sorted(missing.items())))


def watches_nothing(state: MigrationState) -> str:
    """Return why a begun state's live phases would have no monitor at all though there are differences to watch; else nothing."""
    if state.monitors or not any(_watchable(s, d) for s, d in zip(state.specs, state.dims, strict=True)):
        return ""
    n, why = sum(state.planned.values()), "; ".join(f"{name}: {why}" for name, why in state.unwatched.items())
    return f"{n:,} observations are expected in the live phases, over which no monitor can be planned ({why})"


def most_observations(spec: MigrationSpec, specs: Sequence[DimensionSpec]) -> int:
    """Return how many observations all live phases may have together for a monitor to be planned over them.

    e-SR's alarm level is the observations over its share of the rollback budget, and must be one that it can reach.
    """
    watched = [s for s in specs if unwatchable(s) is None]
    n_monitors = max(1, len(watched) + (len(_together(watched)) > 1))
    return int(greatest_level(len(SPREAD)) * (spec.errors.rollback / n_monitors * ESR))


def _together(specs: Sequence[DimensionSpec]) -> list[DimensionSpec]:
    """Return the hypotheses of the composite: what a rater tells comes later than its pair, and is no part of a pair's sum."""
    return [s for s in specs if s.worse and s.worse.lattice != SWAP and s.measure != RATED]


def unwatchable(spec: DimensionSpec) -> str | None:
    """Return why a hypothesis can have no monitor whatever its pairs say, None where it can."""
    if spec.worse is not None and spec.worse.lattice.low < 0:
        return None
    return _unwatchable(spec)


def _unwatchable(spec: DimensionSpec) -> str:
    if spec.worse is None:
        return f"it is watched with {spec.dimension}, of which it is a part"
    if spec.worse.lattice.low >= 0:
        return "without re-runs of the incumbent it has no paired difference"
    return "no paired difference was seen before the canary"


def unwatched_words(state: MigrationState) -> str:
    """Return what has no monitor and why, and which budget counts nothing, to be said with the decision."""
    said = [f"no monitor will watch {name}: {why}" for name, why in unwatched(state).items()]
    return "".join(f"; {words}" for words in [*said, *uncounted_words(state.spec, state.specs)])


def unwatched(state: MigrationState) -> dict[str, str]:
    """Return the dimensions, and the composite, that have no monitor of their own, with the reason."""
    return {name: why for name, why in state.unwatched.items() if name in (*state.on, COMPOSITE)}


def _watchable(spec: DimensionSpec, dim: DimensionState) -> bool:
    return spec.worse is not None and spec.worse.lattice.low < 0 and dim.n_worse > 0


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


def _tolerated(spec: DimensionSpec) -> float:
    """Return the loss beyond which the paired difference is called worse."""
    assert spec.worse is not None
    return -spec.worse.null + 0.0


def _shift(spec: DimensionSpec) -> float:
    """Return the further loss to be found fast: as large as the gain that the gate asks for."""
    return round(spec.design - spec.accept.null, 9)


def _plan(state: MigrationState, spec: DimensionSpec, dim: DimensionState, n_monitors: int, screen: bool) -> Planned | str:
    """Return a monitor on its share of the budget, or why there is none."""
    why = ""
    for times in _LARGER:
        try:
            return _planned(state, spec, dim, min(times * _shift(spec), (1 - _tolerated(spec)) / 2), n_monitors, screen)
        except ValueError as error:
            why = str(error)
    return f"it cannot be planned from {dim.n_worse} pairs: {why}"


def _planned(
    state: MigrationState, spec: DimensionSpec, dim: DimensionState, shift: float, n_monitors: int, screen: bool
) -> Planned:
    assert spec.worse is not None
    share, reset = state.spec.errors.rollback / n_monitors, state.spec.phases.rollout.reset
    tolerated = _tolerated(spec)
    null, worse = _laws(state, spec, dim, tolerated, shift)
    n = sum(state.planned.values())
    made = plan_monitor(spec.worse.lattice, null, worse, tolerated, n, share * CUSUM, share * ESR, screen=screen)
    if reset == "carry":
        return made, {}
    steps = zip(state.planned, spend(share * CUSUM, len(state.planned)), strict=True)
    limits = {phase: limit(made.cusum, null, state.planned[phase], p, reset, screen=screen) for phase, p in steps}
    first = next(iter(limits.values()))
    return replace(made, cusum=replace(made.cusum, limit=first)), limits


def _laws(
    state: MigrationState, spec: DimensionSpec, dim: DimensionState, worse_by: float, shift: float
) -> tuple[FloatArray, FloatArray]:
    """Return the law of the paired difference at the boundary, and the one to be found fast, from every pair so far.

    Of a ternary difference an upper bound of the discordance is taken; the law of scores is tilted to either mean.
    """
    assert spec.worse is not None
    if spec.worse.lattice == TERNARY:
        discordance = discordance_upper(sum(n for code, _, n in dim.worse_counts if code != 1), dim.n_worse)
        boundary = min(discordance + worse_by, 1.0)
        return ternary(-worse_by, boundary), ternary(-worse_by - shift, min(boundary + shift, 1.0))
    rater, values = state.spec.scoring.rater, spec.worse.lattice.values
    rated = rater is not None and spec.measure == RATED
    law = watched_law(spec, dim.worse_counts, rater.label_probability) if rater and rated else _observed(spec, dim)
    return tilt(values, law, -worse_by), tilt(values, law, -worse_by - shift)


def _observed(spec: DimensionSpec, dim: DimensionState) -> FloatArray:
    """Return the weighted frequencies of the paired difference so far."""
    assert spec.worse is not None
    codes, thousandths, times = (np.array(column) for column in zip(*dim.worse_counts, strict=True))
    return empirical(spec.worse.lattice, np.repeat(codes, times), np.repeat(1000.0 / thousandths, times))


def _composite(
    state: MigrationState, signals: Sequence[tuple[DimensionSpec, DimensionState]], n_monitors: int, screen: bool
) -> MonitorSpec | str:
    """Return the monitor of the weighted sum; a pair on which a dimension was not eligible counts as no difference there."""
    share, most = state.spec.errors.rollback / n_monitors, max(dim.n_worse for _, dim in signals)
    laws, lattices = {}, {}
    for spec, dim in signals:
        assert spec.worse is not None
        lattices[spec.name], seen = spec.worse.lattice, dim.n_worse / most
        laws[spec.name] = seen * _observed(spec, dim) + (1 - seen) * (spec.worse.lattice.values == 0)
    shifts = {spec.name: _shift(spec) for spec, _ in signals}
    sds = {n: float(np.sqrt(law @ lattices[n].values ** 2 - (law @ lattices[n].values) ** 2)) for n, law in laws.items()}
    budget = (sum(state.planned.values()), share * CUSUM, share * ESR)
    try:
        weights = composite_weights(shifts, sds)
        law = composite_law(weights, lattices, laws)
        return plan_composite(weights, {s.name: _tolerated(s) for s, _ in signals}, shifts, law, *budget, screen=screen)
    except ValueError as error:
        return f"it cannot be planned from {most} pairs: {error}"


def limit(chart: CusumSpec, null: FloatArray, n: int, p: float, reset: Reset, *, screen: bool = False) -> int:
    """Return the limit at which a chart that begins anew alarms falsely within n observations with at most (nominally) p.

    From 0 by its ARL (`chart_limit`). From half the limit it alarms before it is ever at 0 with at most exp(-t (limit - start)),
    t the adjustment coefficient (Lundberg's bound); half of p is for that, half for all later.
    """
    parts = 2 if reset == "fir" else 1
    found = chart_limit(chart.lattice, null, chart.reference, phase_arl(n, p / parts), screen=screen)
    if reset != "fir":
        return found
    values = chart.lattice.values
    law = step_law([float(-v) for v in values[::-1]], [float(q) for q in null[::-1]], chart.reference, chart.unit)
    return max(found, 2 * math.ceil(math.log(parts / p) / adjustment_coefficient(law)))


def _sampled(spec: MonitorSpec, sampling: SamplingPlan) -> MonitorSpec:
    """Return a monitor whose e-SR may weight by inverse sampling probabilities: bets stay below the least of them."""
    if sampling.least == 1:
        return spec
    bets = tuple(round(bet * sampling.least, 9) for bet in spec.esr.bets)
    return replace(spec, esr=replace(spec.esr, bets=bets, min_probability=sampling.least))
