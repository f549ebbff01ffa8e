"""A live monitor: the CUSUM of Eq. 5 (fast at its design shift, nominal) beside e-SR (guaranteed) on one signal.

The signal is a paired difference challenger minus incumbent, larger is better, so a shift in the traffic or an outage of both
arms is no alarm. The null is "worse by no more than worse_by on average"; a monitor's alarm is the first of its two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.bets import gro_bet, recorded
from dualgate.gate.stats.chart import CusumSpec, CusumState, Reset, chart_unit, reset_chart, update_chart, update_chart_many
from dualgate.gate.stats.cusum import (
    brook_evans_threshold,
    further,
    phase_arl,
    reference_fraction,
    siegmund_threshold,
    threshold_for_arl,
    within_reach,
)
from dualgate.gate.stats.lattice import TERNARY, FloatArray, IntArray, Lattice, exact
from dualgate.gate.stats.laws import ternary, tilt
from dualgate.gate.stats.monitor_plan import alarm_level, mixture_bets
from dualgate.gate.stats.process import bet_limit
from dualgate.gate.stats.run_length import step_law
from dualgate.gate.stats.shiryaev_roberts import EsrSpec, EsrState, start_esr, update_esr, update_esr_many

VERSION = 1
_EXACT_VALUES = 3
SCREEN = 0.8
"""The part of Siegmund's threshold that a screen takes: below the exact one, which is higher where bad events are rare."""


