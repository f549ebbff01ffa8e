"""Partitions take turns, so that evidence comes nearly in the order in which the queries came.

A consumer hands over one partition's fetch after another's: of an archive replayed at full speed the gate would see a day of
one partition before an hour of the next, its evidence clock (the least over the partitions) would stand, and a decision would
fall hundreds of pairs from where the log's own order has it. Keys are hashed, so equal numbers of records from each partition
are nearly equal times. Only archives wait for each other: live records come in their order by themselves.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dualgate.processors.scoring.fold import Raw

PATIENCE_S = 2.0
"""How long a record of an archive waits at most for partitions from which nothing is there."""
ARCHIVED_MS = 60_000
"""A record that is older than this when it is read comes from an archive, or from a backlog."""

Place = tuple[str, int]


@dataclass(slots=True)
class Turns:
    """The records that were read of each partition and have not had their turn."""

    held: Mapping[Place, deque[tuple[float, Raw]]] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Iterable[Place]) -> "Turns":
        """Begin with nothing read of these partitions."""
        return cls({place: deque() for place in places})

    def add(self, place: Place, raw: Raw, now_s: float) -> None:
        """Take in a record with the moment at which its waiting ends, in seconds since 1970."""
        archived = now_s * 1e3 - raw.timestamp_ms > ARCHIVED_MS
        self.held[place].append((now_s + PATIENCE_S if archived else now_s, raw))

    def waiting(self) -> bool:
        """Tell whether any record waits for its turn."""
        return any(self.held.values())

    def take(self, most: int, now_s: float) -> dict[Place, list[Raw]]:
        """Return the records whose turn it is, at most so many of a partition.

        While every partition has some, each gives the same number; where one has none, the others give what has waited
        long enough for it.
        """
        each = min(most, *map(len, self.held.values())) if self.held else 0
        taken = {}
        for place, records in self.held.items():
            n = each or next((i for i, (until_s, _) in enumerate(records) if until_s > now_s), len(records))
            if n := min(n, most):
                taken[place] = [records.popleft()[1] for _ in range(n)]
        return taken

    def full(self, most: int) -> set[Place]:
        """Return the partitions of which more is held than one should read ahead."""
        return {place for place, records in self.held.items() if len(records) > most}
