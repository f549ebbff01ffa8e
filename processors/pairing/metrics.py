"""What a pairing worker tells of itself: totals and gauges for whoever scrapes it, and a line of JSON on stderr now and then."""

import json
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.records import Outputs
from dualgate.processors.runtime.dead_letters import DeadLetterBudget
from dualgate.schemas.errors import DeadLetterBudgetExceeded

LOOK_S, REPORT_S = 1.0, 5.0

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
    """Totals of what was committed since the process started, and gauges of the last look.

    `transaction_ms_classes` has a count for each class of `TRANSACTION_MS` and one for those beyond; `lag` is in records, by
    topic; `expired_through_ms` is the least T of a migration among the groups.
    """

    events: int = 0
    events_per_s: float = 0.0
    events_by_migration: Mapping[str, int] = field(default_factory=dict)
    pairs: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    held: tuple[str, ...] = ()
    assignments: int = 0
    transactions: int = 0
    transactions_failed: int = 0
    transaction_ms_mean: float = 0.0
    transaction_ms_max: float = 0.0
    transaction_ms_classes: tuple[int, ...] = (0,) * (len(TRANSACTION_MS) + 1)
    lag: Mapping[str, int] = field(default_factory=dict)
    waiting_queries: int = 0
    waiting_answers: int = 0
    remembered_ids: int = 0
    paused: int = 0
    groups: tuple[int, ...] = ()
    rebuilding: tuple[int, ...] = ()
    expired_through_ms: Mapping[str, int] = field(default_factory=dict)


Lag = Callable[[], Mapping[str, int]]
"""Records that are written and not handled, by topic."""


@dataclass(slots=True)
class Reporter:
    """Adds up what is committed, holds migrations against their dead-letter budget, and tells of it.

    `last` is what the last look saw and `stepped_at` when the last step ended (seconds since 1970): other threads read these two.
    """

    last: Metrics = field(default_factory=Metrics)
    stepped_at: float = field(default_factory=time.time)
    budget: DeadLetterBudget = field(default_factory=DeadLetterBudget)
    events: int = 0
    events_by_migration: dict[str, int] = field(default_factory=dict)
    pairs: int = 0
    dead_letters: int = 0
    assignments: int = 0
    transactions: int = 0
    transactions_failed: int = 0
    seconds: float = 0.0
    seconds_max: float = 0.0
    classes: list[int] = field(default_factory=lambda: [0] * (len(TRANSACTION_MS) + 1))
    counts: dict[str, int] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    _told: Metrics | None = None
    _told_at: float = field(default_factory=time.monotonic)
    _looked_at: float = -LOOK_S

    @contextmanager
    def transaction(self, outs: Sequence[Outputs]) -> Iterator[None]:
        """Add what the block commits, and how long that takes; what it raises is a transaction that failed."""
        began = time.perf_counter()
        try:
            yield
        except BaseException:
            self.transactions_failed += 1
            raise
        self.committed(outs, time.perf_counter() - began)

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
                self.events_by_migration[migration] = self.events_by_migration.get(migration, 0) + n
                self.budget.read(migration, n)
            for letter in out.dead:
                self._spend(letter.migration_id)

    def assigned(self, groups: Sequence[int]) -> None:
        """Tell of a new assignment."""
        self.assignments += 1
        _say({"worker": "pairing", "assigned": list(groups)})

    def tick(self, lag: Lag, groups: Sequence[GroupLogic], paused: Collection[Any]) -> None:
        """Note that a step has ended; look, and tell of the state, where it is time to."""
        self.stepped_at, now = time.time(), time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self.look(lag(), groups, paused)
        if now - self._told_at >= REPORT_S:
            self.report()

    def look(self, lag: Mapping[str, int], groups: Sequence[GroupLogic], paused: Collection[Any]) -> None:
        """Take in the state of now."""
        self._looked_at = time.monotonic()
        self.last = self._snapshot(lag, groups, paused, self._looked_at - self._told_at)

    def report(self) -> None:
        """Tell of the state that was seen last, where it has changed."""
        if self.last != self._told:
            _say({"worker": "pairing", **asdict(self.last)})
        self._told, self._told_at = self.last, time.monotonic()

    def _snapshot(self, lag: Mapping[str, int], groups: Sequence[GroupLogic], paused: Collection[Any], seconds: float) -> Metrics:
        sizes = [group.sizes() for group in groups]
        before = self._told.events if self._told else 0
        return Metrics(
            events=self.events,
            events_per_s=round((self.events - before) / max(seconds, 1e-3), 1),
            events_by_migration=dict(self.events_by_migration),
            pairs=self.pairs,
            counts=dict(sorted(self.counts.items())),
            dead_letters=self.dead_letters,
            held=tuple(self.held),
            assignments=self.assignments,
            transactions=self.transactions,
            transactions_failed=self.transactions_failed,
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
            expired_through_ms=_least(group.expired() for group in groups),
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


def _least(expired: Iterator[Mapping[str, int]]) -> dict[str, int]:
    least: dict[str, int] = {}
    for times in expired:
        for migration, through_ms in times.items():
            least[migration] = min(through_ms, least.get(migration, through_ms))
    return least


def _say(document: Mapping[str, Any]) -> None:
    print(json.dumps(document), file=sys.stderr, flush=True)
