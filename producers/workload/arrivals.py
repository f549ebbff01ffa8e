"""When queries come: user sessions over 45 days, with a daily and a weekly rhythm."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from dualgate.producers.compose import arrival_times, office_hours
from dualgate.producers.workload.database import N_ACCOUNTS
from dualgate.producers.workload.rates import N_DAYS, SESSION_SIZE

START = dt.datetime(2025, 3, 10, tzinfo=dt.UTC)
_WEEKEND = 0.45
_ACCOUNT_SKEW = 1.2


@dataclass(frozen=True, slots=True)
class Arrival:
    """One query: who asks, when, and where it stands in its session."""

    asked_at_ms: int
    session: int
    turn: int
    account: int


def arrivals(rng: np.random.Generator, n_queries: int) -> list[Arrival]:
    """Return the queries of 45 days in the order of their times; within a session times rise with the turns."""
    sizes = _session_sizes(rng, n_queries)
    starts = int(START.timestamp() * 1000) + arrival_times(rng, office_hours(N_DAYS, _WEEKEND), len(sizes))
    weights = 1.0 / np.arange(1, N_ACCOUNTS + 1) ** _ACCOUNT_SKEW
    accounts = 1 + rng.choice(N_ACCOUNTS, len(sizes), p=weights / weights.sum())
    found = []
    for session, (start, size, account) in enumerate(zip(starts, sizes, accounts, strict=True)):
        gaps = np.minimum(rng.lognormal(np.log(60), 0.8, size), 900) * 1000
        at = int(start)
        for turn in range(1, size + 1):
            found.append(Arrival(at, session, turn, int(account)))
            at += 1 + int(gaps[turn - 1])
    return sorted(found, key=lambda a: (a.asked_at_ms, a.session))


def _session_sizes(rng: np.random.Generator, n_queries: int) -> list[int]:
    """Return geometric sizes that sum to n_queries; the last session is cut where it must be."""
    sizes: list[int] = []
    left = n_queries
    while left > 0:
        sizes.append(min(int(rng.geometric(1 / SESSION_SIZE)), left))
        left -= sizes[-1]
    return sizes
