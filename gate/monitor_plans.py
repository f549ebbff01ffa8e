"""What the live phases are watched by: a CUSUM and an e-SR for each paired difference, planned from the pairs before them.

All monitors share what the rollback budget has for them: half for e-SR (guaranteed over the planned observations) and a quarter
for CUSUM (nominal: h from an upper bound of the discordance). A chart that is carried over the steps has its part for all of
them; one that is reset at each step spends it over them, more on later steps, where a bad answer reaches more users.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dualgate.gate import phases
from dualgate.gate.hypotheses import sampling_of
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import DimensionSpec, DimensionState, SamplingPlan
from dualgate.gate.stats.chart import CusumSpec, Reset
from dualgate.gate.stats.cusum import adjustment_coefficient, phase_arl, threshold_for_arl
from dualgate.gate.stats.lattice import TERNARY, FloatArray
from dualgate.gate.stats.laws import empirical, ternary, tilt
from dualgate.gate.stats.monitor import MonitorSpec, plan_monitor, start_monitor
from dualgate.gate.stats.monitor_plan import discordance_upper, spend
from dualgate.gate.stats.run_length import step_law

ESR, CUSUM = 0.5, 0.25
_LARGER = (1, 2, 4, 8)
"""A shift too fine for the chart's grid is looked for at a multiple of it."""

Planned = tuple[MonitorSpec, Mapping[str, int]]
"""A monitor, and the limit of its chart in each phase where that is not one and the same."""


def begun(state: MigrationState) -> MigrationState:
    """Return the state with what the live phases are watched by, planned from every pair so far.

    A hypothesis without a monitor is named with the reason: nothing goes unwatched without a word.
    """
    pairs = [(s, d) for s, d in zip(state.specs, state.dims, strict=True) if _watchable(s, d)]
    expected, sampling = observations(state), sampling_of(state.spec)
    state = replace(state, planned=expected)
    made, limits = {}, {}
    missing = {s.name: _unwatchable(s) for s, d in zip(state.specs, state.dims, strict=True) if not _watchable(s, d)}
    for spec, dim in pairs:
        found = _plan(state, spec, dim, len(pairs))
        if isinstance(found, str):
            missing[spec.name] = found
            continue
        watched = _sampled(found[0], sampling)
        made[spec.name] = (watched, start_monitor(watched))
        if found[1]:
            limits[spec.name] = dict(found[1])
    return replace(state, monitors=made, limits=limits, unwatched=dict(sorted(missing.items())))


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
    """Return what has no monitor and why, to be said with the decision; nothing where all have one."""
    alone = {name: why for name, why in state.unwatched.items() if name in state.on}
    return "".join(f"; no monitor will watch {name}: {why}" for name, why in alone.items())


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


def _plan(state: MigrationState, spec: DimensionSpec, dim: DimensionState, n_monitors: int) -> Planned | str:
    """Return a monitor on its share of the budget, or why there is none."""
    tolerated = getattr(state.spec.dimensions, spec.dimension).worse_by
    shift, why = round(spec.design - spec.accept.null, 9), ""
    for times in _LARGER:
        try:
            return _planned(state, spec, dim, min(times * shift, (1 - tolerated) / 2), n_monitors)
        except ValueError as error:
            why = str(error)
    return f"it cannot be planned from {dim.n_worse} pairs: {why}"


def _planned(state: MigrationState, spec: DimensionSpec, dim: DimensionState, shift: float, n_monitors: int) -> Planned:
    assert spec.worse is not None
    share, reset = state.spec.errors.rollback / n_monitors, state.spec.phases.rollout.reset
    tolerated = getattr(state.spec.dimensions, spec.dimension).worse_by
    null, worse = _laws(spec, dim, tolerated, shift)
    n = sum(state.planned.values())
    made = plan_monitor(spec.worse.lattice, null, worse, tolerated, n, share * CUSUM, share * ESR)
    if reset == "carry":
        return made, {}
    steps = zip(state.planned, spend(share * CUSUM, list(state.planned.values())), strict=True)
    limits = {phase: limit(made.cusum, null, state.planned[phase], p, reset) for phase, p in steps}
    first = next(iter(limits.values()))
    return replace(made, cusum=replace(made.cusum, limit=first)), limits


def _laws(spec: DimensionSpec, dim: DimensionState, worse_by: float, shift: float) -> tuple[FloatArray, FloatArray]:
    """Return the law of the paired difference at the boundary, and the one to be found fast, from every pair so far.

    Of a ternary difference an upper bound of the discordance is taken; the law of scores is tilted to either mean.
    """
    assert spec.worse is not None
    codes, thousandths, times = (np.array(column) for column in zip(*dim.worse_counts, strict=True))
    if spec.worse.lattice == TERNARY:
        discordance = discordance_upper(int(times[codes != 1].sum()), int(times.sum()))
        boundary = min(discordance + worse_by, 1.0)
        return ternary(-worse_by, boundary), ternary(-worse_by - shift, min(boundary + shift, 1.0))
    law = empirical(spec.worse.lattice, np.repeat(codes, times), np.repeat(1000.0 / thousandths, times))
    values = spec.worse.lattice.values
    return tilt(values, law, -worse_by), tilt(values, law, -worse_by - shift)


def limit(chart: CusumSpec, null: FloatArray, n: int, p: float, reset: Reset) -> int:
    """Return the limit at which a chart that begins anew alarms falsely within n observations with at most (nominally) p.

    From 0 by its exact ARL. From half the limit it alarms before it is ever at 0 with at most exp(-t (limit - start)), t the
    adjustment coefficient (Lundberg's bound); half of p is for that, half for all later.
    """
    values = chart.lattice.values
    law = step_law([float(-v) for v in values[::-1]], [float(q) for q in null[::-1]], chart.reference, chart.unit)
    parts = 2 if reset == "fir" else 1
    found = threshold_for_arl(law, phase_arl(n, p / parts), chart.unit, chart.reference).limit
    if reset != "fir":
        return found
    return max(found, 2 * math.ceil(math.log(parts / p) / adjustment_coefficient(law)))


def _sampled(spec: MonitorSpec, sampling: SamplingPlan) -> MonitorSpec:
    """Return a monitor whose e-SR may weight by inverse sampling probabilities: bets stay below the least of them."""
    if sampling.least == 1:
        return spec
    bets = tuple(round(bet * sampling.least, 9) for bet in spec.esr.bets)
    return replace(spec, esr=replace(spec.esr, bets=bets, min_probability=sampling.least))
