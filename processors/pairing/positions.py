"""What a group commits: per partition an offset to read again from, and metadata with H, the topic's id, and T.

H is a partition's handled-through position: the next offset to be handled. T is a migration's expired-through time in its
group; F, where it is given, the time before which its ids were forgotten earlier than T alone says. The metadata is
`version;H;topic id;migration:T,migration:T:F`, the same T and F in every partition of the group.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dualgate.schemas.errors import StateError

VERSION = "2"
MAX_METADATA_BYTES = 4096
"""`offset.metadata.max.bytes` of a broker that is set up by default."""
# A topic's id is 16 bytes in base64.
_LINEAGE_BYTES = 24


class Expired(NamedTuple):
    """How far a migration's time has come in a group: T, and F where its ids were forgotten early (0: they were not)."""

    through_ms: int
    forgotten_ms: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """One partition's committed state: read again from offset; handled is H; lineage is the topic's id; times by migration."""

    offset: int
    handled: int
    lineage: str = ""
    expired: Mapping[str, Expired] = field(default_factory=dict)


def fits(expired: Mapping[str, Expired]) -> bool:
    """Return whether the metadata has room for T of all these migrations, whatever H and the topic's id are."""
    return len(_text(Position(0, 10**18, "-" * _LINEAGE_BYTES, expired))) <= MAX_METADATA_BYTES


def _text(position: Position) -> str:
    times = (f"{name}:{t}:{f}" if f else f"{name}:{t}" for name, (t, f) in position.expired.items())
    return f"{VERSION};{position.handled};{position.lineage};" + ",".join(times)


def encode(position: Position) -> str:
    """Return the metadata of a commit; StateError where the broker would not take it."""
    text = _text(position)
    if len(text) > MAX_METADATA_BYTES:
        raise StateError(
            f"pairing's metadata of one partition holds {len(position.expired)} migrations and {len(text)} bytes > "
            f"{MAX_METADATA_BYTES}, the most that a broker takes: use shorter migration ids, more partitions, or another topic "
            "prefix for some"
        )
    return text


def decode(offset: int, metadata: str | None) -> Position:
    """Return the state of a committed offset; StateError where its metadata is not pairing's."""
    try:
        version, handled, lineage, times = (metadata or "").split(";")
        if version != VERSION:
            raise ValueError(f"version {version!r} is not {VERSION!r}")
        expired = {}
        for item in filter(None, times.split(",")):
            migration, t, *forgotten = item.split(":")
            expired[migration] = Expired(int(t), *map(int, forgotten))
        return Position(offset, int(handled), lineage, expired)
    except (ValueError, TypeError) as error:
        raise StateError(f"committed metadata {metadata!r} is not pairing's {VERSION};H;topic id;T: {error}") from None


def greatest(positions: Iterable[Position]) -> dict[str, Expired]:
    """Return T and F by migration over the partitions of a group: they never fall, so the greatest are the present ones."""
    expired: dict[str, Expired] = {}
    for position in positions:
        for migration, (t, f) in position.expired.items():
            known = expired.get(migration, Expired(t, f))
            expired[migration] = Expired(max(t, known.through_ms), max(f, known.forgotten_ms))
    return expired


class Book:
    """Where to read one partition again from, for one migration, with no entry per record.

    For each batch it keeps the first offset and the greatest timestamp, batches of one grain together. The first entry
    whose greatest timestamp reaches a bound begins at or before the first record that does.
    """

    __slots__ = ("_entries", "_grain_ms")

    def __init__(self, grain_ms: int) -> None:
        self._grain_ms = grain_ms
        self._entries: deque[tuple[int, int]] = deque()

    def add(self, first_offset: int, greatest_ms: int) -> None:
        """Note a batch; offsets ascend from call to call."""
        entries = self._entries
        if entries and entries[-1][1] // self._grain_ms == greatest_ms // self._grain_ms:
            first_offset, before_ms = entries.pop()
            greatest_ms = max(before_ms, greatest_ms)
        entries.append((first_offset, greatest_ms))

    def first(self, bound_ms: int | None) -> int | None:
        """Return the offset to read again from: no record with a timestamp >= bound lies below it. None where there is none.

        Bounds never fall from call to call: what lies below is forgotten. A bound of None is below everything.
        """
        entries = self._entries
        if bound_ms is not None:
            while entries and entries[0][1] < bound_ms:
                entries.popleft()
        return entries[0][0] if entries else None

    def clear(self) -> None:
        """Forget everything: nothing of this migration has to be read again."""
        self._entries.clear()


def least(offsets: Sequence[int | None], handled: int) -> int:
    """Return the least of the offsets, H where none holds the partition back."""
    return min((offset for offset in offsets if offset is not None), default=handled)
