"""One measured number beside the expected one, with the interval that decides whether they agree."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest

LEVEL = 1e-4
"""A measured number disagrees where an exact two-sided interval of this level excludes the expected one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A quantity: what was expected (None: nothing stated), what came out, and its interval."""

    table: str
    row: str
    quantity: str
    expected: float | None
    obtained: float
    low: float
    high: float
    runs: int

    @property
    def agrees(self) -> bool | None:
        """Whether the interval holds the expected value; None where none was stated."""
        return None if self.expected is None else self.low <= self.expected <= self.high


def fraction_row(
    table: str, row: str, quantity: str, expected: float | None, hits: npt.NDArray[np.bool_], expected_runs: int = 10_000
) -> Row:
    """Return a fraction with its exact interval at LEVEL, widened by the error of an expectation from expected_runs runs."""
    n, k = len(hits), int(hits.sum())
    ci = binomtest(k, n).proportion_ci(1 - LEVEL)
    slack = 0.0
    if expected is not None:
        rate = max(expected, 1 / expected_runs)
        slack = 3.9 * float(np.sqrt(rate * (1 - min(rate, 0.999)) / expected_runs)) + 0.0005
    return Row(table, row, quantity, expected, k / n, max(0.0, float(ci.low) - slack), min(1.0, float(ci.high) + slack), n)


def mean_row(
    table: str, row: str, quantity: str, expected: float | None, values: npt.NDArray[np.int64], expected_runs: int = 10_000
) -> Row:
    """Return a mean with a normal interval at LEVEL, widened by the error of an expectation from expected_runs runs."""
    mean, sd = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
    reach = 3.9 * sd * float(np.sqrt(1 / len(values) + 1 / expected_runs)) + 0.5
    return Row(table, row, quantity, expected, mean, mean - reach, mean + reach, len(values))


def exceeds(hits: npt.NDArray[np.bool_], bound: float) -> bool:
    """Return whether a fraction is significantly above a bound: P(at least as many | bound) < LEVEL."""
    return bool(binom.sf(int(hits.sum()) - 1, len(hits), bound) < LEVEL)
