"""Pairs that wait for a rater: beside the batch path, in the order of their offsets, and never for longer than its due time.

The blocks of a migration go out in order. Other migrations of the partition go on, and what they have sent already is known
to the gate by its offsets, so a partition's committed offset simply stays before the first pair that waits.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dualgate.processors.scoring.block import Source
from dualgate.processors.scoring.context import Rated
from dualgate.processors.scoring.correctness import to_rate
from dualgate.processors.scoring.logic import MigrationScoring, score_pairs
from dualgate.processors.scoring.rater import Question, Rating, questions_of
from dualgate.schemas.records import LedgerEntry, Pair

MAX_ROWS = 20_000
"""Pairs that may wait in one partition; where more come, the first go without what the rater has not said by then."""


@dataclass(slots=True)
class Waiting:
    """The pairs of one migration in a batch, before they are scored."""

    scoring: MigrationScoring
    source: Source
    offsets: Sequence[int]
    pairs: Sequence[Pair]
    _questions: Sequence[Question] = ()

    def ask(self) -> None:
        """Begin to ask the rater."""
        context = self.scoring.context
        self._questions = [q for pair in self.pairs if to_rate(pair, context) for q in questions_of(pair).values()]
        if isinstance(context.rated, Rated):
            context.rated.desk.ask(self._questions)

    def ready(self) -> bool:
        """Tell whether the rater has spoken, or its time is over."""
        rated = self.scoring.context.rated
        return not isinstance(rated, Rated) or rated.desk.ready(self._questions)

    def wait(self, at_most_s: float = math.inf) -> None:
        """Wait until the rater has spoken, or its time is over, or so many seconds have passed."""
        rated = self.scoring.context.rated
        if isinstance(rated, Rated):
            rated.desk.wait(self._questions, at_most_s)

    def keys(self) -> set[str]:
        """Return what the rater is asked, each distinct question by its key."""
        rated = self.scoring.context.rated
        return {q.key(rated.desk.version) for q in self._questions} if isinstance(rated, Rated) else set()

    def said(self) -> dict[str, Rating]:
        """Return what the rater has said by now, by key; of what it has no time left for, that."""
        rated = self.scoring.context.rated
        return rated.desk.said(self._questions) if isinstance(rated, Rated) else {}

    def entry(self) -> LedgerEntry:
        """Score the pairs by what is known now, and return their block."""
        return LedgerEntry(quality=score_pairs(self.scoring, self.source, self.offsets, self.pairs))


@dataclass(slots=True)
class Line:
    """What waits of one partition, with the clocks as they stood before its batch: a crash begins there again."""

    _waiting: deque[tuple[Waiting, str]] = field(default_factory=deque)

    def __len__(self) -> int:
        return sum(len(one.pairs) for one, _ in self._waiting)

    def add(self, waiting: Sequence[Waiting], clocks: str) -> None:
        """Let a batch wait."""
        self._waiting.extend((one, clocks) for one in waiting)

    def ready(self) -> Iterator[LedgerEntry]:
        """Yield the blocks that can go out: of each migration up to the first that still waits."""
        held: set[str] = set()
        left: deque[tuple[Waiting, str]] = deque()
        rows = len(self)
        for one, clocks in self._waiting:
            migration_id = one.scoring.identity.migration_id
            if migration_id in held or not (one.ready() or rows > MAX_ROWS):
                held.add(migration_id)
                left.append((one, clocks))
            else:
                rows -= len(one.pairs)
                yield one.entry()
        self._waiting = left

    def begins(self) -> tuple[int, str] | None:
        """Return the offset and the clocks from which a successor must begin, None where nothing waits."""
        if not self._waiting:
            return None
        first, clocks = self._waiting[0]
        return first.source.from_offset, clocks
