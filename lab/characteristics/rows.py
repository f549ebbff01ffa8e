"""One measured number beside the expected one, with the interval that decides whether they agree.

An expected number was itself measured, in N runs, and printed to some digits. Ours comes from n. They agree where the interval
of level LEVEL, for the n N / (n + N) runs that their difference is worth, and wider by half of the last printed digit, holds it.
A claim that a rate is at most (at least) a bound needs no such width: it is refuted by an exact binomial test of level LEVEL.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, binom, norm

LEVEL = 1e-4
"""The chance that one comparison disagrees although the claim is true."""

Z = float(norm.ppf(1 - LEVEL / 2))
Kind = Literal["about", "at most", "at least", "shown"]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Row:
    """A quantity: what was expected (None: nothing stated), what came out, its interval, and the runs (0: exact)."""

    table: str
    row: str
    quantity: str
    expected: float | None
    obtained: float
    low: float
    high: float
    runs: int
    kind: Kind = "about"

    @property
    def agrees(self) -> bool | None:
        """Whether the interval holds the expected value, or what it allows; None where none was stated."""
        if self.expected is None or self.kind == "shown":
            return None
        above = self.expected >= self.low or self.kind == "at least"
        below = self.expected <= self.high or self.kind == "at most"
        return above and below


def printed(value: float) -> float:
    """Return half of the last digit to which a number is printed; two digits after the point where it is a whole share."""
    digits = Decimal(repr(float(value))).normalize().as_tuple().exponent
    if not isinstance(digits, int):
        raise ValueError(f"expected {value!r}, accepted: a finite number")
    if 0 <= value <= 1:
        return 0.5 * 10.0 ** min(digits, -2)
    return 0.5 * 10.0 ** min(digits, 0)


def fraction_row(
    table: str, row: str, quantity: str, expected: float | None, hits: Bools, expected_runs: int = 10_000, kind: Kind = "about"
) -> Row:
    """Return a fraction of runs beside one that was measured in expected_runs (0: exact), by Clopper and Pearson's interval."""
    n, rate = len(hits), float(hits.mean())
    worth = n * expected_runs / (n + expected_runs) if expected is not None and kind == "about" and expected_runs else float(n)
    low, high = clopper_pearson(rate * worth, worth, LEVEL if kind == "about" else 2 * LEVEL)
    slack = printed(expected) if expected is not None and kind == "about" else 0.0
    return Row(table, row, quantity, expected, rate, max(0.0, low - slack), min(1.0, high + slack), n, kind)


def clopper_pearson(count: float, n: float, level: float) -> tuple[float, float]:
    """Return the two-sided interval of confidence 1 - level; count and n need not be whole."""
    low = 0.0 if count <= 0 else float(beta.ppf(level / 2, count, n - count + 1))
    high = 1.0 if count >= n else float(beta.ppf(1 - level / 2, count + 1, n - count))
    return low, high


def mean_row(
    table: str, row: str, quantity: str, expected: float | None, values: npt.ArrayLike, expected_runs: int = 10_000
) -> Row:
    """Return a mean beside one that was measured in expected_runs with the same spread, by a normal interval."""
    x = np.asarray(values, dtype=float)
    mean, sd = float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else 0.0
    slack = 0.0 if expected is None else printed(expected)
    reach = Z * sd * float(np.sqrt(1 / len(x) + 1 / expected_runs)) + slack
    return Row(table, row, quantity, expected, mean, mean - reach, mean + reach, len(x))


def median_row(
    table: str, row: str, quantity: str, expected: float | None, values: npt.ArrayLike, expected_runs: int = 600
) -> Row:
    """Return a median beside one that was measured in expected_runs: by order statistics, whatever the law."""
    x = np.asarray(values, dtype=float)
    reach = Z * 0.5 * float(np.sqrt(1 / len(x) + 1 / expected_runs))
    low, middle, high = (float(q) for q in np.quantile(x, [max(0.0, 0.5 - reach), 0.5, min(1.0, 0.5 + reach)]))
    slack = 0.0 if expected is None else printed(expected)
    return Row(table, row, quantity, expected, middle, low - slack, high + slack, len(x))


def exact_row(table: str, row: str, quantity: str, expected: float | None, value: float, share: float = 0.0) -> Row:
    """Return a number that was computed and not simulated; it agrees to the printed digits, or to a share of itself."""
    slack = share * abs(value) + (0.0 if expected is None else printed(expected) * (1 + 1e-9))
    return Row(table, row, quantity, expected, value, value - slack, value + slack, 0)


def exceeds(hits: Bools, bound: float) -> bool:
    """Return whether a fraction is significantly above a bound: P(at least as many | bound) < LEVEL."""
    return bool(binom.sf(int(hits.sum()) - 1, len(hits), bound) < LEVEL)


def falls_short(hits: Bools, bound: float) -> bool:
    """Return whether a fraction is significantly below a bound: P(at most as many | bound) < LEVEL."""
    return bool(binom.cdf(int(hits.sum()), len(hits), bound) < LEVEL)
