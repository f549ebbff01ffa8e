"""A seeded repetition: users who ask, the answers that they could get, and (apart from what a gate sees) the truth."""

from dataclasses import dataclass, replace

import numpy as np

from dualgate.lab.evaluate.answers import AGAIN, MISSING, OUTAGE, OWN
from dualgate.lab.evaluate.pool import FAST, FAST_AGAIN, Bools, Floats, Ints, Pool
from dualgate.lab.evaluate.traffic import DAY_MS, Arm, Baseline, Queries, Traffic
from dualgate.producers.compose import arrival_times, office_hours

WEEKEND = 0.45
_HISTORY = 2_000
"""Answers of the incumbent from before the start that a team knows its rates from."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How much is asked, for how long and by whom.

    Users differ in how much they ask (Zipf with exponent `skew`) and in what: each one's mix of strata is a Dirichlet draw
    around the common mix with concentration `alike`. So a group of users is not the population: what confounds a canary.
    """

    n_queries: int = 12_000
    days: int = 45
    users: int = 600
    skew: float = 0.8
    alike: float = 6.0
    session_size: float = 1.3
    repeated: bool = False
    near_duplicates: float = 0.0
    swing: float = 0.0
    swing_days: float = 14.0


@dataclass(slots=True)
class Scene:
    """Queries and what their answers are so far; events change it.

    base: the kind of answer that the challenger gives where nothing happens; kind and latency: which of the pool's it gives;
    outage: neither agent answers; judged: what the judge says instead of the scorers, by arm (incumbent, challenger), NaN
    where it says the same; harm: where the event made the answer worse.
    """

    pool: Pool
    queries: Queries
    rows: Ints
    base: int
    kind: Ints
    latency: Ints
    outage: Bools
    judged: Floats
    harm: Bools

    @property
    def day(self) -> Floats:
        """Days since the first query."""
        return np.asarray((self.queries.at_ms - self.queries.at_ms[0]) / DAY_MS)

    def right(self) -> Bools:
        """Return where the challenger's answer is right."""
        known = np.minimum(self.kind, MISSING - 1)
        return np.asarray((self.kind != MISSING) & (self.pool.values["correctness"][known, 1, self.rows] == 1.0))

    def can(self, kind: int) -> Bools:
        """Return where an answer of a kind is to be had."""
        return np.asarray(self.pool.possible[kind, self.rows])

    def answer(self, which: Bools, kind: int, *, harm: bool = True) -> None:
        """Give the challenger an answer of a kind at some queries, the worse for users unless `harm` says no."""
        self.kind[which] = kind
        if harm:
            self.harm |= which

    def slow(self, which: Bools, latency: int) -> None:
        """Give the challenger another latency at some queries."""
        self.latency[which] = latency
        self.harm |= which


@dataclass(frozen=True, slots=True)
class Truth:
    """What no strategy is told: where an answer of the challenger was worse through the event.

    gain: by how much more of its answers were right than the incumbent's, over the stream as it was drawn.
    """

    harm: Bools
    place: Floats
    at_ms: Ints
    gain: float = 0.0


def scene(pool: Pool, shape: Shape, again: bool, rng: np.random.Generator) -> Scene:
    """Draw queries from the pool; the challenger's answers are its own or (again) those of the incumbent asked twice."""
    sessions = _sessions(shape, rng)
    queries, rows = _asked(pool, shape, sessions, rng)
    n = len(rows)
    base = AGAIN if again else OWN
    latency = np.full(n, FAST_AGAIN if again else FAST)
    nothing = np.zeros(n, dtype=bool)
    return Scene(pool, queries, rows, base, np.full(n, base), latency, nothing.copy(), np.full((2, n), np.nan), nothing.copy())


