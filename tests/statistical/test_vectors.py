"""Known answers of the statistics page, to the digits given there."""

import math

import numpy as np
import pytest

from dualgate.gate.stats import cusum_threshold, gate_accepts, gro_bet, growth, holm, hommel, log_e_process, simes, sprt_plan
from support.pair_laws import paired_law

P_VALUES = (0.001, 0.02, 0.024, 0.04)


def test_mcnemar_bet_is_difference_over_discordance() -> None:
    """The optimal bet on a paired difference against 0 is (b - c) / (b + c): Wald's double dichotomy."""
    law = (0.03195, 0.8821, 0.08595)
    assert gro_bet((-1, 0, 1), law, 0) == pytest.approx(0.458015, abs=5e-7)
    assert gro_bet((-1, 0, 1), law, 0) == pytest.approx((0.08595 - 0.03195) / (0.08595 + 0.03195), rel=1e-12)
    assert growth((-1, 0, 1), law, 0, 0.458015) == pytest.approx(0.0128398, abs=5e-8)


def test_bernoulli_bet_is_the_likelihood_ratio() -> None:
    """The optimal bet on a rare event makes Wald's Bernoulli likelihood ratio: p1/p0 for a violation."""
    bet = gro_bet((0, 1), (0.004, 0.996), 0.99)
    assert bet == pytest.approx(0.606061, abs=5e-7)
    assert 1 + bet * (0 - 0.99) == pytest.approx(0.4, abs=1e-9)
    assert 1 + bet * (1 - 0.99) == pytest.approx(0.996 / 0.99, abs=1e-9)


def test_nine_bet_mixture() -> None:
    """47 ternary pairs under nine log-uniform bets have the stated evidence and p-value."""
    x = [0] * 20 + [1] * 3 + [0] * 20 + [-1] + [1] * 3
    log_e = log_e_process(x, 0.0, np.geomspace(0.1146, 0.95, 9).tolist())
    assert len(log_e) == 47
    assert log_e[-1] == pytest.approx(1.323232, abs=5e-7)
    assert np.exp(-log_e[-1]) == pytest.approx(0.266273, abs=5e-7)


def test_multiplicity_on_four_p_values() -> None:
    """Holm rejects only the least, Hommel all four, Simes the global null; the gate accepts by IUT, not by Holm."""
    assert holm(P_VALUES, 0.05).tolist() == [True, False, False, False]
    assert hommel(P_VALUES, 0.05).tolist() == [True] * 4
    assert simes(P_VALUES, 0.05) is True
    assert gate_accepts(P_VALUES, 0.05, "iut") is True
    assert gate_accepts(P_VALUES, 0.05, "holm") is False


def test_exact_cusum_threshold() -> None:
    """The exact threshold for a correctness signal of 0.158 at ARL 5,000 is the stated one."""
    found = cusum_threshold(0.158, 0.02, 5000)
    assert found.threshold == pytest.approx(11.97382, abs=5e-6)
    assert found.arl0 == pytest.approx(5001.85, abs=5e-3)
    assert found.arl(0.198) == pytest.approx(437.354, abs=5e-4)


@pytest.mark.parametrize(
    ("ceiling", "design", "n_fixed", "wald_h1", "wald_h0"),
    [
        (0.02, 0.0075, 719, 455, 277),
        (0.01, 0.0075, None, 6877, 5248),
        (0.01, 0.004, 1693, 1010, 627),
        (0.014, 0.003, 552, 369, None),
        (0.02, 0.004, 386, 245, None),
        (0.008, 0.004, 3184, 1923, 1284),
        (0.004, 0.003, None, 17287, 13187),
    ],
)
def test_plan_of_a_ceiling(ceiling: float, design: float, n_fixed: int | None, wald_h1: int, wald_h0: int | None) -> None:
    """Wald's bounds of a ceiling, and its exact fixed size where violations are rare, are the stated ones."""
    plan = sprt_plan((0, 1), (design, 1 - design), 1 - ceiling, 0.05, 0.1)
    assert round(plan.wald_n_h1) == wald_h1
    assert wald_h0 is None or round(plan.wald_n_h0) == wald_h0
    assert n_fixed is None or plan.n_fixed == n_fixed
    assert plan.n_max == math.ceil(1.5 * plan.n_fixed)


@pytest.mark.parametrize(
    ("gain", "phi", "null", "n_fixed", "wald_h1", "wald_h0"),
    [
        (0.054, 0.5, 0.0, None, 185, 144),
        (0.054, 0.0, 0.0, 670, 370, 305),
        (0.054, 0.3, 0.0, 473, 260, 210),
        (0.054, 0.7, 0.0, None, 107, 69),
        (0.03, 0.5, 0.0, None, 647, 532),
        (0.0, 0.5, -0.02, None, 1593, 1322),
    ],
)
def test_plan_of_a_paired_difference(
    gain: float, phi: float, null: float, n_fixed: int | None, wald_h1: int, wald_h0: int
) -> None:
    """Wald's bounds of a paired difference of correctness at 84.2 % and correlation phi are the stated ones."""
    plan = sprt_plan((-1, 0, 1), paired_law(0.842, 0.842 + gain, phi), null, 0.05, 0.1)
    assert plan.wald_n_h1 == pytest.approx(wald_h1, abs=0.6)
    assert plan.wald_n_h0 == pytest.approx(wald_h0, abs=0.6)
    assert n_fixed is None or plan.n_fixed == n_fixed


@pytest.mark.parametrize(
    ("values", "design", "null", "n_fixed"),
    [((0, 1), (0.0, 1.0), 0.995, 598), ((0, 1), (0.0, 1.0), 0.99, 299), ((-1, 0, 1), (0.0, 0.9, 0.1), 0.0, 78)],
)
def test_plan_of_a_design_that_never_takes_the_worst_value(
    values: tuple[int, ...], design: tuple[float, ...], null: float, n_fixed: int
) -> None:
    """A design without one bad outcome needs ln alpha / ln null pairs (or 5 discordant ones), and Wald's bounds stay >= 0."""
    plan = sprt_plan(values, design, null, 0.05, 0.1)
    assert plan.n_fixed == n_fixed
    assert plan.wald_n_h1 > 0
    assert plan.wald_n_h0 == 0
