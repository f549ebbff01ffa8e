"""What a strategy sees of a stream, and all that it can do: play it on, and say whom the challenger serves.

A strategy gets a `Traffic` and nothing else. It cannot look ahead (time moves only by playing on), cannot see an answer that
was not given (the unserved arm's, unless it pays for the mirror), and cannot misreport whom it exposed: that is noted here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm's answers, an entry a query; 1 is good in `correct`, bad in `over` (the SLA), `violation`, `unauthorized`.

    NaN stands for no value; `answered` is False where no answer came. semantic compares with the incumbent (its own re-run
    for the incumbent), so it is seen in pairs only.
    """

    correct: Floats
    over: Floats
    ms: Floats
    violation: Floats
    unauthorized: Floats
    semantic: Floats
    answered: Bools

    def only(self, which: Bools | Ints | slice) -> "Arm":
        """Return some of the answers."""
        return Arm(*(getattr(self, name)[which] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Served:
    """What users saw in a stretch of time: each query with the answer of the arm that served it.

    place is the user's in the order in which users come to a new version: what a splitter by hash knows.
    """

    at_ms: Ints
    user: Ints
    turn: Ints
    stratum: Ints
    place: Floats
    challenger: Bools
    answers: Arm

    def __len__(self) -> int:
        return len(self.at_ms)

    def only(self, which: Bools) -> "Served":
        """Return some of the queries."""
        taken = self.at_ms[which], self.user[which], self.turn[which], self.stratum[which], self.place[which]
        return Served(*taken, self.challenger[which], self.answers.only(which))


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A stretch of queries that both arms answered; `eligible` tells where a semantic score is asked for."""

    row: Ints
    at_ms: Ints
    session: Ints
    turn: Ints
    stratum: Ints
    incumbent: Arm
    challenger: Arm
    eligible: Bools

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Rates of the incumbent's answers in the weeks before: what a team knows of its service."""

    correct: float
    over: float
    violation: float
    n: int


@dataclass(frozen=True, slots=True)
class Queries:
    """Who asks when; `place` is the user's place in the order in which users come to a new version, uniform in [0, 1)."""

    at_ms: Ints
    user: Ints
    session: Ints
    turn: Ints
    stratum: Ints
    place: Floats


@dataclass(frozen=True, slots=True)
class History:
    """What a strategy did: from each row on, the share of users on the challenger; and the mirrored answers it asked for."""

    rows: tuple[int, ...]
    shares: tuple[float, ...]
    n_mirrored: int

    def exposed(self, place: Floats) -> Bools:
        """Return which queries the challenger served."""
        return np.asarray(place < self.share(len(place)))

    def share(self, n: int) -> Floats:
        """Return the share in force at each of n queries."""
        out = np.zeros(n)
        for row, share in zip(self.rows, self.shares, strict=True):
            out[row:] = share
        return out


class Traffic:
    """A stream of queries as one gate meets it, from the first one on."""

    def __init__(self, queries: Queries, incumbent: Arm, challenger: Arm, eligible: Bools, baseline: Baseline) -> None:
        self._queries, self._eligible = queries, eligible
        self._incumbent, self._challenger = incumbent, challenger
        self._cursor = self._settled = self._mirrored = 0
        self._routes: list[tuple[int, float]] = [(0, 0.0)]
        self.baseline = baseline

    @property
    def began_ms(self) -> int:
        """When the stream begins."""
        return int(self._queries.at_ms[0])

    @property
    def now_ms(self) -> int:
        """How far the stream was played."""
        return int(self._queries.at_ms[max(0, self._cursor - 1)])

    @property
    def row(self) -> int:
        """The next query's row."""
        return self._cursor

    @property
    def over(self) -> bool:
        """Whether the stream has ended."""
        return self._cursor >= len(self._queries.at_ms)

    def serve(self, days: float, share: float) -> Served:
        """Play up to a time in days since the beginning, with this share of users on the challenger from now on."""
        self.route(self._cursor, share)
        end = int(np.searchsorted(self._queries.at_ms, self.began_ms + days * DAY_MS))
        start, self._cursor = self._cursor, max(end, self._cursor)
        self._settled = self._cursor
        here, q = slice(start, self._cursor), self._queries
        served = np.asarray(q.place[here] < share)
        own, theirs = self._challenger.only(here), self._incumbent.only(here)
        mixed = {name: np.where(served, getattr(own, name), getattr(theirs, name)) for name in Arm.__slots__}
        mixed["semantic"] = np.full(len(served), np.nan)
        return Served(q.at_ms[here], q.user[here], q.turn[here], q.stratum[here], q.place[here], served, Arm(**mixed))

    def mirror(self, n: int) -> Mirrored:
        """Play the next n queries, both arms answering each; whom the challenger serves stays as it was."""
        start, self._settled = self._cursor, self._cursor
        self._cursor = min(self._cursor + n, len(self._queries.at_ms))
        here, q = slice(start, self._cursor), self._queries
        self._mirrored += self._cursor - start
        return Mirrored(
            np.arange(start, self._cursor), q.at_ms[here], q.session[here], q.turn[here], q.stratum[here],
            self._incumbent.only(here), self._challenger.only(here), self._eligible[here],
        )  # fmt: skip

    def route(self, row: int, share: float) -> None:
        """Put a share of users on the challenger from a row on: of the stretch that was just played, or later.

        A gate that decides within a stretch of mirrored pairs routes from there on; what was settled before is past.
        """
        if not self._settled <= row <= self._cursor:
            raise ValueError(f"row {row} is not of the stretch {self._settled}..{self._cursor} that was just played")
        if share != self._routes[-1][1]:
            self._routes.append((row, share))

    def halt(self, row: int) -> None:
        """Mirror nothing from a row of the last stretch on: what was mirrored behind it is not paid for."""
        if not self._settled <= row <= self._cursor:
            raise ValueError(f"row {row} is not of the stretch {self._settled}..{self._cursor} that was just played")
        self._mirrored -= self._cursor - row

    @property
    def history(self) -> History:
        """What was done so far."""
        rows, shares = zip(*self._routes, strict=True)
        return History(rows, shares, self._mirrored)
