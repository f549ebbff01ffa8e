"""Automatic raters: the corrected process keeps its level for any rater, the raw one does not; what labels it saves."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dualgate.gate.stats.bets import log_e_process
from dualgate.gate.stats.lattice import IntArray
from dualgate.gate.stats.rater import apply_rounds
from dualgate.gate.stats.rater_state import DrawnPair, RaterSpec, RaterState, Round
from support.pair_laws import paired_law
from support.rates import at_least, at_most, same_mean

ALPHA = 0.05
THRESHOLD = float(np.log(1 / ALPHA))
PAGE_RUNS = 2000


@dataclass(frozen=True)
class Rater:
    """Sensitivity and specificity on the answers of each arm."""

    incumbent: tuple[float, float]
    challenger: tuple[float, float]


GOOD = Rater((0.97, 0.93), (0.97, 0.93))
WEAK = Rater((0.92, 0.80), (0.92, 0.80))
LENIENT = Rater((0.97, 0.93), (0.97, 0.78))


def _pairs(rng: np.random.Generator, n: int, right: tuple[float, float], rater: Rater) -> tuple[IntArray, IntArray, IntArray]:
    """Y of the incumbent, Y of the challenger and R of n pairs, correctness rates `right` with a correlation of .5."""
    worse, _, better = paired_law(*right, 0.5)
    u = rng.random(n)
    incumbent, challenger = u < right[0], ((u >= worse) & (u < right[0])) | ((u >= right[0]) & (u < right[0] + better))
    ratings = []
    for truth, (sensitivity, specificity) in ((incumbent, rater.incumbent), (challenger, rater.challenger)):
        ratings.append(np.where(truth, rng.random(n) < sensitivity, rng.random(n) >= specificity))
    return incumbent.astype(np.int64), challenger.astype(np.int64), ratings[1].astype(np.int64) - ratings[0]


def _round(incumbent: IntArray, challenger: IntArray, rating: IntArray, drawn: IntArray, thousandths: int) -> Round:
    """A closed round whose labels have all come."""
    left = np.bincount(rating[drawn == 0] + 1, minlength=3).tolist()
    labelled = tuple(
        DrawnPair(str(i), int(rating[i]), thousandths, 0, int(incumbent[i]), int(challenger[i])) for i in np.flatnonzero(drawn)
    )
    return Round("rater", (left[0], left[1], left[2]), labelled, closed=True)


def _accepted_at(
    spec: RaterSpec, rng: np.random.Generator, n: int, probability: float, right: tuple[float, float], rater: Rater
) -> int | None:
    """The number of pairs after which the process accepts, looked at after every round."""
    incumbent, challenger, rating = _pairs(rng, n, right, rater)
    drawn, state = (rng.random(n) < probability).astype(np.int64), RaterState()
    for start in range(0, n, spec.round_size):
        part = slice(start, start + spec.round_size)
        each = _round(incumbent[part], challenger[part], rating[part], drawn[part], round(1000 * probability))
        state = apply_rounds(spec, replace(state, rounds=(each,)))
        if state.log_e >= THRESHOLD:
            return state.n
    return None


@pytest.mark.parametrize(("rater", "null"), [(WEAK, 0.0), (LENIENT, 0.0), (LENIENT, -0.03)])
def test_corrected_process_keeps_its_level(rater: Rater, null: float) -> None:
    """At the null a challenger is accepted at most .05 of the time, also by a rater that favours it (page: .044 to .048)."""
    spec = RaterSpec(null, 0.05, discordance=0.13, round_size=100)
    rng, runs = np.random.default_rng(91), 250
    right = (0.842, 0.842 + null)
    accepted = sum(_accepted_at(spec, rng, 2500, 0.1, right, rater) is not None for _ in range(runs))
    assert at_most(accepted, runs, ALPHA)


@pytest.mark.parametrize("null", [0.0, -0.03])
def test_raw_rater_that_favours_the_challenger_fails_the_check(null: float) -> None:
    """Taken at its word the same rater accepts far more than .05 (page: .633 at 0, 1.00 at -.03)."""
    rng, runs, accepted = np.random.default_rng(92), 200, 0
    for _ in range(runs):
        rating = _pairs(rng, 2500, (0.842, 0.842 + null), LENIENT)[2]
        accepted += bool((log_e_process(rating, null, (0.1, 0.2, 0.4)) >= THRESHOLD).any())
    assert not at_most(accepted, runs, ALPHA)
    assert at_least(accepted, runs, 0.5)


@pytest.mark.parametrize(("rater", "queries"), [(GOOD, 1664), (WEAK, 2299)])
def test_labels_saved(rater: Rater, queries: int) -> None:
    """A gain of 5.4 points at a label rate of .1: not more queries than the page's, where labels alone took 2,750."""
    spec = RaterSpec(0.0, 0.054, discordance=0.118, round_size=50)
    rng, runs = np.random.default_rng(93), 100
    found = [_accepted_at(spec, rng, 9000, 0.1, (0.842, 0.896), rater) for _ in range(runs)]
    pairs = np.array([n or 9000 for n in found])
    assert at_least(sum(n is not None for n in found), runs, 0.95)
    assert pairs.mean() <= queries or same_mean(pairs, queries, PAGE_RUNS), pairs.mean()
    assert pairs.mean() < 2750
