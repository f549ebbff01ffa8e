"""CUSUM thresholds: known answers, an independent solution of the chain, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest

from dualgate.gate.stats.cusum import (
    bernoulli_law,
    brook_evans_arl,
    brook_evans_threshold,
    cusum_threshold,
    paired_law,
    phase_arl,
    reference_fraction,
    siegmund_threshold,
    threshold_for_arl,
)
from dualgate.gate.stats.run_length import StepLaw, alarm_probability, run_length_from_zero, run_lengths, step_law


def _dense_run_length(law: StepLaw, limit: int) -> float:
    """The same ARL from a dense transition matrix, written down state by state."""
    move = np.zeros((limit, limit))
    for i in range(limit):
        for step, probability in zip(law.steps, law.probabilities, strict=True):
            if i + step < limit:
                move[i, max(0, i + step)] += probability
    return float(np.linalg.solve(np.eye(limit) - move, np.ones(limit))[0])


def test_page_vector() -> None:
    """The page's threshold for a rate of .158, slack .02 and ARL0 5,000, to all digits given."""
    found = cusum_threshold(0.158, 0.02, 5000)
    assert found.threshold == pytest.approx(11.97382, abs=5e-6)
    assert found.arl0 == pytest.approx(5001.85, abs=5e-3)
    assert found.arl(0.198) == pytest.approx(437.354, abs=5e-4)
    assert found.reference == Fraction(34, 191)


@pytest.mark.parametrize(
    ("rate", "shift", "target", "threshold", "arl1"),
    [
        (0.158, 0.04, 1000, 7.33, 222),
        (0.158, 0.04, 20000, 16.54, 661),
        (0.158, 0.02, 5000, 15.88, 989),
        (0.0075, 0.0275, 1000, 1.55, 79),
        (0.0075, 0.0275, 5000, 2.34, 134),
        (0.0075, 0.0275, 20000, 3.06, 186),
        (0.004, 0.011, 1000, 1.03, 152),
        (0.004, 0.011, 5000, 2.13, 292),
        (0.004, 0.011, 20000, 3.00, 438),
    ],
)
def test_page_table(rate: float, shift: float, target: float, threshold: float, arl1: float) -> None:
    """Exact thresholds and out-of-control ARLs of section 6, to the digits printed (h of 17 and 16 there are 16.54 and 15.88)."""
    found = cusum_threshold(rate, shift / 2, target)
    assert found.threshold == pytest.approx(threshold, abs=0.005)
    assert found.arl(rate + shift) == pytest.approx(arl1, abs=0.6)
    assert found.arl0 >= target


def test_least_threshold() -> None:
    """One lattice unit less has an in-control ARL below the target, and the ARL at the rate itself is arl0."""
    for rate, slack, target in ((0.158, 0.02, 5000), (0.0075, 0.01375, 5000), (0.5, 0.02, 20000), (0.9, 0.03, 50)):
        found = cusum_threshold(rate, slack, target)
        law = bernoulli_law(rate, found.reference)
        assert found.arl(rate) == found.arl0
        assert run_lengths(law, found.limit - 1)[0] < target if found.limit > 1 else True


@pytest.mark.parametrize("limit", [1, 2, 7, 40, 150])
def test_run_lengths_against_a_dense_chain(limit: int) -> None:
    """Both solutions are that of the whole transition matrix, for limits below and above the step sizes."""
    for law in (
        bernoulli_law(0.158, Fraction(34, 191)),
        bernoulli_law(0.9, Fraction(23, 25)),
        paired_law(0.2, 0.01, Fraction(1, 50)),
    ):
        expected = pytest.approx(_dense_run_length(law, limit), rel=1e-7)
        assert run_lengths(law, limit)[0] == expected
        assert run_length_from_zero(law, limit) == expected


@pytest.mark.parametrize("limit", [1, 3, 8, 50, 200])
def test_any_lattice_has_both_solutions(limit: int) -> None:
    """Steps with a common difference of 1, of 8, or that leave residues unvisited: the two solutions agree."""
    for steps in ((-4, -1, 3), (-6, 2, 10), (-6, 3), (-1, 1), (0, 5)):
        law = StepLaw(steps, (0.5, 0.5) if len(steps) == 2 else (0.5, 0.3, 0.2))
        assert run_length_from_zero(law, limit) == pytest.approx(run_lengths(law, limit)[0], rel=1e-7)


def test_a_run_length_beyond_doubles_is_infinite() -> None:
    """A chain that is singular to the last place is said to be endless, never a negative or arbitrary number."""
    law = paired_law(0.2, 0.01, Fraction(1, 17))
    assert run_length_from_zero(law, 1400) == math.inf
    assert np.isinf(run_lengths(law, 1400)).all()