@dataclass(frozen=True, slots=True)
class MonitorSpec:
    """The two charts of one signal; both read the same lattice positions.

    weights: of the composite signal, (dimension, hundredths) each; none where the signal is one dimension's.
    """

    cusum: CusumSpec
    esr: EsrSpec
    weights: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if self.cusum.lattice != self.esr.lattice or self.cusum.direction != self.esr.direction:
            raise ValueError("the two charts of a monitor must read one signal in one direction")

    def to_json(self) -> dict[str, Any]:
        """Return the monitor as JSON values."""
        charts = {"cusum": self.cusum.to_json(), "esr": self.esr.to_json()}
        return {"version": VERSION, **charts, "weights": [list(weight) for weight in self.weights]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MonitorSpec:
        """Return the monitor that to_json wrote. ValueError on another version."""
        if data.get("version") != VERSION:
            raise ValueError(f"monitor version {data.get('version')!r}, accepted: {VERSION}")
        weights = tuple((name, hundredths) for name, hundredths in data["weights"])
        return cls(CusumSpec.from_json(data["cusum"]), EsrSpec.from_json(data["esr"]), weights)


@dataclass(frozen=True, slots=True)
class MonitorState:
    """The states of the two charts."""

    cusum: CusumState
    esr: EsrState

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"cusum": self.cusum.to_json(), "esr": self.esr.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MonitorState:
        """Return the state that to_json wrote."""
        return cls(CusumState.from_json(data["cusum"]), EsrState.from_json(data["esr"]))


@dataclass(frozen=True, slots=True)
class MonitorTrace:
    """After each observation of a block: the chart's level (units), the sum of all M, and whether either is in alarm."""

    cusum_level: IntArray
    esr_total: IntArray
    alarmed: npt.NDArray[np.bool_]


def start_monitor(spec: MonitorSpec) -> MonitorState:
    """Return the monitor before any observation."""
    return MonitorState(CusumState(), start_esr(spec.esr))


def update_monitor(spec: MonitorSpec, state: MonitorState, code: int, probability: float = 1.0) -> MonitorState:
    """Return the monitor after one observation; unchanged where it is MISSING."""
    return MonitorState(update_chart(spec.cusum, state.cusum, code), update_esr(spec.esr, state.esr, code, probability))


def update_monitor_many(
    spec: MonitorSpec, state: MonitorState, codes: IntArray, probabilities: FloatArray | None = None
) -> tuple[MonitorState, MonitorTrace]:
    """Return the monitor after a block and its running values, each of shape (n,).

    probabilities: with which each observation was sampled (e-SR weights by their inverse; the chart does not, so where
    they differ between strata its signal is the sampled mix's). None: all were taken.
    """
    cusum, level = update_chart_many(spec.cusum, state.cusum, codes)
    esr, total = update_esr_many(spec.esr, state.esr, codes, probabilities)
    alarmed = (level >= spec.cusum.limit) | (total >= spec.esr.alarm_total)
    return MonitorState(cusum, esr), MonitorTrace(level, total, alarmed)


def reset_monitor(spec: MonitorSpec, state: MonitorState, reset: Reset) -> MonitorState:
    """Return the monitor at the beginning of a rollout step.

    Only the chart is reset: e-SR's guarantee is over all planned observations together, so it is always carried over.
    """
    return MonitorState(reset_chart(spec.cusum, state.cusum, reset), state.esr)


def plan_paired_monitor(
    discordance: float, worse_by: float, shift: float, n_observations: int, p_cusum: float, p_esr: float
) -> MonitorSpec:
    """Return the monitor of a paired outcome in {-1, 0, 1} (positions on TERNARY, larger is better).

    discordance: P(the arms differ), an upper bound of it (`discordance_upper`), since it only sets h. worse_by: tolerated
    mean loss. shift: the further loss to be found fast. n_observations: planned in all live phases; p_cusum and p_esr: the
    false-alarm probability each chart may spend over them. A challenger worse by worse_by differs by that much more.
    """
    boundary = min(discordance + worse_by, 1.0)
    null, worse = ternary(-worse_by, boundary), ternary(-worse_by - shift, min(boundary + shift, 1.0))
    return plan_monitor(TERNARY, null, worse, worse_by, n_observations, p_cusum, p_esr)


def plan_score_monitor(
    lattice: Lattice, law: FloatArray, worse_by: float, shift: float, n_observations: int, p_cusum: float, p_esr: float
) -> MonitorSpec:
    """Return the monitor of a paired score difference whose law in calibration was `law`, shape (lattice.size,).

    The law at the boundary is the nearest one with mean -worse_by (exponential tilting), the one to be found -worse_by - shift.
    """
    null, worse = tilt(lattice.values, law, -worse_by), tilt(lattice.values, law, -worse_by - shift)
    return plan_monitor(lattice, null, worse, worse_by, n_observations, p_cusum, p_esr)


def plan_monitor(
    lattice: Lattice,
    null_law: FloatArray,
    worse_law: FloatArray,
    worse_by: float,
    n_observations: int,
    p_cusum: float,
    p_esr: float,
    *,
    screen: bool = False,
) -> MonitorSpec:
    """Return the monitor for a boundary law with mean -worse_by and a law to be found fast, both on `lattice`.

    The chart's reference is halfway between the two means (k = shift / 2); screen: see `chart_limit`.
    """
    if not (worse_by >= 0.0 and float(worse_law @ lattice.values) < -worse_by):
        raise ValueError(
            f"need worse_by >= 0 and a worse mean below -worse_by, got {worse_by!r} and {float(worse_law @ lattice.values)!r}"
        )
    slack = (-float(worse_law @ lattice.values) - worse_by) / 2.0
    reference = _reference(lattice, worse_by, slack)
    limit = chart_limit(lattice, null_law, reference, phase_arl(n_observations, p_cusum), screen=screen)
    best = recorded(gro_bet(-lattice.values, worse_law, worse_by))
    bets = mixture_bets(best, bet_limit(lattice, -worse_by, -1))
    esr = EsrSpec(lattice, -worse_by, -1, tuple(recorded(b) for b in bets), alarm_level(n_observations, p_esr))
    return MonitorSpec(CusumSpec(lattice, reference, -1, limit), esr)


def chart_limit(lattice: Lattice, null_law: FloatArray, reference: Fraction, target_arl: float, *, screen: bool = False) -> int:
    """Return the chart's limit, in its units, at which its ARL from 0 under the boundary law is target_arl.

    Exact for two or three values; Brook and Evans' for a finer lattice (a little high at any number of cells: fewer alarms than
    asked for). screen: a part of Siegmund's instead. Where that is not reached there is no alarm, and it takes no time.
    """
    unit = chart_unit(lattice, reference)
    badness, mass = [float(-v) for v in lattice.values[::-1]], [float(p) for p in null_law[::-1]]
    if screen:
        law = step_law(badness, mass, reference, unit)
        return max(1, int(SCREEN * siegmund_threshold(law.mean, law.standard_deviation, target_arl)))
    asked, more = within_reach(target_arl)
    if lattice.size <= _EXACT_VALUES:
        found = threshold_for_arl(step_law(badness, mass, reference, unit), asked, unit, reference).limit
    else:
        found = math.ceil(brook_evans_threshold(badness, mass, float(reference), asked) * unit)
    return found + (further(step_law(badness, mass, reference, unit), more) if more else 0)


def _reference(lattice: Lattice, mean: float, slack: float) -> Fraction:
    """Return the reference as a fraction that keeps the chart's lattice small: half quanta where quanta are fine."""
    quantum = Fraction(exact(lattice.quantum))
    if quantum == 1:
        return reference_fraction(mean, slack)
    half = quantum / 2
    reference = max(round(Fraction(mean + slack) / half), 1) * half
    if not reference > Fraction(exact(mean)):
        raise ValueError(f"slack {slack!r} is below the grid {float(half)} of the reference: take a larger shift")
    return reference
