"""Pairs and what did not become one, scored into the entries of a ledger by the live scoring's fold."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dualgate.lab.backtest.asking import Asking
from dualgate.lab.backtest.join import Joined
from dualgate.processors.pairing.records import Output
from dualgate.processors.scoring.clock import STALE_MS, Clocks
from dualgate.processors.scoring.fold import Folded, Origin, Raw, ScoringLogic
from dualgate.processors.scoring.logic import MigrationScoring
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import DeadLetter, LedgerEntry
from dualgate.schemas.settings import PairingTimes
from dualgate.schemas.topics import PAIRS, UNPAIRED

ROWS = 500
LINEAGE = "backtest"
Tell = Callable[[int], None]


@dataclass(slots=True)
class Blocks:
    """Scores a joined log; afterwards `counts` and `dead` tell what did not become a row."""

    scoring: MigrationScoring
    joined: Joined
    times: PairingTimes
    tell: Tell = lambda _: None
    asking: Asking = field(default_factory=Asking)
    counts: Counter[str] = field(default_factory=Counter)
    dead: list[DeadLetter] = field(default_factory=list)

    def entries(self) -> Iterator[LedgerEntry]:
        """Yield blocks of scored pairs, each after the coverage of the queries that had expired by then."""
        behind_ms = self.times.window_ms + STALE_MS
        logic, clocks = ScoringLogic(Codec(), lambda _: self.scoring, "backtest"), Clocks(behind_ms)
        expired = self._coverage(logic, Clocks(behind_ms))
        for start in range(0, len(self.joined.pairs), ROWS):
            rows = self.joined.pairs[start : start + ROWS]
            yield from expired(rows[0][2] - self.times.window_ms)
            yield from self._taken(logic.pairs(_origin(PAIRS, start), _raw(start, rows), clocks))
            self.tell(start + len(rows))
        yield from expired(None)

    def _coverage(self, logic: ScoringLogic, clocks: Clocks) -> Callable[[int | None], Iterator[LedgerEntry]]:
        """Return a function that yields the coverage of the queries asked before a time (None: of the rest)."""
        waiting = self.joined.unpaired
        told = 0

        def expired(before_ms: int | None) -> Iterator[LedgerEntry]:
            nonlocal told
            end = len(waiting) if before_ms is None else told + sum(at < before_ms for _, _, at in waiting[told:])
            for first in range(told, end, ROWS):
                part = waiting[first : min(first + ROWS, end)]
                yield from self._taken(logic.unpaired(_origin(UNPAIRED, first), _raw(first, part), clocks))
            told = end

        return expired

    def _taken(self, folded: Folded) -> list[LedgerEntry]:
        self.counts.update(folded.counts)
        self.dead += folded.dead
        for waiting in folded.waiting:
            self.asking.wait(waiting)
            folded.entries.append(waiting.entry())
        return folded.entries


def _origin(topic: str, start: int) -> Origin:
    return Origin(topic, LINEAGE, 0, start)


def _raw(start: int, outputs: Sequence[Output]) -> list[Raw]:
    return [Raw(start + i, at, key, value) for i, (key, value, at) in enumerate(outputs)]
