"""Checks of simulated rates and means at a stated level, so that no tolerance is picked by hand.

LEVEL is the chance that one such check fails although the claim is true: 1e-4, which some hundred seeded checks together
spend one in a hundred of. (They are seeded: a pass stays a pass.)
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, norm

LEVEL = 1e-4


def rate_interval(count: int, runs: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the two-sided Clopper-Pearson interval of confidence 1 - level."""
    low = 0.0 if count == 0 else float(beta.ppf(level / 2, count, runs - count + 1))
    high = 1.0 if count == runs else float(beta.ppf(1 - level / 2, count + 1, runs - count))
    return low, high


def at_most(count: int, runs: int, bound: float) -> bool:
    """Whether a rate observed as count of runs is compatible with being at most `bound`."""
    return rate_interval(count, runs, 2 * LEVEL)[0] <= bound


def at_least(count: int, runs: int, bound: float) -> bool:
    """Whether a rate observed as count of runs is compatible with being at least `bound`."""
    return rate_interval(count, runs, 2 * LEVEL)[1] >= bound


def same_rate(count: int, runs: int, expected: float, expected_runs: int) -> bool:
    """Whether a rate is compatible with one that was itself measured in expected_runs, printed to two or three digits.

    The two intervals of confidence 1 - LEVEL / 2 each must overlap: an overlap fails with a chance of at most LEVEL.
    """
    low, high = rate_interval(count, runs, LEVEL / 2)
    other_low, other_high = rate_interval(round(expected * expected_runs), expected_runs, LEVEL / 2)
    return low <= other_high and other_low <= high


def same_mean(sample: npt.ArrayLike, expected: float, expected_runs: int, sd_ratio: float = 1.0) -> bool:
    """Whether the mean of a sample is compatible with one that was itself measured in expected_runs with the same spread."""
    x = np.asarray(sample, dtype=float)
    spread = float(x.std(ddof=1)) * math.sqrt(1 / x.size + sd_ratio**2 / expected_runs)
    return abs(float(x.mean()) - expected) <= float(norm.ppf(1 - LEVEL / 2)) * spread