def _sessions(shape: Shape, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Return times, sessions and turns of all queries, in the order of their times."""
    sizes = rng.geometric(1 / shape.session_size, shape.n_queries)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), shape.n_queries)) + 1]
    starts = arrival_times(rng, office_hours(shape.days, WEEKEND), len(sizes))
    session = np.repeat(np.arange(len(sizes)), sizes)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    turn = np.arange(len(session)) - first + 1
    gaps = 1 + np.minimum(rng.lognormal(np.log(60), 0.8, len(session)), 900) * 1000
    gaps[turn == 1] = 0
    within = np.cumsum(gaps)
    at_ms = starts[session] + (within - within[first]).astype(np.int64)
    order = np.argsort(at_ms, kind="stable")[: shape.n_queries]
    return at_ms[order], session[order], turn[order]


def _asked(pool: Pool, shape: Shape, sessions: tuple[Ints, Ints, Ints], rng: np.random.Generator) -> tuple[Queries, Ints]:
    """Give each session a user and each query a row of the pool, of a stratum by its user's mix."""
    at_ms, session, turn = sessions
    n_sessions = int(session.max()) + 1
    weights = 1.0 / np.arange(1, shape.users + 1) ** shape.skew
    user = rng.choice(shape.users, n_sessions, p=weights / weights.sum())[session]
    common = np.bincount(pool.stratum, minlength=len(pool.strata)) / len(pool)
    mixes = rng.dirichlet(shape.alike * common, shape.users)[user]
    if shape.swing:
        day = (at_ms - at_ms[0]) / DAY_MS
        mixes[:, pool.hardest] *= 1 + shape.swing * np.sin(2 * np.pi * day / shape.swing_days)
        mixes /= mixes.sum(axis=1, keepdims=True)
    stratum = np.minimum((rng.random(len(at_ms))[:, None] > np.cumsum(mixes, axis=1)).sum(axis=1), len(pool.strata) - 1)
    rows = _rows(pool, stratum, rng)
    if shape.near_duplicates:
        popular = rng.integers(0, len(pool), 20)
        copied = rng.random(len(rows)) < shape.near_duplicates
        rows[copied] = popular[rng.integers(0, 20, int(copied.sum()))]
    if shape.repeated:
        opened = np.full(n_sessions, -1)
        opened[session[::-1]] = rows[::-1]  # the first one seen of each session stays
        rows = opened[session]
    place = rng.random(shape.users)[user]
    return Queries(at_ms, user, session, turn, pool.stratum[rows], place), rows


def _rows(pool: Pool, stratum: Ints, rng: np.random.Generator) -> Ints:
    rows = np.empty(len(stratum), dtype=np.int64)
    for s in range(len(pool.strata)):
        own = np.flatnonzero(pool.stratum == s)
        here = np.flatnonzero(stratum == s)
        rows[here] = own[rng.integers(0, len(own), len(here))]
    return rows


@dataclass(frozen=True, slots=True)
class Stream:
    """One repetition, whole: as many traffics of it as there are strategies, and the truth that none of them holds."""

    queries: Queries
    incumbent: Arm
    challenger: Arm
    eligible: Bools
    baseline: Baseline
    truth: Truth

    def traffic(self) -> Traffic:
        """Return what a gate sees, from the first query on."""
        return Traffic(self.queries, self.incumbent, self.challenger, self.eligible, self.baseline)


def stream(scene: Scene, rng: np.random.Generator) -> Stream:
    """Return the stream of a scene: every answer looked up in the pool."""
    pool, rows = scene.pool, scene.rows
    kind = np.where(scene.outage, OUTAGE, scene.kind)
    silent = kind == MISSING
    known = np.where(silent, OWN, kind)
    latency = np.where(scene.outage, -1, scene.latency)
    incumbent = _arm(pool, rows, known, 0, np.where(scene.outage, -1, 0), np.zeros(len(rows), dtype=bool))
    challenger = _arm(pool, rows, known, 1, np.where(latency < 0, -1, latency + 1), silent)
    gain = float(np.nanmean(np.nan_to_num(challenger.correct) - incumbent.correct))
    judged = [np.where(np.isnan(j), arm.correct, j) for j, arm in zip(scene.judged, (incumbent, challenger), strict=True)]
    incumbent, challenger = replace(incumbent, correct=judged[0]), replace(challenger, correct=judged[1])
    eligible = (incumbent.correct == 1) & (challenger.correct == 1)
    truth = Truth(scene.harm, scene.queries.place, scene.queries.at_ms, gain)
    return Stream(scene.queries, incumbent, challenger, eligible, _baseline(pool, rng), truth)


def _arm(pool: Pool, rows: Ints, kind: Ints, arm: int, latency: Ints, silent: Bools) -> Arm:
    """Look an arm's scores up; latency -1 is an error, which counts as over the SLA."""

    def of(name: str) -> Floats:
        values = pool.values[name][kind, arm, rows]
        return np.where(silent, np.nan, values)

    failed = latency < 0
    over = np.where(failed, 1.0, pool.over[np.maximum(latency, 0), rows])
    ms = np.where(failed, np.nan, pool.ms[np.maximum(latency, 0), rows])
    over, ms = np.where(silent, np.nan, over), np.where(silent, np.nan, ms)
    return Arm(
        of("correctness"), over, ms, of("safety"), of("safety.authorization"), of("semantic"), np.asarray(~silent & ~failed)
    )


def _baseline(pool: Pool, rng: np.random.Generator) -> Baseline:
    rows = rng.integers(0, len(pool), _HISTORY)
    correct, violation = (pool.values[name][OWN, 0, rows] for name in ("correctness", "safety"))
    return Baseline(float(np.nanmean(correct)), float(pool.over[0, rows].mean()), float(np.nanmean(violation)), _HISTORY)
