"""Latency against the incumbent's, pair by pair: the score is fitted at the end of CALIBRATING and recorded with the hypothesis.

While calibrating only the incumbent's latencies are gathered, as a histogram of their logarithms in steps of 1 %; nothing is
observed. The fitted densities say how informative D is, never whether it is valid: D has mean 0 at the margin for any score.
"""

from dataclasses import replace
from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np

from dualgate.gate.stats import DimensionSpec, SamplingPlan, SwapScore, fit_swap_score, relative_latency_spec
from dualgate.gate.stats.bets import recorded
from dualgate.gate.stats.dimension import Counts
from dualgate.gate.stats.kde import MIN_FIT
from dualgate.gate.stats.lattice import LOG_MS, MISSING, FloatArray, IntArray
from dualgate.schemas.dimensions import Latency
from dualgate.schemas.records import ArmColumns

RELATIVE = "relative"
_LEAST_MEAN = 0.001  # of D: one quantum


def answered_ms(arm: ArmColumns) -> FloatArray:
    """Return an arm's latencies in milliseconds; an error or a time-out is no answer in any time."""
    columns = zip(arm.service_ms, arm.status, strict=True)
    return np.array([np.inf if status in ("error", "timeout") else ms for ms, status in columns], dtype=float)


def cells(latency_ms: FloatArray) -> IntArray:
    """Return latencies as positions on LOG_MS, MISSING where there was no answer within its range."""
    there = np.isfinite(latency_ms) & (latency_ms < _grid()[-1])
    nearest = np.searchsorted(_edges(), np.where(there, latency_ms, 1.0), side="right")
    return np.asarray(np.where(there, nearest, MISSING), dtype=np.int64)


def differences(spec: DimensionSpec, challenger_ms: FloatArray, incumbent_ms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return D of each pair for acceptance and for worse, larger is better; NaN everywhere until a score is fitted."""
    if not spec.scores:
        return np.full(challenger_ms.size, np.nan), np.full(challenger_ms.size, np.nan)
    accept, worse = (spec.accept.lattice.values[score.codes(incumbent_ms, challenger_ms)] for score in spec.scores)
    return accept.copy(), worse.copy()


def why_not(counts: Counts) -> str:
    """Return why no density can be fitted to the incumbent's latencies, nothing where one can."""
    n, distinct = sum(times for _, _, times in counts), len({code for code, _, _ in counts})
    if n < MIN_FIT:
        return f"{n} latencies of the incumbent, at least {MIN_FIT} are needed for a density"
    return "" if distinct > 1 else f"all {n} latencies of the incumbent are equal: no density can be fitted"


def fitted(spec: DimensionSpec, part: Latency, counts: Counts, sampling: SamplingPlan) -> DimensionSpec:
    """Return the hypothesis with its scores, and with futility's bet by what D is between two equally fast arms.

    The bets of acceptance and of worse stand: for D they are the same whatever is fitted. Raises ValueError where `why_not` says
    why.
    """
    codes, times = (np.array(column) for column in zip(*((code, n) for code, _, n in counts), strict=True))
    latency_ms = np.repeat(_grid()[codes], times)
    accept = fit_swap_score(latency_ms, part.margin)
    worse = accept if part.worse_by == part.margin else fit_swap_score(latency_ms, part.worse_by)
    mean, sd = _between_equals(accept, _grid()[codes], times / times.sum())
    made = relative_latency_spec(max(recorded(mean), _LEAST_MEAN), sd=max(recorded(sd), 0.02), sampling=sampling)
    return replace(made, worse=spec.worse, scores=(accept, worse))


def _between_equals(score: SwapScore, latency_ms: FloatArray, law: FloatArray) -> tuple[float, float]:
    """Return mean and sd of D where both arms draw from this law, independently."""
    n = latency_ms.size
    codes = score.codes(np.repeat(latency_ms, n), np.tile(latency_ms, n))
    d, p = (codes - 240) / 1000, np.outer(law, law).ravel()
    mean = float(p @ d)
    return mean, float(np.sqrt(p @ (d - mean) ** 2))


@lru_cache(maxsize=1)
def _grid() -> FloatArray:
    """Return the latency of each position, correctly rounded on every machine."""
    return _exponentials(Decimal(0))


@lru_cache(maxsize=1)
def _edges() -> FloatArray:
    """Return where a position ends and the next begins."""
    return _exponentials(Decimal("0.005"))[:-1]


def _exponentials(beyond: Decimal) -> FloatArray:
    with localcontext() as context:
        context.prec = 30
        return np.array([float((LOG_MS.value(code) + beyond).exp()) for code in range(LOG_MS.size)])
