"""What fills a question's blanks: recent time spans and common values are asked about more often."""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from dualgate.producers.workload import database
from dualgate.producers.workload.plan import Filter

_DAYS = database.days()
_SKEW = 2.0
SPANS: Sequence[tuple[str, str, str]] = (
    *((f"in the {n} days up to {_DAYS[-1]}", _DAYS[-n], _DAYS[-1]) for n in (7, 14, 28)),
    *((f"in the week of {_DAYS[-k - 6]}", _DAYS[-k - 6], _DAYS[-k]) for k in (1, 8, 15, 22)),
    ("in February 2025", "2025-02-01", "2025-02-28"),
    ("in January 2025", "2025-01-01", "2025-01-31"),
    *((f"from {_DAYS[-k - 20]} to {_DAYS[-k]}", _DAYS[-k - 20], _DAYS[-k]) for k in (5, 12, 30)),
)
"""Time spans by their words, first and last day; the more asked ones first."""


@cache
def _ranks(n: int) -> list[float]:
    """Return cumulative probabilities of n values, each `_SKEW` times as likely as the next; the last 1 is left out."""
    weights = [_SKEW**-k for k in range(n)]
    return [sum(weights[: k + 1]) / sum(weights) for k in range(n - 1)]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Draws the blanks of one question of one account."""

    rng: np.random.Generator
    account: int

    def one_of(self, values: Sequence[str]) -> str:
        """Draw a value; each is `_SKEW` times as likely as the next."""
        return values[self._rank(len(values))]

    def number(self, values: Sequence[int]) -> int:
        """Draw a number in the same way."""
        return values[self._rank(len(values))]

    def span(self, column: str) -> tuple[str, Filter]:
        """Draw a time span as words and as the filter of a column of days."""
        words, first, last = SPANS[self._rank(len(SPANS))]
        return words, Filter(column, "between", (first, last))

    def _rank(self, n: int) -> int:
        return bisect(_ranks(n), self.rng.random())
