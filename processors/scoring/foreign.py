"""A third party's scorer, in a process of its own: what it breaks is its own, and the pair's score is missing with a reason."""

import time
from collections.abc import Callable, Sequence

from dualgate.processors.scoring.confined import Confined, Ended, Failed, NotMade
from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.files import context_of
from dualgate.processors.scoring.protocol import Columns, Score, Scorer, missing, third_party_scorers
from dualgate.processors.scoring.safety.scorer import COLUMNS
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import Pair
from dualgate.schemas.scorers import ThirdParty

MAX_STRIKES = 4
"""Times that a batch may end the process before what is left of it is missing."""
MAX_WAIT_S, MAX_STALL_S, REST = 120.0, 60.0, 9.0
"""Nothing is waited for longer than the first, whatever the file says, and a scorer whose ends have cost the second in a row is
not asked for so many times as long: a member of the group that is silent for five minutes loses its partitions, and would
meet the same pairs again. So a scorer that always hangs takes a tenth of the worker's time, and stops nobody else."""


class Host:
    """The scorer in its own process, with a context of its own; it sees the same files, and never the rater."""

    def __init__(self, entry_point: str, config_json: str) -> None:
        offered = third_party_scorers(entry_point)
        if entry_point not in offered:
            raise ConfigError(f"no installed distribution offers the scorer {entry_point!r} (entry points dualgate.scorers)")
        self._scorer: Scorer = offered[entry_point]()
        self._context = context_of(MigrationConfig.from_json(config_json), rated=False)

    def about(self) -> tuple[str, str, tuple[str, ...]]:
        """Return name, version and columns."""
        return self._scorer.name, self._scorer.version, tuple(self._scorer.columns)

    def score(self, pairs: Sequence[Pair], earlier: Columns) -> Columns:
        """Return the scores of a batch."""
        if self._context.databases is not None:
            self._context.databases.begin_batch()
        return {name: list(column) for name, column in self._scorer.score(pairs, self._context, earlier).items()}


class ForeignScorer:
    """A dimension that a third party scores."""

    def __init__(
        self, dimension: str, spec: ThirdParty, config: MigrationConfig, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = dimension
        self._now_s, self._stalled_s, self._rests_until_s = now_s, 0.0, float("-inf")
        self.columns = COLUMNS if dimension == "safety" else (dimension,)
        self._seconds = min(MAX_WAIT_S, spec.timeout_ms / 1000)
        self._use = spec.use
        self._child = Confined(Host, (spec.use, config.to_json()), spec.memory_mb << 20)
        self._version: str | None = None
        self._not_made: str | None = None

    @property
    def version(self) -> str:
        """Return the entry point with its version; without one where it cannot be loaded, when every score is missing."""
        if self._not_made is not None:
            return f"{self._use}:not loaded"
        if self._version is None:
            try:
                name, version, columns = self._child.call("about", seconds=self._seconds)
            except NotMade as error:
                self._not_made = str(error)
                return f"{self._use}:not loaded"
            except (Failed, Ended):
                return f"{self._use}:not loaded"
            if name != self.name or set(columns) != set(self.columns):
                return f"{self._use}:scores {name} as {', '.join(columns)}, not {self.name} as {', '.join(self.columns)}"
            self._version = f"{self._use}:{version}"
        return self._version

    def score(self, pairs: Sequence[Pair], _context: ScoringContext, earlier: Columns) -> Columns:
        """Return the scores of a batch; what ends the process is found pair by pair, and missing."""
        if self._not_made is not None:
            return self._missing(len(pairs), self._not_made)
        if self._now_s() < self._rests_until_s:
            return self._missing(len(pairs), f"it is not asked for a while: its ends took {MAX_STALL_S:g} s and more")
        began_s = self._now_s()
        try:
            scored: Columns = self._child.call("score", list(pairs), dict(earlier), seconds=self._seconds)
        except NotMade as error:  # a worker is started anew after an installation
            if self._version is None:
                self._not_made = str(error)
            return self._missing(len(pairs), error)
        except Ended as ended:
            self._stall(began_s)
            return self._missing(1, ended) if len(pairs) == 1 else self._one_by_one(pairs, earlier)
        self._stalled_s = 0.0
        return scored

    def _one_by_one(self, pairs: Sequence[Pair], earlier: Columns) -> Columns:
        rows: list[Columns] = []
        strikes = 1
        for i, pair in enumerate(pairs):
            if strikes >= MAX_STRIKES or self._now_s() < self._rests_until_s:
                rows.append(self._missing(1, f"it ended {strikes} times in this batch"))
                continue
            row, ended_again = self._one(pair, {name: column[i : i + 1] for name, column in earlier.items()})
            strikes += ended_again
            rows.append(row)
        return {name: [row[name][0] for row in rows] for name in self.columns}

    def _stall(self, began_s: float) -> None:
        """Note how long the worker waited for nothing; after too much of it in a row the scorer rests."""
        self._stalled_s += self._now_s() - began_s
        if self._stalled_s >= MAX_STALL_S:
            self._rests_until_s = self._now_s() + REST * self._stalled_s
            self._stalled_s = 0.0

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def _one(self, pair: Pair, earlier: Columns) -> tuple[Columns, bool]:
        began_s = self._now_s()
        try:
            return self._child.call("score", [pair], earlier, seconds=self._seconds), False
        except Ended as error:
            self._stall(began_s)
            return self._missing(1, error), True
        except Failed as error:
            return self._missing(1, error), False

    def _missing(self, n: int, why: object) -> dict[str, list[Score]]:
        return {name: [missing(f"scorer {self._use}: {why}"[:300])] * n for name in self.columns}
