"""The live watch: CUSUM and e-SR on each dimension's paired difference and on their composite, from the canary on.

The degradation processes of the start have to undo all the good evidence before them, so a challenger that turns worse once it
serves users is found late. A monitor starts anew by itself. Which there are stands in watched, what one is planned from in
monitor_plans.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from dualgate.gate.observations import Rows
from dualgate.gate.state import MigrationState, Monitored
from dualgate.gate.stats import DimensionSpec
from dualgate.gate.stats.composite import composite_codes
from dualgate.gate.stats.fixed_point import MICRO, log_micro
from dualgate.gate.stats.lattice import FloatArray, IntArray
from dualgate.gate.stats.monitor import MonitorSpec, MonitorTrace, reset_monitor, update_monitor_many
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.stats.shiryaev_roberts import log_esr

Monitors = Mapping[str, Monitored]


def moved(monitors: Monitors, specs: Sequence[DimensionSpec], rows: Rows) -> tuple[Monitors, dict[str, BoolArray]]:
    """Return the monitors after these units, and where each is in alarm after each unit."""
    found = {name: _moved(name, monitors, specs, rows) for name in monitors}
    return {name: held for name, (held, _) in found.items()}, {name: trace.alarmed for name, (_, trace) in found.items()}


def advanced(monitors: Monitors, specs: Sequence[DimensionSpec], rows: Rows) -> Monitors:
    """Return the monitors after these units."""
    return moved(monitors, specs, rows)[0]


def _moved(name: str, monitors: Monitors, specs: Sequence[DimensionSpec], rows: Rows) -> tuple[Monitored, MonitorTrace]:
    spec, held = monitors[name]
    state, trace = update_monitor_many(spec, held, *signal(name, spec, specs, rows))
    return (spec, state), trace


def signal(name: str, spec: MonitorSpec, specs: Sequence[DimensionSpec], rows: Rows) -> tuple[IntArray, FloatArray]:
    """Return what a monitor reads of these units: positions on its lattice, and with what probability each was sampled."""
    blocks = {s.name: b for s, b in zip(specs, rows.blocks, strict=True)}
    if not spec.weights:
        return blocks[name].worse, blocks[name].thousandths / 1000
    weights, lattices = dict(spec.weights), {s.name: s.worse.lattice for s in specs if s.worse}
    codes = composite_codes(weights, lattices, {part: blocks[part].worse for part in weights})
    return codes, rows.thousandths / 1000


def now(monitors: Monitors) -> dict[str, BoolArray]:
    """Return which monitors are in alarm at this moment, as paths of length one."""
    return {
        name: np.array([held.cusum.level >= spec.cusum.limit or sum(held.esr.m) >= spec.esr.alarm_total])
        for name, (spec, held) in monitors.items()
    }


def stepped(state: MigrationState, to_phase: str) -> Monitors:
    """Return the monitors at the beginning of the next step: their charts reset as the file says, at that step's limits."""
    reset, made = state.spec.phases.rollout.reset, {}
    for name, (spec, held) in state.monitors.items():
        limit = state.limits.get(name, {}).get(to_phase, spec.cusum.limit)
        there = replace(spec, cusum=replace(spec.cusum, limit=limit))
        made[name] = (there, reset_monitor(there, held, "carry" if spec.weights else reset))
    return made


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
