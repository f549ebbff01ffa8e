"""Estimate and anytime-valid confidence interval of a dimension's mean, on demand from its histogram.

For each candidate mean m two fixed-bet mixtures are known to be supermartingales if m is the truth: one that gathers evidence for
a larger mean, with bets f / (m - low), one for a smaller, with f / (high - m), f fixed. With those bets each factor is
1 + f (p_min / p) ((x - low) / (m - low) - 1), monotone in m, so the values of m that neither has rejected at level alpha / 2
are an interval, and it covers the mean at all times together with probability 1 - alpha (Waudby-Smith and Ramdas 2024). The
product does not depend on the order of observations, so counts are enough; no grid of processes is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dualgate.gate.stats.dimension import Counts, DimensionSpec, DimensionState
from dualgate.gate.stats.lattice import FloatArray, Lattice
from dualgate.gate.stats.multiplicity import check_level

_FRACTIONS = np.geomspace(0.0005, 0.95, 24)
_STEPS = 60


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its confidence bounds, in the reported units of the dimension; estimate is None without observations."""

    estimate: float | None
    low: float
    high: float
    n: int


def interval(spec: DimensionSpec, state: DimensionState, alpha: float = 0.05) -> Interval:
    """Return estimate and anytime-valid (1 - alpha) interval of the accept observation's mean."""
    return _reported(spec, _mean_interval(spec.accept.lattice, state.accept_counts, spec.accept.min_probability, alpha))


def worse_interval(spec: DimensionSpec, state: DimensionState, alpha: float = 0.05) -> Interval | None:
    """Return the same for the paired difference (challenger minus incumbent, larger is better); None where it is not tested."""
    if spec.worse is None:
        return None
    return _mean_interval(spec.worse.lattice, state.worse_counts, spec.worse.min_probability, alpha)


def estimate(spec: DimensionSpec, state: DimensionState) -> float | None:
    """Return the weighted mean of the accept observation in reported units, None without observations."""
    return _reported(spec, Interval(_mean(spec.accept.lattice, state.accept_counts), 0.0, 0.0, 0)).estimate


def _reported(spec: DimensionSpec, found: Interval) -> Interval:
    ends = sorted(_rounded(spec.report_offset + spec.report_sign * end) for end in (found.low, found.high))
    mean = None if found.estimate is None else _rounded(spec.report_offset + spec.report_sign * found.estimate)
    return Interval(mean, ends[0], ends[1], found.n)


def _mean(lattice: Lattice, counts: Counts) -> float | None:
    if not counts:
        return None
    total = math.fsum(n / t for _, t, n in counts)
    return math.fsum(float(lattice.value(code)) * n / t for code, t, n in counts) / total


@lru_cache(maxsize=64)  # a decision, its command and its snapshot ask about the same counts
def _mean_interval(lattice: Lattice, counts: Counts, min_probability: float, alpha: float) -> Interval:
    check_level("alpha", alpha)
    if not counts:
        return Interval(None, lattice.low, lattice.high, 0)
    codes, thousandths, times = (np.array(column) for column in zip(*counts, strict=True))
    x = lattice.values[codes]
    n, weight = times.astype(float), min_probability * 1000.0 / thousandths
    low = _bound(x - lattice.low, weight, n, lattice.high - lattice.low, alpha / 2)
    high = _bound(lattice.high - x, weight, n, lattice.high - lattice.low, alpha / 2)
    return Interval(_mean(lattice, counts), _rounded(lattice.low + low), _rounded(lattice.high - high), int(times.sum()))


def _bound(distance: FloatArray, weight: FloatArray, n: FloatArray, width: float, level: float) -> float:
    """Return the greatest distance m whose evidence for a larger mean reaches log(1 / level), 0 where none does."""
    low, high, threshold = 0.0, width, math.log(1 / level)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        factors = 1 + _FRACTIONS[:, None] * (weight * (distance / middle - 1))[None, :]
        log_e = np.logaddexp.reduce(np.log(factors) @ n) - math.log(len(_FRACTIONS))
        if log_e >= threshold:
            low = middle
        else:
            high = middle
    return low


def _rounded(value: float) -> float:
    return round(value, 6) + 0.0
