"""The ledger as it is read back: every offset of a partition from 0 on, in order, or what is not there, in words."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from dualgate.gate.fold import At, migration_of
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import LedgerEntry

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One offset of the ledger; `entry` is None where the record there could not be decoded (a dead letter)."""

    partition: int
    offset: int
    time_ms: int
    entry: LedgerEntry | None


@dataclass(slots=True)
class Reading:
    """Passes lines on to the fold and notes what is missing; `known` are the dead-lettered offsets that stand elsewhere.

    Which entries count is the gate's own rule (`fold_ledger`): by what they say, whatever their key is.
    """

    known: Collection[Place] = ()
    faults: list[str] = field(default_factory=list)
    n_entries: int = 0
    migrations: set[str] = field(default_factory=set)
    ends: dict[int, int] = field(default_factory=dict)

    def entries(self, lines: Iterable[Line]) -> Iterator[tuple[At, LedgerEntry]]:
        """Yield the entries that could be decoded, with their places."""
        for line in lines:
            self._follow(line)
            self.n_entries += 1
            if line.entry is None:
                continue
            self.migrations |= _named(line.entry)
            yield At(line.partition, line.offset, line.time_ms), line.entry

    def _follow(self, line: Line) -> None:
        expected = self.ends.get(line.partition, 0)
        if line.offset < expected:
            self.faults.append(f"ledger/{line.partition}: offset {line.offset} comes after {expected - 1}: out of order")
            return
        lost = [n for n in range(expected, line.offset) if (line.partition, n) not in self.known]
        if lost:
            self.faults.append(f"ledger/{line.partition}: {_span(lost)} not there ({len(lost)} entries)")
        self.ends[line.partition] = line.offset + 1


def _span(lost: list[int]) -> str:
    return f"offset {lost[0]} is" if len(lost) == 1 else f"offsets {lost[0]} to {lost[-1]} are"


def _named(entry: LedgerEntry) -> set[str]:
    try:
        name = migration_of(entry)
    except RecordError:
        return set()
    return set() if name is None else {name}
