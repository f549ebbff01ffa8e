"""What a scoring worker tells whoever scrapes it: what went to the ledger, what is missing and why, what each dimension costs."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from dualgate.schemas.records import CoverageBlock, LedgerEntry, QualityBlock

LOOK_S = 1.0
MAX_REASONS = 100
"""Different reasons that are told apart in one process; what comes after them is `other`."""
_OWN_WORDS = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(?:\.\d+)?")
_REASON_CHARS = 80


@dataclass(frozen=True, slots=True)
class Metrics:
    """Totals since the process started, and gauges of the last look.

    queries is by migration, stratum and what became of a query (`paired`, or why it was not); scores by migration, dimension and
    state; missing by migration, dimension and reason; seconds by dimension; lag in records by topic; dropped by why.
    """

    queries: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    scores: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    missing: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    blocks: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    partitions: int = 0
    assignments: int = 0


@dataclass(slots=True)
class Reporter:
    """Adds up what was acknowledged.

    `last` is what the last look saw and `stepped_at` when the last step ended (seconds since 1970): other threads read these two.
    """

    last: Metrics = field(default_factory=Metrics)
    stepped_at: float = field(default_factory=time.time)
    counts: Counter[str] = field(default_factory=Counter)
    blocks: int = 0
    assignments: int = 0
    _queries: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _scores: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _missing: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _seconds: dict[str, float] = field(default_factory=dict)
    _reasons: set[str] = field(default_factory=set)
    _looked_at: float = -LOOK_S

    @contextmanager
    def timed(self, dimension: str) -> Iterator[None]:
        """Add the time of the block, waiting included, to what a dimension costs."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[dimension] = self._seconds.get(dimension, 0.0) + time.perf_counter() - began

    def acknowledged(self, entries: Iterable[LedgerEntry]) -> None:
        """Add blocks that stand on the ledger."""
        for entry in entries:
            self.blocks += 1
            if entry.quality is not None:
                self._add_scores(entry.quality)
            if entry.coverage is not None:
                self._add_queries(entry.coverage, entry.coverage.reason)

    def tick(self, lag: Callable[[], Mapping[str, int]], partitions: int, waiting: Callable[[], int]) -> None:
        """Note that a step has ended, and look where it is time to."""
        self.stepped_at, now = time.time(), time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self.look(lag(), partitions, waiting())

    def look(self, lag: Mapping[str, int], partitions: int, waiting: int) -> None:
        """Take in the state of now."""
        self._looked_at = time.monotonic()
        counts = dict(self.counts)
        self.last = Metrics(
            queries=dict(self._queries),
            scores=dict(self._scores),
            missing=dict(self._missing),
            seconds=dict(self._seconds),
            blocks=self.blocks,
            dropped={why: counts.get(why, 0) for why in ("held", "over", "stale")},
            dead_letters=counts.get("dead", 0),
            lag=lag,
            waiting=waiting,
            partitions=partitions,
            assignments=self.assignments,
        )

    def _add_queries(self, block: QualityBlock | CoverageBlock, outcomes: Iterable[str]) -> None:
        for (stratum, outcome), n in Counter(zip(block.stratum, outcomes, strict=True)).items():
            self._queries[block.migration_id, stratum, outcome] += n

    def _add_scores(self, block: QualityBlock) -> None:
        self._add_queries(block, ["paired"] * len(block.stratum))
        for name, column in block.dimensions.items():
            for state, n in Counter(column.state).items():
                self._scores[block.migration_id, name, state] += n
            if "missing" in column.state:
                reasons = Counter(why for why, state in zip(column.reason, column.state, strict=True) if state == "missing")
                for reason, n in reasons.items():
                    self._missing[block.migration_id, name, self._class(reason or "")] += n

    def _class(self, reason: str) -> str:
        words = reason_class(reason)
        if words not in self._reasons and len(self._reasons) >= MAX_REASONS:
            return "other"
        self._reasons.add(words)
        return words


def reason_class(reason: str) -> str:
    """Return a reason without what is of one pair alone: a label must not have a value a query."""
    return _OWN_WORDS.sub("…", reason)[:_REASON_CHARS]
