"""The swap score and the conformal fallback: antisymmetry, tables, edges, and what is refused."""

import json
import math

import numpy as np
import pytest

from dualgate.gate.stats.conformal import CONFORMAL, ConformalState, start_conformal, update_conformal_many
from dualgate.gate.stats.kde import SwapScore, fit_swap_score, kde_calibration_pairs
from dualgate.gate.stats.lattice import MISSING, SWAP

LATENCIES = np.exp(3.6 + 0.632 * np.random.default_rng(3).standard_normal(300))
SCORE = fit_swap_score(LATENCIES, 0.25)


def test_swapping_a_boundary_pair_negates_it() -> None:
    """With the challenger slowed by exactly the margin, exchanging the two answers turns D into -D, so its mean is 0."""
    rng = np.random.default_rng(4)
    a, b = np.exp(3.6 + 0.632 * rng.standard_normal((2, 500)))
    forth, back = SCORE.codes(a, b * 1.25), SCORE.codes(b, a * 1.25)
    middle = SWAP.size // 2
    assert (forth - middle).tolist() == (middle - back).tolist()
    assert np.ptp(forth) > 100


def test_d_is_within_its_bounds_and_larger_is_faster() -> None:
    """D lies on the lattice of +-.24 in thousandths; a challenger as fast as the incumbent scores above a slowed one."""
    d = SWAP.values[SCORE.codes(LATENCIES, LATENCIES)]
    slowed = SWAP.values[SCORE.codes(LATENCIES, LATENCIES * 1.5)]
    assert np.abs(d).max() <= 0.24
    assert d.mean() > 0.0 > slowed.mean()


def test_no_answer_is_the_worst() -> None:
    """inf is no answer in time: worst for the challenger, best if only the incumbent has none, 0 for both; NaN is MISSING."""
    inf, nan = math.inf, math.nan
    codes = SCORE.codes([40.0, inf, inf, nan, 40.0], [inf, 40.0, inf, 40.0, nan])
    assert codes.tolist() == [0, SWAP.size - 1, SWAP.size // 2, MISSING, MISSING]


def test_the_table_is_small_and_round_trips() -> None:
    """psi is at most 256 cells of thousandths, a few kB of JSON, and gives the same positions when read again."""
    text = json.dumps(SCORE.to_json())
    again = SwapScore.from_json(json.loads(text))
    assert again == SCORE
    assert len(SCORE.psi) <= 256
    assert len(text) < 6000


def test_zero_latency_is_an_answer() -> None:
    """An answer in 0 ms is the first cell, not an error; so is one far beyond the calibration."""
    assert (SCORE.codes([0.0, 1e9], [0.0, 1e9]) >= 0).all()
    assert fit_swap_score(np.append(LATENCIES, 0.0), 0.25).psi


def test_calibration_length_follows_the_effect() -> None:
    """About 950 pairs for 10 % at sd .632, never fewer than 300, and fewer for larger effects."""
    assert kde_calibration_pairs(0.10, 0.632) == pytest.approx(950, abs=5)
    assert kde_calibration_pairs(0.25, 0.632) == 300
    lengths = [kde_calibration_pairs(m, 0.632) for m in (0.05, 0.1, 0.15, 0.5)]
    assert lengths == sorted(lengths, reverse=True)


def test_conformal_rank_by_hand() -> None:
    """The rank counts higher scores and a share of ties: the fastest of all against a bag of two slower ones is near +1."""
    score = SwapScore(0.25, (10.0, 100.0), (900, 0, -900))
    state = ConformalState((1, 1, 0))
    after, codes = update_conformal_many(score, state, [1.0, 1000.0, 50.0], [0.5, 0.5, 0.0])
    # 1 ms: nothing greater, p = .5 / 3; 1000 ms: three greater and one tie, p = (3 - 1 + .5 * 2) / 4 with the bag (1, 1, 1).
    assert CONFORMAL.values[codes][0] == pytest.approx(1 - 2 * 0.5 / 3, abs=1e-4)
    assert CONFORMAL.values[codes][1] == pytest.approx(1 - 2 * (2 + 0.5 * 2) / 4, abs=1e-4)
    assert CONFORMAL.values[codes][2] == pytest.approx(1 - 2 * 1 / 5, abs=1e-4)
    assert after == ConformalState((2, 2, 1))


def test_conformal_block_is_the_fold() -> None:
    """One latency after another gives the positions and the bag of the whole block, snapshots between; NaN does not join."""
    score, start = start_conformal(LATENCIES, 0.25)
    rng = np.random.default_rng(5)
    latency, ties = np.exp(3.6 + 0.7 * rng.standard_normal(80)), rng.random(80)
    latency[7], latency[9] = math.nan, math.inf
    whole, codes = update_conformal_many(score, start, latency, ties)
    state, one_by_one = start, []
    for x, u in zip(latency, ties, strict=True):
        state, code = update_conformal_many(score, state, [x], [u])
        state = ConformalState.from_json(json.loads(json.dumps(state.to_json())))
        one_by_one.append(int(code[0]))
    assert (state, one_by_one) == (whole, codes.tolist())
    assert codes[7] == MISSING
    assert whole.size == start.size + 79


@pytest.mark.parametrize(
    ("latencies", "margin", "word"),
    [
        (LATENCIES[:99], 0.25, "at least 100"),
        (np.append(LATENCIES, -1.0), 0.25, "-1.0"),
        (np.append(LATENCIES, math.inf), 0.25, "inf"),
        (np.append(LATENCIES, math.nan), 0.25, "nan"),
        (np.full(300, 5.0), 0.25, "all equal"),
        (LATENCIES, 0.0, "margin"),
        (LATENCIES, math.nan, "margin"),
        (LATENCIES.reshape(2, 150), 0.25, "1-d"),
    ],
)
def test_fit_refused(latencies: np.ndarray, margin: float, word: str) -> None:
    """Too few, impossible or constant calibrating latencies, and a margin of 0, are errors that name them."""
    with pytest.raises(ValueError, match=word):
        fit_swap_score(latencies, margin)


def test_refused() -> None:
    """Impossible tables, pairs and ranks are errors."""
    with pytest.raises(ValueError, match="one more cell"):
        SwapScore(0.25, (1.0,), (1,))
    with pytest.raises(ValueError, match="1000"):
        SwapScore(0.25, (1.0,), (1, 1001))
    with pytest.raises(ValueError, match="rising"):
        SwapScore(0.25, (2.0, 1.0), (1, 2, 3))
    with pytest.raises(ValueError, match="cells"):
        fit_swap_score(LATENCIES, 0.25, 257)
    with pytest.raises(ValueError, match="0 ms or more"):
        SCORE.codes([1.0], [-1.0])
    with pytest.raises(ValueError, match="incumbent latencies"):
        SCORE.codes([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="version"):
        SwapScore.from_json({"version": 9})
    with pytest.raises(ValueError, match="version"):
        ConformalState.from_json({"version": 9})
    with pytest.raises(ValueError, match="sd_log"):
        kde_calibration_pairs(0.1, 0.0)
    with pytest.raises(ValueError, match="finite"):
        start_conformal([math.inf] * 400, 0.25)
    score, state = start_conformal(LATENCIES, 0.25)
    for latency, ties, word in (([1.0], [1.0], "tie_breaks"), ([1.0], [], "equal"), ([-1.0], [0.5], "0 ms or more")):
        with pytest.raises(ValueError, match=word):
            update_conformal_many(score, state, latency, ties)
    with pytest.raises(ValueError, match="levels"):
        update_conformal_many(score, ConformalState((1,)), [1.0], [0.5])
