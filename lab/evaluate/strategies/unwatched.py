"""This gate without its paired live signal: the shadow phase decides as ever, then charts watch only what users were served.

What a canary without dual-serving can do: CUSUM (exact thresholds) against the incumbent's rates that the shadow phase told,
which no longer hold when the traffic shifts.
"""

from dataclasses import dataclass, replace

import numpy as np

from dualgate.gate import phases
from dualgate.gate.state import MigrationState
from dualgate.gate.stats.cusum import cusum_threshold, phase_arl
from dualgate.lab.evaluate.strategies.base import Ended, Verdict, finish
from dualgate.lab.evaluate.strategies.dualgate import Gate, started
from dualgate.lab.evaluate.strategies.unpaired import METRICS, bad
from dualgate.lab.evaluate.traffic import DAY_MS, Floats, Mirrored, Served, Traffic
from dualgate.schemas.migration import MigrationConfig

SHIFTS = {"wrong": 0.04, "over": 0.0275, "violation": 0.011}
"""What the charts are made for: the sizes of the study's events."""
_BLOCK = 100
"""Pairs at a time: what of the last block comes after the acceptance no chart sees."""
_BUDGET = 0.75
"""Share of the rollback budget for the live phases, as in the gate."""


@dataclass(slots=True)
class _Chart:
    """A one-sided CUSUM of a rate of bad answers."""

    reference: float
    limit: float
    level: float = 0.0

    def alarmed(self, values: Floats) -> bool:
        for value in values[~np.isnan(values)].tolist():
            self.level = max(0.0, self.level + value - self.reference)
            if self.level >= self.limit:
                return True
        return False


class Unwatched:
    """Shadow as the gate does it; afterwards each phase lasts as many queries, and only served answers are looked at."""

    name = "dualgate_unpaired_live"
    source = "this project's shadow phase; CUSUM on the served answers against the incumbent's shadow rates (fixed mu0)"

    def __init__(self, config: MigrationConfig) -> None:
        self.settings = "phases of the migration file; no mirroring after the shadow phase"
        self._began, self._rollback = started(config), config.spec.errors.rollback

    def run(self, traffic: Traffic) -> Ended:
        """Shadow, then the steps with charts on what was served."""
        gate, told = Gate(self._began, traffic, until="accepted"), []
        while not traffic.over and gate.state.active and not gate.admitted:
            told.append(traffic.mirror(_BLOCK))
            gate.fold(told[-1])
        ended = gate.ended()
        if not gate.admitted or traffic.over:
            finish(traffic, 0.0)
            return ended
        return self._watched(traffic, gate.state, ended, told)

    def _watched(self, traffic: Traffic, state: MigrationState, ended: Ended, told: list[Mirrored]) -> Ended:
        way = [phase for phase in phases.order(state.spec) if phases.is_live(phase)]
        charts = _charts(told, sum(phases.observations(state.spec, p) for p in way), self._rollback * _BUDGET)
        for phase in way:
            seen, began = 0, (traffic.now_ms - traffic.began_ms) / DAY_MS
            wanted, least = phases.observations(state.spec, phase), phases.min_duration_ms(state.spec, phase) / DAY_MS
            step, share = 0.125, phases.live_share(state.spec, phase)
            now = began
            while not traffic.over and (seen < wanted or now - began < least):
                now += step
                served = traffic.serve(now, share)
                seen += int((served.turn == 1).sum())
                high = _alarms(charts, served)
                if high:
                    finish(traffic, 0.0)
                    return replace(ended, verdict="stopped", reason=f"alarm: {', '.join(high)}", claims_worse=True)
            if traffic.over:
                verdict: Verdict = "promoted" if share == 1.0 else "open"
                return replace(ended, verdict=verdict, reason=phase, claims_worse=False)
        finish(traffic, 1.0)
        return replace(ended, verdict="promoted", reason=phases.COMPLETED, claims_worse=False)


def _alarms(charts: dict[str, _Chart], served: Served) -> list[str]:
    values = bad(served)
    mine = served.challenger & (served.turn == 1)
    return [name for name, chart in charts.items() if chart.alarmed(values[name][mine])]


def _charts(told: list[Mirrored], n: int, budget: float) -> dict[str, _Chart]:
    """Return a chart a metric, made for the incumbent's rates in the shadow phase and an equal share of the budget."""
    arms = [part.incumbent for part in told]
    rates = {
        "wrong": 1 - float(np.nanmean(np.concatenate([a.correct for a in arms]))),
        "over": float(np.nanmean(np.concatenate([a.over for a in arms]))),
        "violation": float(np.nanmean(np.concatenate([a.violation for a in arms]))),
    }
    charts = {}
    for name in METRICS:
        rate = max(round(rates[name], 3), 0.001)
        found = cusum_threshold(rate, SHIFTS[name] / 2, phase_arl(n, budget / len(METRICS)))
        charts[name] = _Chart(rate + SHIFTS[name] / 2, found.threshold)
    return charts
