"""A monitor of the live phases, planned from the pairs before: a CUSUM and an e-SR of a paired difference or of their composite.

All monitors share what the rollback budget has for them: half for e-SR (guaranteed over the planned observations) and a quarter
for CUSUM (nominal: h from an upper bound of the discordance, or the law of the pairs before). A chart that is carried over the
steps has its part for all of them; one that is reset at each step spends it over them, more on later steps, where a bad answer
reaches more users. The composite, for small losses in several dimensions at once, is always carried.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dualgate.gate.state import MigrationState
from dualgate.gate.stats import DimensionSpec, DimensionState, SamplingPlan
from dualgate.gate.stats.chart import CusumSpec, Reset
from dualgate.gate.stats.composite import composite_law, composite_weights, plan_composite
from dualgate.gate.stats.cusum import adjustment_coefficient, phase_arl
from dualgate.gate.stats.lattice import TERNARY, FloatArray
from dualgate.gate.stats.laws import empirical, ternary, tilt
from dualgate.gate.stats.monitor import MonitorSpec, chart_limit, plan_monitor
from dualgate.gate.stats.monitor_plan import discordance_upper, spend
from dualgate.gate.stats.rated import RATED, watched_law
from dualgate.gate.stats.run_length import step_law

ESR, CUSUM = 0.5, 0.25
_LARGER = (1, 2, 4, 8)
"""A shift too fine for the chart's grid is looked for at a multiple of it."""

Planned = tuple[MonitorSpec, Mapping[str, int]]
"""A monitor, and the limit of its chart in each phase where that is not one and the same."""


def plan(state: MigrationState, spec: DimensionSpec, dim: DimensionState, n_monitors: int, screen: bool) -> Planned | str:
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


def _tolerated(spec: DimensionSpec) -> float:
    """Return the loss beyond which the paired difference is called worse."""
    assert spec.worse is not None
    return -spec.worse.null + 0.0


def _shift(spec: DimensionSpec) -> float:
    """Return the further loss to be found fast: as large as the gain that the gate asks for."""
    return round(spec.design - spec.accept.null, 9)


def composite(
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


def sampled(spec: MonitorSpec, sampling: SamplingPlan) -> MonitorSpec:
    """Return a monitor whose e-SR may weight by inverse sampling probabilities: bets stay below the least of them."""
    if sampling.least == 1:
        return spec
    bets = tuple(round(bet * sampling.least, 9) for bet in spec.esr.bets)
    return replace(spec, esr=replace(spec.esr, bets=bets, min_probability=sampling.least))
