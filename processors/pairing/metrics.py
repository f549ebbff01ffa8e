"""What a pairing worker tells of itself: a JSON line on stderr now and then, when something has changed."""

import json
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.records import Outputs
from dualgate.processors.runtime.dead_letters import DeadLetterBudget
from dualgate.schemas.errors import DeadLetterBudgetExceeded

REPORT_S = 5.0

COUNTS: Mapping[str, str] = {
    "duplicate_answers": "answers dropped: a second one in range of a query that has one",
    "duplicate_queries": "queries dropped: repeats of one that waits or is remembered",
    "forgotten_queries": "queries told as late: older than any id that is remembered",
    "late": "answers told as late: out of range of their query, or without one",
    "no_answer": "queries expired without any answer",
    "no_challenger": "queries expired without the challenger's answer",
    "no_incumbent": "queries expired without the incumbent's answer",
    "reused_ids": "queries dropped: an id used again while its first query waits",
    "without_rerun": "pairs that went out without the re-run they waited for",
}
"""What is counted, by name; coverage by migration and stratum stands on the ledger as `CoverageBlock`s, written by scoring."""

TRANSACTION_MS = (10, 30, 100, 300, 1_000, 3_000, 10_000)
"""Upper bounds of the classes of transaction times in milliseconds; a last class has no bound."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Totals of what was committed since the process started, and gauges of now.

    `transaction_ms_classes` has a count for each class of `TRANSACTION_MS` and one for those beyond; `lag` is in records.
    """

    events: int
    events_per_s: float
    pairs: int
    counts: Mapping[str, int]
    dead_letters: int
    held: tuple[str, ...]
    transactions: int
    transaction_ms_mean: float
    transaction_ms_max: float
    transaction_ms_classes: tuple[int, ...]
    lag: int
    waiting_queries: int
    waiting_answers: int
    remembered_ids: int
    paused: int
    groups: tuple[int, ...]
    rebuilding: tuple[int, ...]


@dataclass(slots=True)
class Reporter:
    """Adds up what is committed, holds migrations against their dead-letter budget, and tells of it."""

    budget: DeadLetterBudget = field(default_factory=DeadLetterBudget)
    events: int = 0
    pairs: int = 0
    dead_letters: int = 0
    transactions: int = 0
    seconds: float = 0.0
    seconds_max: float = 0.0
    classes: list[int] = field(default_factory=lambda: [0] * (len(TRANSACTION_MS) + 1))
    counts: dict[str, int] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    _told: Metrics | None = None
    _told_at: float = field(default_factory=time.monotonic)

    def committed(self, outs: Sequence[Outputs], seconds: float) -> None:
        """Add a committed transaction."""
        self.transactions += 1
        self.seconds += seconds
        self.seconds_max = max(self.seconds_max, seconds)
        self.classes[bisect_left(TRANSACTION_MS, 1000 * seconds)] += 1
        for out in outs:
            self.pairs += len(out.pairs)
            self.dead_letters += len(out.dead)
            for name, n in out.counts.items():
                self.counts[name] = self.counts.get(name, 0) + n
            for migration, n in out.read.items():
                self.events += n
                self.budget.read(migration, n)
            for letter in out.dead:
                self._spend(letter.migration_id)

    def assigned(self, groups: Sequence[int]) -> None:
        """Tell of a new assignment."""
        _say({"worker": "pairing", "assigned": list(groups)})

    def tick(self, lag: Callable[[], int], groups: Sequence[GroupLogic], paused: Collection[Any]) -> None:
        """Tell of the state where it is time to."""
        if time.monotonic() - self._told_at >= REPORT_S:
            self.report(lag(), groups, paused)

    def report(self, lag: int, groups: Sequence[GroupLogic], paused: Collection[Any]) -> None:
        """Tell of the state where it has changed."""
        now = time.monotonic()
        metrics = self._snapshot(lag, groups, paused, now - self._told_at)
        if metrics != self._told:
            _say({"worker": "pairing", **asdict(metrics)})
        self._told, self._told_at = metrics, now

    def _snapshot(self, lag: int, groups: Sequence[GroupLogic], paused: Collection[Any], seconds: float) -> Metrics:
        sizes = [group.sizes() for group in groups]
        before = self._told.events if self._told else 0
        return Metrics(
            events=self.events,
            events_per_s=round((self.events - before) / max(seconds, 1e-3), 1),
            pairs=self.pairs,
            counts=dict(sorted(self.counts.items())),
            dead_letters=self.dead_letters,
            held=tuple(self.held),
            transactions=self.transactions,
            transaction_ms_mean=round(1000 * self.seconds / max(self.transactions, 1), 1),
            transaction_ms_max=round(1000 * self.seconds_max, 1),
            transaction_ms_classes=tuple(self.classes),
            lag=lag,
            waiting_queries=sum(s[0] for s in sizes),
            waiting_answers=sum(s[1] for s in sizes),
            remembered_ids=sum(s[2] for s in sizes),
            paused=len(paused),
            groups=tuple(group.number for group in groups),
            rebuilding=tuple(group.number for group in groups if group.rebuilding),
        )

    def _spend(self, migration: str | None) -> None:
        """Count a dead letter; a migration over its budget is told of once, and every other goes on."""
        if migration is None:
            return
        try:
            self.budget.spend(migration)
        except DeadLetterBudgetExceeded as exceeded:
            if migration not in self.held:
                _say({"worker": "pairing", "held": migration, "reason": str(exceeded)})
            self.held[migration] = str(exceeded)


def _say(document: Mapping[str, Any]) -> None:
    print(json.dumps(document), file=sys.stderr, flush=True)
