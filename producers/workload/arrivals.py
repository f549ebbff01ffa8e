"""When queries come: user sessions over 45 days, with a daily and a weekly rhythm."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from dualgate.producers.workload.database import N_ACCOUNTS
from dualgate.producers.workload.rates import N_DAYS, SESSION_SIZE

START = dt.datetime(2025, 3, 10, tzinfo=dt.UTC)
_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
_WEEKEND = 0.45
_ACCOUNT_SKEW = 1.0


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
    starts = np.sort(_session_starts(rng, len(sizes)))
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


def _session_starts(rng: np.random.Generator, n: int) -> np.typing.NDArray[np.float64]:
    """Return start times in epoch milliseconds, with a density that follows the hour and the day of the week."""
    minutes = np.arange(N_DAYS * 24 * 6) * 10
    hour = minutes / 60 % 24
    rate = 0.08 + np.exp(-(((hour - 10.5) / 2.6) ** 2)) + 0.9 * np.exp(-(((hour - 15.5) / 3.0) ** 2))
    rate = np.where(minutes // 1440 % 7 >= 5, rate * _WEEKEND, rate)
    cell = rng.choice(len(minutes), n, p=rate / rate.sum())
    return np.asarray(START.timestamp() * 1000 + (minutes[cell] + 10 * rng.random(n)) * _MINUTE_MS)
