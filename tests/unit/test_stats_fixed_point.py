"""Increments, mixtures and thresholds in fixed point are the mathematical floor, whatever the processor."""

from decimal import ROUND_FLOOR, Decimal, localcontext

import numpy as np
import pytest

from dualgate.gate.stats.bets import bet_mixture
from dualgate.gate.stats.evidence import EvidencePath
from dualgate.gate.stats.fixed_point import exp_minus, increment, log_micro, mixture_micro
from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.process import Process

NANO = 10**9


def _floor_of_mixture(sums: list[int], weights: list[int]) -> int:
    """The definition with 80 digits."""
    with localcontext() as context:
        context.prec = 80
        total = sum((w * (Decimal(s) / NANO).exp() for s, w in zip(sums, weights, strict=True)), Decimal(0))
        return int(((total / sum(weights)).ln() * 10**6).to_integral_value(ROUND_FLOOR))


def test_increments_are_floors() -> None:
    """An increment is floored towards minus infinity, also a negative one, and no evidence is exactly 0."""
    assert increment(0.5, Decimal(1)) == 405465108  # ln 1.5 = 0.405465108108...
    assert increment(0.5, Decimal(-1)) == -693147181  # ln 0.5 = -0.693147180559...
    assert increment(0.5, Decimal(0)) == 0


def test_mixture_is_the_floor_of_its_definition() -> None:
    """The mixture's micro-nats equal the 80-digit definition for near, far, equal and huge sums."""
    rng = np.random.default_rng(5)
    weights = [1, 2, 3, 4]
    sums = np.concatenate(
        [
            rng.integers(-(10**9), 10**9, (4, 60)),
            rng.integers(-3 * 10**11, 3 * 10**11, (4, 60)),
            np.repeat(rng.integers(-(10**10), 10**10, (1, 20)), 4, axis=0),
        ],
        axis=1,
    )
    expected = [_floor_of_mixture([int(s) for s in column], weights) for column in sums.T]
    assert mixture_micro(sums, weights).tolist() == expected


def test_mixture_at_an_exact_boundary_is_not_pushed_below() -> None:
    """Equal sums on a multiple of a micro-nat give exactly that micro-nat: a float's last place would lose one."""
    for micro in (-7, 0, 1, 123456):
        sums = np.full((9, 3), micro * 1000, dtype=np.int64)
        assert mixture_micro(sums, [1] * 9).tolist() == [micro] * 3
        assert mixture_micro(sums - 1, [1] * 9).tolist() == [micro - 1] * 3


def test_one_bet_needs_no_mixture() -> None:
    """A single bet's log e-value is its own sum, floored."""
    assert mixture_micro(np.array([[1999, -1, -1000, -1001]]), [1]).tolist() == [1, -1, -1, -2]


def test_thresholds_are_rounded_up() -> None:
    """log(1/0.05) = 2.995732273... is compared as 2.995733."""
    assert log_micro(Decimal(20)) == 2995733
    assert log_micro(Decimal(1)) == 0


@pytest.mark.parametrize(("micro", "p"), [(-5, 1.0), (0, 1.0), (2995733, 0.04999997), (10**9, 5e-324)])
def test_p_values_are_rounded_up_and_never_zero(micro: int, p: float) -> None:
    """1/K is rounded up to seven digits, at most 1 and above 0 however strong the evidence."""
    assert exp_minus(micro) == p


@pytest.mark.parametrize("drift", [0.0, 0.3, -0.3, 0.9])
def test_running_products_give_the_same_floors_as_exponentials(drift: float) -> None:
    """The fast path over 10,000 pairs equals log-sum-exp of the integers, also where evidence runs far up or down."""
    process = Process(TERNARY, 0.0, 1, bet_mixture(0.2, 1.0))
    rng = np.random.default_rng(8)
    codes = rng.choice(3, size=10_000, p=[0.5 - drift / 2, 0.0, 0.5 + drift / 2]).astype(np.int64)
    thousandths = np.full(10_000, 1000, dtype=np.int64)
    start = tuple(int(s) for s in rng.integers(-(10**9), 10**9, 9))
    sums = np.cumsum(process.increments_many(codes, thousandths), axis=1) + np.array(start)[:, None]
    path = EvidencePath(process, start, codes, thousandths)
    assert path.micro.tolist() == mixture_micro(sums, process.weights).tolist()
    assert path.sums_after(777) == tuple(sums[:, 776].tolist())
