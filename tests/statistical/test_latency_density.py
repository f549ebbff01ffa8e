"""Latency against a margin: swap-symmetrised KDE keeps its level for any density; the naive plug-in fails the same check."""

import functools
from collections.abc import Callable

import numpy as np
import pytest

from dualgate.gate.stats.bets import log_e_process
from dualgate.gate.stats.conformal import CONFORMAL, CONFORMAL_BETS, start_conformal, update_conformal_many
from dualgate.gate.stats.kde import SWAP_BETS, fit_swap_score, log_kde, silverman_bandwidth
from dualgate.gate.stats.lattice import SWAP, FloatArray
from support.rates import at_least, at_most, same_mean, same_rate

SD, LEVEL_OF_TEST, PAGE_RUNS = 0.632, 0.05, 400
THRESHOLD = float(np.log(1 / LEVEL_OF_TEST))
NEVER = 10**9

Draw = Callable[[np.random.Generator, int], FloatArray]


def _normal(rng: np.random.Generator, n: int) -> FloatArray:
    return SD * rng.standard_normal(n)


def _mixed(rng: np.random.Generator, n: int) -> FloatArray:
    """Log latencies with 12 % cached and 8 % slow answers."""
    kind = rng.choice(3, n, p=[0.80, 0.12, 0.08])
    return np.array([0.0, -2.0, 1.6])[kind] + np.array([0.4, 0.2, 0.3])[kind] * rng.standard_normal(n)


def _first(x: FloatArray, bets: tuple[float, ...]) -> int:
    """The observation at which a mixture of these bets rejects, or NEVER."""
    over = log_e_process(x, 0.0, bets) >= THRESHOLD
    return int(np.argmax(over)) + 1 if over.any() else NEVER


def _swap(margin: float, slowed: bool, rho: float, runs: int, seed: int, draw: Draw = _normal, n: int = 3000) -> FloatArray:
    """First rejections of the swap process, calibrated anew on 300 incumbent latencies each time."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(runs):
        score = fit_swap_score(np.exp(3.6 + draw(rng, 300)), margin)
        incumbent, other = draw(rng, n), draw(rng, n)
        challenger = rho * incumbent + np.sqrt(1 - rho**2) * other if rho else other
        codes = score.codes(np.exp(3.6 + incumbent), np.exp(3.6 + challenger) * (1 + margin * slowed))
        found.append(_first(SWAP.values[codes], SWAP_BETS))
    return np.array(found, dtype=float)


@pytest.mark.parametrize(
    ("margin", "rho", "runs", "page"), [(0.1, 0.0, 400, 0.044), (0.1, 0.6, 400, 0.040), (0.25, 0.0, 400, 0.05)]
)
def test_swap_keeps_its_level(margin: float, rho: float, runs: int, page: float) -> None:
    """With a challenger slower by exactly the margin, looked at after every pair, at most .05 reject (page: .040 to .050)."""
    wrong = int((_swap(margin, True, rho, runs, 81) < NEVER).sum())
    assert at_most(wrong, runs, LEVEL_OF_TEST)
    assert same_rate(wrong, runs, page, PAGE_RUNS)


def test_swap_keeps_its_level_for_odd_shapes() -> None:
    """The level does not depend on the shape: cached and slow answers mixed in, and a density fitted to another law."""
    runs = 400
    assert at_most(int((_swap(0.1, True, 0.0, runs, 82, _mixed) < NEVER).sum()), runs, LEVEL_OF_TEST)
    rng, wrong = np.random.default_rng(83), 0
    other = fit_swap_score(np.exp(3.0 + _mixed(rng, 300)), 0.25)
    for _ in range(runs):
        incumbent, challenger = np.exp(3.6 + rng.standard_normal((2, 1500)))
        wrong += _first(SWAP.values[other.codes(incumbent, challenger * 1.25)], SWAP_BETS) < NEVER
    assert at_most(wrong, runs, LEVEL_OF_TEST)


@pytest.mark.parametrize(
    ("margin", "rho", "power", "asn"), [(0.1, 0.0, 0.99, 704), (0.1, 0.6, 1.0, 341), (0.25, 0.0, 1.0, 140), (0.25, 0.6, 1.0, 65)]
)
def test_swap_power(margin: float, rho: float, power: float, asn: float) -> None:
    """An equal challenger is found within the margin as often, and after as many pairs, as the page says."""
    runs = 200
    first = _swap(margin, False, rho, runs, 84)
    assert same_rate(int((first < NEVER).sum()), runs, power, PAGE_RUNS)
    assert same_mean(first[first < NEVER], asn, PAGE_RUNS), first[first < NEVER].mean()


def _naive_wrong(runs: int, seed: int) -> int:
    """How often a likelihood ratio of two densities fitted to 300 latencies accepts a challenger slower by 10 %, open-ended."""
    rng, m, wrong = np.random.default_rng(seed), float(np.log(1.1)), 0
    grid = np.linspace(-4, 4, 500)
    for _ in range(runs):
        x = _normal(rng, 300)
        bandwidth = silverman_bandwidth(x)
        ratio = log_kde(x, bandwidth, grid) - log_kde(x, bandwidth, grid - m)
        evidence = np.cumsum(np.interp(_normal(rng, 3000) + m, grid, ratio))
        wrong += bool((evidence >= THRESHOLD).any())
    return wrong


def test_naive_density_ratio_fails_the_check() -> None:
    """A ratio of two plugged-in densities has no martingale: its type I error is far above .05 (page: .213)."""
    runs = 250
    wrong = _naive_wrong(runs, 85)
    assert not at_most(wrong, runs, LEVEL_OF_TEST)
    assert same_rate(wrong, runs, 0.213, PAGE_RUNS), wrong / runs


@functools.cache
def _conformal(slowed: bool, copied: bool, margin: float, runs: int, seed: int) -> tuple[int, int]:
    """(rejections, runs) of the conformal martingale; copied: the bag holds every calibrating latency four times."""
    rng, wrong = np.random.default_rng(seed), 0
    for _ in range(runs):
        calibration = np.exp(3.6 + _normal(rng, 300))
        sample = np.tile(calibration, 6) if copied else calibration
        score, state = start_conformal(sample, margin)
        latency = np.exp(3.6 + _normal(rng, 2500)) * (1 + margin * slowed)
        _, codes = update_conformal_many(score, state, latency, rng.random(latency.size))
        wrong += _first(CONFORMAL.values[codes], CONFORMAL_BETS) < NEVER
    return wrong, runs


def test_conformal_keeps_its_level() -> None:
    """Ranked against calibrating latencies that psi has not seen, at most .05 of challengers at the margin pass."""
    wrong, runs = _conformal(True, False, 0.1, 300, 86)
    assert at_most(wrong, runs, LEVEL_OF_TEST)


def test_conformal_power() -> None:
    """Less is known than with pairs, but an equal challenger passes a margin of 25 % nearly always."""
    found, runs = _conformal(False, False, 0.25, 150, 87)
    assert at_least(found, runs, 0.95)


def test_a_bag_of_copies_fails_the_check() -> None:
    """The check can fail: a bag in which each calibrating latency stands four times claims information that it has not."""
    wrong, runs = _conformal(True, True, 0.1, 200, 88)
    assert not at_most(wrong, runs, LEVEL_OF_TEST)
