"""Laws on a lattice that planning needs: what an observation looks like under the design."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc

from dualgate.gate.stats.lattice import BINARY, TERNARY

if TYPE_CHECKING:
    import numpy.typing as npt

    from dualgate.gate.stats.lattice import FloatArray, IntArray, Lattice


def bernoulli(mean: float) -> FloatArray:
    """Return the law of a binary outcome on BINARY. Raises ValueError outside (0, 1)."""
    if not BINARY.low < mean < BINARY.high:
        raise ValueError(f"mean {mean!r} of a binary outcome, accepted: inside (0, 1)")
    return np.array([1 - mean, mean])


def ternary(mean: float, discordance: float) -> FloatArray:
    """Return the law on TERNARY with P(x != 0) = discordance. Raises ValueError unless |mean| < discordance <= 1."""
    if not abs(mean) < discordance <= TERNARY.high:
        raise ValueError(f"discordance {discordance!r} with mean difference {mean!r}, accepted: |mean| < discordance <= 1")
    return np.array([(discordance - mean) / 2, 1 - discordance, (discordance + mean) / 2])


def bell(lattice: Lattice, mean: float, sd: float) -> FloatArray:
    """Return a beta law, scaled and cut to the lattice, of about this sd and exactly this mean.

    Raises ValueError where no law on [low, high] has them (sd**2 < (mean - low)(high - mean) must hold).
    """
    width = lattice.high - lattice.low
    m, v = (mean - lattice.low) / width, (sd / width) ** 2
    if not (0 < m < 1 and 0 < v < m * (1 - m)):
        raise ValueError(
            f"mean {mean!r} with sd {sd!r} on [{lattice.low}, {lattice.high}], accepted: sd**2 < (mean - low)(high - mean)"
        )
    size = m * (1 - m) / v - 1
    edges = np.clip((np.arange(lattice.size + 1) - 0.5) / (lattice.size - 1), 0, 1)
    law = np.diff(betainc(m * size, (1 - m) * size, edges))
    return tilt(lattice.values, np.maximum(law, 1e-12), mean)


def tilt(values: npt.ArrayLike, probabilities: npt.ArrayLike, mean: float) -> FloatArray:
    """Return the law p_i exp(t x_i) / c with the given mean: the nearest in Kullback-Leibler divergence.

    Raises ValueError unless the support reaches to both sides of the mean.
    """
    x, p = np.asarray(values, dtype=float), np.asarray(probabilities, dtype=float)
    support = x[p > 0]
    if not support.min() < mean < support.max():
        raise ValueError(f"mean {mean!r}, accepted: inside the support ({support.min()}, {support.max()})")

    def tilted(t: float) -> FloatArray:
        weight = p * np.exp(t * (x - mean) - np.max(np.where(p > 0, t * (x - mean), -np.inf)))
        return np.asarray(weight / weight.sum())

    reach = 1.0
    while (tilted(-reach) @ x > mean or tilted(reach) @ x < mean) and reach < 1e6:
        reach *= 2
    return tilted(brentq(lambda t: float(tilted(t) @ x - mean), -reach, reach, xtol=1e-14))


def empirical(lattice: Lattice, codes: IntArray, weights: FloatArray) -> FloatArray:
    """Return the weighted law of observed positions, with one further observation spread evenly over the lattice.

    weights are relative (inverse sampling probabilities); their mean is scaled to one.
    """
    scaled = weights * (len(weights) / weights.sum()) if len(weights) else weights
    counts = np.bincount(codes, weights=scaled, minlength=lattice.size) + 1 / lattice.size
    return np.asarray(counts / counts.sum())
