"""Sizes of fixed-sample tests: what a sequential test is compared with, and a start for its horizon."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from scipy.stats import binom

from dualgate.gate.stats.bets import checked_law, least_favourable
from dualgate.gate.stats.lattice import FloatArray, IntArray
from dualgate.gate.stats.multiplicity import check_level

_RARE = 20


def n_fixed(values: FloatArray, probabilities: FloatArray, null_mean: float, alpha: float, beta: float) -> int:
    """Return the pairs that one fixed-sample test of level alpha and power 1 - beta needs.

    ((z_{1-alpha} s0 + z_{1-beta} s1) / (m1 - m0))**2 with s0 under the least favourable law; exact where the rarer outcome is
    expected fewer than 20 times: the binomial test of two outcomes, McNemar's of three around a null at the middle one.
    Raises ValueError where the law is not better than the null.
    """
    x, q = checked_law(values, probabilities)
    check_errors(alpha, beta)
    p = least_favourable(x, q, null_mean)
    normal = _normal_size(x, q, p, null_mean, alpha, beta)
    possible = (q > 0) | (p > 0)  # a design that never takes the worst value is tested against a null that does
    seen, q = x[possible], q[possible]
    if len(seen) == 2 and normal * float(q.min()) < _RARE:
        return _binomial_size(seen, q, null_mean, alpha, beta, normal)
    if len(seen) == 3 and math.isclose(seen[1], null_mean, abs_tol=1e-12) and normal * float(min(q[[0, 2]])) < _RARE:
        return _mcnemar_size(q, alpha, beta, normal)
    return normal


def check_errors(alpha: float, beta: float) -> None:
    """Raise ValueError unless both are inside (0, 1) and a test is better than a coin that does not look at the data."""
    check_level("alpha", alpha)
    check_level("beta", beta)
    if alpha + beta >= 1:
        raise ValueError(f"alpha {alpha!r} and beta {beta!r}, accepted: a sum below 1")


def _normal_size(x: FloatArray, q: FloatArray, p: FloatArray, null_mean: float, alpha: float, beta: float) -> int:
    z = NormalDist().inv_cdf
    effect = float(q @ x) - null_mean
    if effect <= 0:
        raise ValueError(f"design mean {float(q @ x)!r}, accepted: above null_mean {null_mean!r}")
    sd0, sd1 = (math.sqrt(float(law @ x**2 - (law @ x) ** 2)) for law in (p, q))
    return math.ceil(((z(1 - alpha) * sd0 + z(1 - beta) * sd1) / effect) ** 2)


def _binomial_size(x: FloatArray, q: FloatArray, null_mean: float, alpha: float, beta: float, guess: int) -> int:
    """Return the least n for the exact test of "the rare value is no more frequent than allowed"."""
    bad0 = (x.max() - null_mean) / (x.max() - x.min())
    n = np.arange(1, 4 * guess + 20, dtype=np.int64)
    return _least(n, _binomial_power(n, bad0, float(q[int(np.argmin(x))]), alpha), 1 - beta)


def _binomial_power(n: IntArray, bad0: float, bad1: float, alpha: float) -> FloatArray:
    quantile = np.asarray(binom.ppf(alpha, n, bad0))
    critical = quantile - (np.asarray(binom.cdf(quantile, n, bad0)) > alpha)
    return np.asarray(np.where(critical >= 0, binom.cdf(critical, n, bad1), 0.0))


def _mcnemar_size(q: FloatArray, alpha: float, beta: float, guess: int) -> int:
    """Return the least n for McNemar's exact test on a binomial number of discordant pairs."""
    discordance = float(q[0] + q[2])
    d = np.arange(0, math.ceil(4 * guess * discordance + 10 * math.sqrt(4 * guess * discordance) + 20), dtype=np.int64)
    power = _binomial_power(d, 0.5, float(q[0]) / discordance, alpha)
    n = np.arange(1, 4 * guess + 20, dtype=np.int64)
    return _least(n, np.array([float(binom.pmf(d, k, discordance) @ power) for k in n]), 1 - beta)


def _least(n: IntArray, power: FloatArray, wanted: float) -> int:
    """Return the least n with the wanted power (a discrete test's power dips again after it)."""
    return int(n[np.argmax(power >= wanted)] if (power >= wanted).any() else n[-1])
