"""Partitions take turns, so that evidence comes nearly in the order in which the queries came.

A consumer hands over one partition's fetch after another's: of an archive replayed at full speed the gate would see a day of
one partition before an hour of the next, its evidence clock (the least over the partitions) would stand, and a decision would
fall hundreds of pairs from where the log's own order has it. Keys are hashed, so equal numbers of records from each partition
are nearly equal times. Only archives wait for each other: live records come in their order by themselves. What did not become
a pair takes no turns, but waits as long: else an archive's unanswered queries would be counted before its answered ones.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dualgate.processors.scoring.fold import Raw

PATIENCE_S = 2.0
"""How long a record of an archive waits at most for partitions from which nothing is there."""
ARCHIVED_MS = 60_000
"""A record that is older than this when it is read comes from an archive, or from a backlog."""
LIVE = 0.0
"""The end of the waiting of a record that is live: it has none."""

Place = tuple[str, int]
Held = deque[tuple[float, Raw]]
"""Records of a partition in their order, each with the moment at which its waiting ends, in seconds since 1970."""


@dataclass(slots=True)
class Turns:
    """The records that were read of each partition and have not had their turn; those beside take none."""

    held: Mapping[Place, Held] = field(default_factory=dict)
    beside: Mapping[Place, Held] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Iterable[Place], beside: Iterable[Place] = ()) -> "Turns":
        """Begin with nothing read of these partitions."""
        return cls({place: deque() for place in places}, {place: deque() for place in beside})

    def __contains__(self, place: Place) -> bool:
        return place in self.held or place in self.beside

    def add(self, place: Place, raw: Raw, now_s: float) -> None:
        """Take in a record of one of the partitions."""
        archived = now_s * 1e3 - raw.timestamp_ms > ARCHIVED_MS
        line = self.held[place] if place in self.held else self.beside[place]
        line.append((now_s + PATIENCE_S if archived else LIVE, raw))

    def waiting(self) -> bool:
        """Tell whether any record waits for its turn."""
        return any((*self.held.values(), *self.beside.values()))

    def take(self, most: int, now_s: float) -> dict[Place, list[Raw]]:
        """Return the records whose turn it is, at most so many of a partition.

        While every partition has some, each gives the same number, and live ones beyond it; where one has none, the others give
        what has waited long enough for it.
        """
        each = min(most, *map(len, self.held.values())) if self.held else 0
        wanted = {place: max(each, _patient(line, LIVE if each else now_s)) for place, line in self.held.items()}
        wanted |= {place: _patient(line, now_s) for place, line in self.beside.items()}
        lines = {**self.held, **self.beside}
        return {place: [lines[place].popleft()[1] for _ in range(min(n, most))] for place, n in wanted.items() if n}

    def full(self, most: int) -> set[Place]:
        """Return the partitions of which more is held than one should read ahead."""
        return {place for place, line in (*self.held.items(), *self.beside.items()) if len(line) > most}


def _patient(line: Held, now_s: float) -> int:
    """Return how many records at the line's head have waited long enough."""
    return next((i for i, (until_s, _) in enumerate(line) if until_s > now_s), len(line))
