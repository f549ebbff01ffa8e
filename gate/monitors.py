"""The live watch: CUSUM and e-SR on each dimension's paired difference, from the canary on.

The degradation processes of the start have to undo all the good evidence before them, so a challenger that turns worse once it
serves users is found late. A monitor starts anew by itself. All monitors share what the rollback budget has for them: half for
e-SR (guaranteed over the planned observations) and a quarter for CUSUM (nominal: h from an upper bound of the discordance).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from dualgate.gate import phases
from dualgate.gate.hypotheses import sampling_of
from dualgate.gate.observations import Rows
from dualgate.gate.state import MigrationState, Monitored
from dualgate.gate.stats import DimensionSpec, DimensionState, SamplingPlan
from dualgate.gate.stats.fixed_point import MICRO, log_micro
from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.laws import empirical
from dualgate.gate.stats.monitor import (
    MonitorSpec,
    MonitorTrace,
    plan_paired_monitor,
    plan_score_monitor,
    reset_monitor,
    start_monitor,
    update_monitor_many,
)
from dualgate.gate.stats.monitor_plan import discordance_upper
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.stats.shiryaev_roberts import log_esr

ESR, CUSUM = 0.5, 0.25
_LARGER = (1, 2, 4, 8)
"""A shift too fine for the chart's grid is looked for at a multiple of it."""

Monitors = Mapping[str, Monitored]


def planned(state: MigrationState) -> Monitors:
    """Return the monitors of the live phases, planned from every pair so far; signals that were never seen have none."""
    pairs = [(s, d) for s, d in zip(state.specs, state.dims, strict=True) if _watchable(s, d)]
    n, sampling = observations(state), sampling_of(state.spec)
    made = {}
    for spec, dim in pairs:
        tolerated = getattr(state.spec.dimensions, spec.dimension).worse_by
        share = state.spec.errors.rollback / len(pairs)
        found = _plan(spec, dim, tolerated, (n, share * CUSUM, share * ESR))
        if found is not None:
            watched = _sampled(found, sampling)
            made[spec.name] = (watched, start_monitor(watched))
    return made


def _watchable(spec: DimensionSpec, dim: DimensionState) -> bool:
    return spec.worse is not None and spec.worse.lattice.low < 0 and dim.n_worse > 0


def observations(state: MigrationState) -> int:
    """Return the observations expected in the live phases together: what is planned, or more where they last longer.

    A phase takes its observations or its least duration at the rate of pairs seen in SHADOW, whichever is more.
    """
    lasted = max(1, (state.evidence_clock_ms or 0) - (state.phase_began_ms or 0))
    total = 0
    for phase in (name for name in phases.order(state.spec) if phases.is_live(name)):
        expected = phases.min_duration_ms(state.spec, phase) * state.n_phase // lasted if lasted > 1 else 0
        total += max(phases.observations(state.spec, phase), expected)
    return total


def _plan(spec: DimensionSpec, dim: DimensionState, worse_by: float, budget: tuple[int, float, float]) -> MonitorSpec | None:
    shift = round(spec.design - spec.accept.null, 9)
    for times in _LARGER:
        try:
            return _planned(spec, dim, worse_by, min(times * shift, (1 - worse_by) / 2), budget)
        except ValueError:
            continue
    return None


def _planned(
    spec: DimensionSpec, dim: DimensionState, worse_by: float, shift: float, budget: tuple[int, float, float]
) -> MonitorSpec:
    assert spec.worse is not None
    codes, thousandths, times = (np.array(column) for column in zip(*dim.worse_counts, strict=True))
    if spec.worse.lattice == TERNARY:
        discordant = int(times[codes != 1].sum())
        return plan_paired_monitor(discordance_upper(discordant, int(times.sum())), worse_by, shift, *budget)
    law = empirical(spec.worse.lattice, np.repeat(codes, times), np.repeat(1000.0 / thousandths, times))
    return plan_score_monitor(spec.worse.lattice, law, worse_by, shift, *budget)


def _sampled(spec: MonitorSpec, sampling: SamplingPlan) -> MonitorSpec:
    """Return a monitor whose e-SR may weight by inverse sampling probabilities: bets stay below the least of them."""
    if sampling.least == 1:
        return spec
    bets = tuple(round(bet * sampling.least, 9) for bet in spec.esr.bets)
    return replace(spec, esr=replace(spec.esr, bets=bets, min_probability=sampling.least))


def along(monitors: Monitors, specs: Sequence[DimensionSpec], rows: Rows) -> dict[str, BoolArray]:
    """Return where each monitor is in alarm, after each unit."""
    return {name: _moved(name, monitors, specs, rows)[1].alarmed for name in monitors}


def advanced(monitors: Monitors, specs: Sequence[DimensionSpec], rows: Rows) -> Monitors:
    """Return the monitors after these units."""
    return {name: _moved(name, monitors, specs, rows)[0] for name in monitors}


def _moved(name: str, monitors: Monitors, specs: Sequence[DimensionSpec], rows: Rows) -> tuple[Monitored, MonitorTrace]:
    block = next(b for s, b in zip(specs, rows.blocks, strict=True) if s.name == name)
    spec, held = monitors[name]
    state, trace = update_monitor_many(spec, held, block.worse, block.thousandths / 1000)
    return (spec, state), trace


def now(monitors: Monitors) -> dict[str, BoolArray]:
    """Return which monitors are in alarm at this moment, as paths of length one."""
    return {
        name: np.array([held.cusum.level >= spec.cusum.limit or sum(held.esr.m) >= spec.esr.alarm_total])
        for name, (spec, held) in monitors.items()
    }


def stepped(state: MigrationState) -> Monitors:
    """Return the monitors at the beginning of the next step, their charts as the file says."""
    reset = state.spec.phases.rollout.reset
    return {name: (spec, reset_monitor(spec, held, reset)) for name, (spec, held) in state.monitors.items()}


def words(name: str, monitored: Monitored) -> str:
    """Return a monitor's numbers beside their limits."""
    spec, held = monitored
    level, limit = held.cusum.level / spec.cusum.unit, spec.cusum.limit / spec.cusum.unit
    esr, threshold = log_esr(spec.esr, sum(held.esr.m)), log_micro(Decimal(spec.esr.alarm_level)) / MICRO
    signs = ("≥" if level >= limit else "<", "≥" if sum(held.esr.m) >= spec.esr.alarm_total else "<")
    return (
        f"{name}: CUSUM {level:.2f} {signs[0]} h {limit:.2f}, log e-SR {esr:.2f} {signs[1]} {threshold:.2f} "
        f"after {held.esr.n} paired observations"
    )
