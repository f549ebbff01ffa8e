"""Draws without replacement: counts and quantiles that are met exactly, in a random order."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from dualgate.producers.workload.rates import LATENCY_SHIFT, SLA_MS, AgentRates

Floats = np.typing.NDArray[np.float64]
Ints = np.typing.NDArray[np.int64]


def exact_counts(n: int, shares: Sequence[float]) -> list[int]:
    """Return whole numbers that sum to n and are nearest to n · share (largest remainders)."""
    ideal = np.asarray(shares) * n
    counts = np.floor(ideal + 1e-9).astype(int)
    for i in np.argsort(counts - ideal, kind="stable")[: n - int(counts.sum())]:
        counts[i] += 1
    return [int(c) for c in counts]


def exact_labels(rng: np.random.Generator, n: int, shares: Sequence[float]) -> Ints:
    """Return n labels 0 … k-1, each exactly as often as its share says, in random order."""
    return rng.permutation(np.repeat(np.arange(len(shares)), exact_counts(n, shares)))


def joint_shares(p: float, q: float, phi: float) -> tuple[float, float, float, float]:
    """Return P(both), P(first only), P(second only), P(neither) of two events with rates p and q and correlation phi."""
    both = min(p * q + phi * float(np.sqrt(p * (1 - p) * q * (1 - q))), p, q)
    return both, p - both, q - both, 1 - p - q + both


def exact_normals(z: Floats) -> Floats:
    """Return the values exchanged for normal quantiles of the same rank: what was about normal is so exactly."""
    ranks = np.argsort(np.argsort(z, kind="stable"), kind="stable")
    return np.asarray(ndtri((ranks + 0.5) / len(z)), dtype=np.float64)


def lognormal_mixture(rates: AgentRates, weights: Mapping[str, float]) -> tuple[float, float]:
    """Return mu and sigma such that the mixture of lognormal(mu + shift of the stratum, sigma) has the agent's rates."""

    def over(log_ms: float, mu: float, sigma: float) -> float:
        return float(sum(w * ndtr((mu + LATENCY_SHIFT[s] - log_ms) / sigma) for s, w in weights.items()))

    def mu_of(sigma: float) -> float:
        middle = float(np.log(rates.median_ms))
        return float(brentq(lambda mu: over(middle, mu, sigma) - 0.5, middle - 2, middle + 2))

    sigma = float(brentq(lambda s: over(float(np.log(SLA_MS)), mu_of(s), s) - rates.over_sla, 0.1, 2.0))
    return mu_of(sigma), sigma
