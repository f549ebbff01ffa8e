"""Evidence as integers, so that the same stream gives the same number on every machine and at any cut into blocks.

An increment log(1 + bet * z) is floored to a multiple of 1e-9 nat and added as an integer, one integer a bet. Floor (also of
negative increments) keeps each bet's process below the exact supermartingale, so every bound that holds for the exact process
holds for this one; the cost is at most 1e-9 nat a pair. A mixture is a log-sum-exp of those integers and not a sum of increments:
it is floored to 1e-6 nat. A float gives that floor at once where it is far from a multiple of 1e-6; the few values closer
than the float's error are settled with `decimal`, whose exp and ln are correctly rounded everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from functools import lru_cache

import numpy as np

from dualgate.gate.stats.lattice import FloatArray, IntArray, exact

NANO = 1_000_000_000
"""Units of one nat in an evidence sum."""

MICRO = 1_000_000
"""Units of one nat in a log e-value."""

_NANO_PER_MICRO = NANO // MICRO
_CONTEXT = Context(prec=34)
_FLOAT_DOUBT = 1e-5  # micro-nats, that is 1e-11 nat


def increment(bet: float, excess: Decimal) -> int:
    """Return floor(1e9 * ln(1 + bet * excess)). Raises ValueError where 1 + bet * excess is not positive."""
    with localcontext(_CONTEXT) as context:
        context.rounding = ROUND_FLOOR
        factor = 1 + Decimal(bet) * excess
        if factor <= 0:
            raise ValueError(f"bet {bet!r} times excess {float(excess)!r} loses everything; accepted: bet * excess > -1")
        return int((factor.ln() * NANO).to_integral_value(ROUND_FLOOR))


def log_micro(ratio: Decimal) -> int:
    """Return ceil(1e6 * ln(ratio)): a threshold rounded against the claim."""
    with localcontext(_CONTEXT):
        return int((ratio.ln() * MICRO).to_integral_value(ROUND_CEILING))


def exp_minus(micro: int) -> float:
    """Return min(1, exp(-micro / 1e6)), rounded up to seven significant digits."""
    if micro <= 0:
        return 1.0
    with localcontext(Context(prec=40)):
        value = (Decimal(-micro) / MICRO).exp()
    with localcontext(Context(prec=7, rounding=ROUND_CEILING)):
        return max(float(+value), 5e-324)


def mixture_micro(sums: IntArray, weights: Sequence[int]) -> IntArray:
    """Return floor(1e6 * ln(sum_j w_j exp(sums_j / 1e9) / sum_j w_j)), exactly.

    sums: evidence in nano-nats, shape (bets, n). weights: one positive integer a bet. Result: micro-nats, shape (n,).
    """
    top = sums.max(axis=0)
    if len(weights) == 1:
        return np.asarray(top // _NANO_PER_MICRO)
    share = np.array(weights, dtype=np.float64) / sum(weights)
    return floor_micro(top, share @ np.exp((sums - top) * 1e-9), lambda: sums, weights)


def floor_micro(reference: IntArray | int, share: FloatArray, sums: Callable[[], IntArray], weights: Sequence[int]) -> IntArray:
    """Return floor(reference / 1e3 + 1e6 ln share), where share is off by less than 1e-11 of itself.

    Values too near a multiple of 1e-6 to be told by a float are settled from the exact sums, shape (bets, n).
    """
    whole, rest = np.divmod(reference, _NANO_PER_MICRO)
    correction = rest / _NANO_PER_MICRO + np.log(share) * MICRO
    floor = np.floor(correction)
    micro = whole + floor.astype(np.int64)
    doubtful = np.flatnonzero(np.abs(correction - floor - 0.5) > 0.5 - _FLOAT_DOUBT)
    if len(doubtful):
        columns = sums()[:, doubtful]
        equal = columns.min(axis=0) == columns.max(axis=0)
        micro[doubtful[equal]] = columns[0, equal] // _NANO_PER_MICRO
        for i in np.flatnonzero(~equal):
            micro[doubtful[i]] = _mixture_exactly(tuple(int(s) for s in columns[:, i]), tuple(weights))
    return np.asarray(micro)


@lru_cache(maxsize=4096)
def _mixture_exactly(sums: tuple[int, ...], weights: tuple[int, ...]) -> int:
    """Return what mixture_micro defines, for one pair, with 34 digits."""
    with localcontext(_CONTEXT):
        top = max(sums)
        total = sum((w * (Decimal(s - top) / NANO).exp() for s, w in zip(sums, weights, strict=True)), Decimal(0))
        value = Decimal(top) / _NANO_PER_MICRO + (total / sum(weights)).ln() * MICRO
        return int(value.to_integral_value(ROUND_FLOOR))


def probability_thousandths(probability: float) -> int:
    """Return a sampling probability in thousandths, 1..1000. Raises ValueError for any other value."""
    scaled = probability * 1000
    if not 1 <= scaled <= 1000 or abs(scaled - round(scaled)) > 1e-6:
        raise ValueError(f"sampling probability {probability!r}, accepted: 0.001, 0.002, ... 1")
    return round(scaled)


def excess_over(value: Decimal, null: float, thousandths: int) -> Decimal:
    """Return (value - null) / probability, rounded towards minus infinity at 34 digits."""
    with localcontext(_CONTEXT) as context:
        context.rounding = ROUND_FLOOR
        return (value - exact(null)) * 1000 / thousandths
