"""What a team can tell without pairs: rates of bad answers in two groups of users, and tests of their difference.

Users answer for their own queries, so variances are between users (linearised ratio, Cochran 1977, section 6.4): the proper
test when users are what is assigned.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dualgate.lab.evaluate.traffic import Bools, Floats, Ints, Served

METRICS = ("wrong", "over", "violation")
"""What every unpaired strategy looks at: the same scores as this gate, but no agreement, which only pairs have."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of bad answers with its standard error between users; n answers of so many users."""

    mean: float
    se: float
    n: int
    users: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Bad answers by metric (1 bad, NaN not known), who asked, and which arm served."""

    bad: dict[str, Floats]
    user: Ints
    challenger: Bools

    def rate(self, metric: str, challenger: bool) -> Rate | None:
        """Return a group's rate; None where nothing is known of it."""
        values = self.bad[metric]
        which = (self.challenger == challenger) & ~np.isnan(values)
        return rate(values[which], self.user[which])

    def z_worse(self, metric: str) -> float | None:
        """Return the z of the challenger's group having the higher rate; None where a group is empty or never varies."""
        a, b = self.rate(metric, True), self.rate(metric, False)
        if a is None or b is None:
            return None
        se = float(np.hypot(a.se, b.se))
        return (a.mean - b.mean) / se if se > 0 else None


def rate(values: Floats, user: Ints) -> Rate | None:
    """Return the rate of values with its standard error between users."""
    n = len(values)
    if not n:
        return None
    _, who = np.unique(user, return_inverse=True)
    size, total = np.bincount(who), np.bincount(who, weights=values)
    mean, k = float(values.mean()), len(size)
    spread = float(np.sum((total - mean * size) ** 2))
    return Rate(mean, float(np.sqrt(spread * k / max(1, k - 1))) / n, n, k)


def bad(served: Served) -> dict[str, Floats]:
    """Return 1 for each bad answer; no answer at all is wrong and late."""
    a = served.answers
    silent = ~a.answered
    return {
        "wrong": np.where(silent, 1.0, 1 - a.correct),
        "over": np.where(silent, 1.0, a.over),
        "violation": np.where(silent, 0.0, a.violation),
    }


def seen(stretches: Iterable[Served]) -> Seen:
    """Return all that was seen in some stretches."""
    parts = list(stretches)
    each = [bad(part) for part in parts]
    found = {name: np.concatenate([one[name] for one in each]) for name in METRICS}
    return Seen(found, np.concatenate([p.user for p in parts]), np.concatenate([p.challenger for p in parts]))