def test_alarm_probability_is_the_run_length_law() -> None:
    """Summing P(no alarm within n) over n gives the ARL, and a phase calibrated by -N / ln(1 - p) spends at most p."""
    law = bernoulli_law(0.158, Fraction(8, 45))
    survival = [1 - alarm_probability(law, 30, n) for n in range(120)]
    assert math.fsum(survival) == pytest.approx(run_lengths(law, 30)[0], rel=1e-6)
    found = threshold_for_arl(law, phase_arl(2000, 0.05), 45, Fraction(8, 45))
    assert 0.03 < alarm_probability(law, found.limit, 2000) <= 0.05


def test_more_discordance_needs_a_higher_threshold() -> None:
    """At the same mean a paired signal that differs more often alarms earlier: an upper bound of the discordance is safe."""
    arls = [run_lengths(paired_law(d, 0.0, Fraction(1, 50)), 400)[0] for d in (0.05, 0.1, 0.2, 0.4, 1.0)]
    assert arls == sorted(arls, reverse=True)


def test_siegmund_only_starts_the_search() -> None:
    """For rare events Siegmund's threshold misses the target ARL by a factor of five; the exact one does not."""
    found = cusum_threshold(0.0075, 0.01375, 5000)
    law = bernoulli_law(0.0075, found.reference)
    guess = round(siegmund_threshold(law.mean, law.standard_deviation, 5000))
    assert run_lengths(law, guess)[0] < 1000 < 5000 <= found.arl0


def test_brook_evans_meets_the_lattice() -> None:
    """With many cells the rounded chart has the exact chart's ARL, and its threshold inverts it."""
    exact = cusum_threshold(0.158, 0.02, 1000)
    values, law = (0.0, 1.0), (0.842, 0.158)
    reference = float(exact.reference)
    assert brook_evans_arl(values, law, reference, exact.threshold, 2000) == pytest.approx(exact.arl0, rel=0.02)
    h = brook_evans_threshold(values, law, reference, 1000.0)
    assert brook_evans_arl(values, law, reference, h, 400) >= 1000 * (1 - 1e-9)
    assert h == pytest.approx(exact.threshold, rel=0.02)


@pytest.mark.parametrize(
    ("rate", "slack", "target", "word"),
    [
        (0.0, 0.02, 5000, "rate"), (1.0, 0.02, 5000, "rate"), (math.nan, 0.02, 5000, "rate"), (0.1, 0.0, 5000, "slack"),
        (0.1, math.inf, 5000, "slack"), (0.9, 0.1, 5000, "below 1"), (0.1, 0.02, 1.0, "target_arl"),
        (0.1, 0.02, math.nan, "target_arl"),
        (0.001, 0.0005, 5000, "nearest"), (0.5, 0.005, 1e30, "target_arl"),
        (0.5, 0.0026, 1e9, "cells"),
    ],
)  # fmt: skip
def test_refused(rate: float, slack: float, target: float, word: str) -> None:
    """An impossible rate, slack, reference or target is an error that names it."""
    with pytest.raises(ValueError, match=word):
        cusum_threshold(rate, slack, target)


def test_refused_laws() -> None:
    """Laws that are none, limits of 0, and values off the lattice are errors that name them."""
    with pytest.raises(ValueError, match=r"sum to 1"):
        StepLaw((-1, 1), (0.5, 0.6))
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        StepLaw((-1, 1), (math.nan, 0.6))
    with pytest.raises(ValueError, match="rising"):
        StepLaw((1, -1), (0.5, 0.5))
    with pytest.raises(ValueError, match="limit"):
        run_lengths(StepLaw((-1, 1), (0.5, 0.5)), 0)
    with pytest.raises(ValueError, match="multiple"):
        step_law((0.0, 0.33), (0.5, 0.5), Fraction(1, 10), 10)
    with pytest.raises(ValueError, match="impossible"):
        paired_law(0.1, 0.2, Fraction(1, 50))
    with pytest.raises(ValueError, match="n_observations"):
        phase_arl(0, 0.05)
    with pytest.raises(ValueError, match="p_false_alarm"):
        phase_arl(10, 0.0)
    with pytest.raises(ValueError, match="drift"):
        threshold_for_arl(bernoulli_law(0.5, Fraction(1, 4)), 100.0, 4, Fraction(1, 4))
    with pytest.raises(ValueError, match="cannot alarm"):
        threshold_for_arl(StepLaw((-2, -1), (0.5, 0.5)), 100.0, 1, Fraction(1))
    with pytest.raises(ValueError, match="mean < reference"):
        brook_evans_threshold((0.0, 1.0), (0.5, 0.5), 0.4, 100.0)


def test_a_signal_that_never_rises_never_alarms() -> None:
    """With no step upward the run length is infinite, not an error of linear algebra."""
    assert np.isinf(run_lengths(bernoulli_law(0.0, Fraction(1, 5)), 10)).all()


def test_reference_is_a_small_fraction_above_the_mean() -> None:
    """The reference is rate + slack to a denominator of at most 200."""
    assert reference_fraction(0.158, 0.02) == Fraction(34, 191)
    assert reference_fraction(0.0, 0.02) == Fraction(1, 50)
