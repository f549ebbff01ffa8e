"""Units of observation and sampling probabilities."""

import math

import numpy as np
import pytest

from dualgate.gate.stats.lattice import SCORE_DIFFERENCE
from dualgate.gate.stats.sampling import drawn_turn, quantised_probability, sampling_plan, session_means


def test_probabilities_are_quantised_and_never_zero() -> None:
    """A probability is drawn with to the thousandth, the least being 0.001."""
    assert [quantised_probability(p) for p in (0.00001, 0.1234, 1.0)] == [0.001, 0.123, 1.0]
    with pytest.raises(ValueError, match=r"sampling probability 0\.0"):
        quantised_probability(0.0)


def test_strata_give_least_and_mean() -> None:
    """The mean is weighted by each stratum's share of traffic."""
    plan = sampling_plan({"simple": 0.05, "join": 0.10, "chain": 0.20}, {"simple": 0.31, "join": 0.44, "chain": 0.25})
    assert plan.least == 0.05
    assert plan.mean == pytest.approx(0.1095)


def test_a_starved_stratum_is_refused() -> None:
    """A stratum sampled at less than a quarter of the mean would cap every bet: refused with both numbers."""
    with pytest.raises(ValueError, match=r"least sampling probability 0\.002 is below a quarter of the mean"):
        sampling_plan({"a": 0.002, "b": 0.2})


def test_shares_must_match_the_strata() -> None:
    """Shares that miss a stratum or do not sum to 1 are refused."""
    with pytest.raises(ValueError, match="with sum 1"):
        sampling_plan({"a": 0.1, "b": 0.2}, {"a": 1.0})
    with pytest.raises(ValueError, match="no stratum"):
        sampling_plan({})


def test_the_drawn_turn_is_uniform_and_fixed_by_the_session() -> None:
    """Each turn is drawn with probability 1/4 (a 1e-6 binomial bound), and always the same for one session."""
    n = 20_000
    turns = [drawn_turn(f"s{i}") for i in range(n)]
    bound = 4.9 * math.sqrt(n * 0.25 * 0.75)
    for turn in (1, 2, 3, 4):
        assert abs(turns.count(turn) - n / 4) < bound
    assert [drawn_turn(f"s{i}") for i in range(100)] == turns[:100]


def test_session_means_are_rounded_down() -> None:
    """A session's mean goes down to the lattice, also below zero, and unobserved turns do not count."""
    codes, means = session_means(SCORE_DIFFERENCE, [1.0, -1.0, 0.0, 0.0, np.nan, np.nan], ["x", "y", "x", "y", "y", "z"])
    assert means.tolist() == [0.5, -0.5]
    assert [SCORE_DIFFERENCE.value(int(c)) for c in codes] == [pytest.approx(0.5), pytest.approx(-0.5)]
    codes, _ = session_means(SCORE_DIFFERENCE, [1.0, 0.0, 0.0], ["x", "x", "x"])
    assert float(SCORE_DIFFERENCE.value(int(codes[0]))) == 0.33
    assert session_means(SCORE_DIFFERENCE, [], [])[0].shape == (0,)
