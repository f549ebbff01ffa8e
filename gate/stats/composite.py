"""The composite monitor: small losses in several dimensions at once, which no single chart would find in time.

A weighted sum of bounded paired differences is one bounded signal, so its e-SR is valid under any dependence between the
dimensions; so is the average of their e-SR processes. A product of e-values would need independence, and is not offered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from scipy.signal import fftconvolve

from dualgate.gate.stats.bets import gro_bet, recorded
from dualgate.gate.stats.chart import CusumSpec, chart_unit, check_codes
from dualgate.gate.stats.cusum import (
    brook_evans_threshold,
    further,
    phase_arl,
    reference_fraction,
    siegmund_threshold,
    within_reach,
)
from dualgate.gate.stats.lattice import MISSING, FloatArray, IntArray, Lattice, exact, lattice
from dualgate.gate.stats.laws import tilt
from dualgate.gate.stats.monitor import SCREEN, MonitorSpec
from dualgate.gate.stats.monitor_plan import alarm_level, mixture_bets
from dualgate.gate.stats.process import bet_limit
from dualgate.gate.stats.run_length import step_law
from dualgate.gate.stats.shiryaev_roberts import EsrSpec

COMPOSITE = lattice(-1.0, 1.0, 0.0001)
"""The weighted sum of paired differences: weights in hundredths of scores in hundredths."""

_HUNDRED = 100


def composite_weights(shifts: Mapping[str, float], deviations: Mapping[str, float]) -> dict[str, int]:
    """Return weights in hundredths that sum to 100: proportional to (shift / sd) / sd, the discriminant of the shifts.

    shifts: the loss to be found in each dimension; deviations: the sd of its paired difference.
    """
    if not shifts or shifts.keys() != deviations.keys():
        raise ValueError(f"shifts of {sorted(shifts)} and deviations of {sorted(deviations)} must name the same dimensions")
    for name in shifts:
        if not (0.0 < shifts[name] < math.inf and 0.0 < deviations[name] < math.inf):
            raise ValueError(f"shift {shifts[name]!r} and deviation {deviations[name]!r} of {name} must be positive and finite")
    raw = {name: shifts[name] / deviations[name] ** 2 for name in shifts}
    total = math.fsum(raw.values())
    weights = {name: math.floor(_HUNDRED * value / total) for name, value in raw.items()}
    by_rest = sorted(raw, key=lambda name: (weights[name] - _HUNDRED * raw[name] / total, name))
    for name in by_rest[: _HUNDRED - sum(weights.values())]:
        weights[name] += 1
    return weights


def composite_codes(weights: Mapping[str, int], lattices: Mapping[str, Lattice], codes: Mapping[str, IntArray]) -> IntArray:
    """Return the weighted sum of paired differences as positions on COMPOSITE, shape (n,), larger is better.

    A dimension that is MISSING counts as no difference, which is inside the null; where all are, so is the composite.
    """
    if sum(weights.values()) != _HUNDRED or any(w < 0 for w in weights.values()):
        raise ValueError(f"weights {dict(weights)}, accepted: hundredths that sum to 100")
    total, seen = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
    for name, weight in weights.items():
        block = check_codes(lattices[name], codes[name])
        scored = block != MISSING
        total = total + weight * np.where(scored, _hundredths(lattices[name], block), 0)
        seen = seen | scored
    middle = COMPOSITE.size // 2
    result: IntArray = np.asarray(np.where(seen, middle + total, MISSING), dtype=np.int64)
    return result


def _hundredths(values: Lattice, codes: IntArray) -> IntArray:
    """Return lattice values in hundredths, exactly; the lattice must be made of hundredths within [-1, 1]."""
    low, quantum = Fraction(exact(values.low)) * _HUNDRED, Fraction(exact(values.quantum)) * _HUNDRED
    if low.denominator != 1 or quantum.denominator != 1 or values.low < -1 or values.high > 1:
        raise ValueError(f"lattice {values.to_json()} is not made of hundredths within [-1, 1]")
    result: IntArray = int(low) + int(quantum) * codes
    return result


def composite_law(weights: Mapping[str, int], lattices: Mapping[str, Lattice], laws: Mapping[str, FloatArray]) -> FloatArray:
    """Return the law of the composite signal on COMPOSITE where dimensions are independent, from each one's law.

    How they hang together is not in their histograms; the chart that is planned from this is nominal, e-SR holds for any law.
    """
    total = np.array([1.0])
    low = COMPOSITE.size // 2
    for name, weight in weights.items():
        steps = weight * _hundredths(lattices[name], np.arange(lattices[name].size))
        stretched = np.zeros(int(steps.max() - steps.min()) + 1)
        np.add.at(stretched, steps - steps.min(), laws[name])
        total, low = fftconvolve(total, stretched), low + int(steps.min())
    law = np.zeros(COMPOSITE.size)
    law[low : low + total.size] = np.maximum(total, 0.0)
    return np.asarray(law / law.sum())


def plan_composite(
    weights: Mapping[str, int],
    worse_by: Mapping[str, float],
    shifts: Mapping[str, float],
    law: FloatArray,
    n_observations: int,
    p_cusum: float,
    p_esr: float,
    *,
    screen: bool = False,
) -> MonitorSpec:
    """Return the composite monitor from the law of the composite signal, shape (COMPOSITE.size,).

    The null is the weighted sum of the tolerated losses, the shift to be found half of all shifts together. The chart's
    threshold is Brook and Evans' on that law, tilted to the null's mean; screen: as in `plan_monitor`.
    """
    null = math.fsum(weights[d] / _HUNDRED * worse_by[d] for d in weights)
    shift = math.fsum(weights[d] / _HUNDRED * shifts[d] for d in weights) / 2.0
    support = law > 1e-12
    support[[0, -1]] = True  # the signal may go further than it was seen to go
    values, mass = COMPOSITE.values[support], np.maximum(law[support], 1e-9)
    boundary, worse = tilt(values, mass / mass.sum(), -null), tilt(values, mass / mass.sum(), -null - shift)
    reference = reference_fraction(null, shift / 2.0)
    target, unit = phase_arl(n_observations, p_cusum), chart_unit(COMPOSITE, reference)
    asked, more = (target, 0.0) if screen else within_reach(target)
    limit = max(1, math.ceil(_threshold(-values, boundary, float(reference), asked, screen) * unit))
    if more:
        limit += further(step_law([float(-v) for v in values], boundary.tolist(), reference, unit), more)
    bets = mixture_bets(gro_bet(-values, worse, null), bet_limit(COMPOSITE, -null, -1))
    esr = EsrSpec(COMPOSITE, -null, -1, tuple(recorded(b) for b in bets), alarm_level(n_observations, p_esr))
    return MonitorSpec(CusumSpec(COMPOSITE, reference, -1, limit), esr, tuple(weights.items()))


def _threshold(values: FloatArray, law: FloatArray, reference: float, target_arl: float, screen: bool) -> float:
    if not screen:
        return brook_evans_threshold(values.tolist(), law.tolist(), reference, target_arl)
    drift = float(law @ values) - reference
    return SCREEN * siegmund_threshold(drift, math.sqrt(float(law @ (values - law @ values) ** 2)), target_arl)
