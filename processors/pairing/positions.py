"""What a group commits: per partition an offset to read again from, and metadata with H and T.

H is a partition's handled-through position: the next offset to be handled. T is a migration's expired-through time in
its group. The metadata is `version;H;migration:T,migration:T`, the same T in every partition of the group.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dualgate.schemas.errors import StateError

VERSION = "1"
MAX_METADATA_BYTES = 4096
"""`offset.metadata.max.bytes` of a broker that is set up by default."""


@dataclass(frozen=True, slots=True)
class Position:
    """One partition's committed state: read again from offset; handled is H; expired is T by migration."""

    offset: int
    handled: int
    expired: Mapping[str, int] = field(default_factory=dict)


def fits(expired: Mapping[str, int]) -> bool:
    """Return whether the metadata has room for T of all these migrations, whatever H is."""
    return len(_text(10**18, expired)) <= MAX_METADATA_BYTES


def _text(handled: int, expired: Mapping[str, int]) -> str:
    return f"{VERSION};{handled};" + ",".join(f"{migration}:{t}" for migration, t in expired.items())


def encode(handled: int, expired: Mapping[str, int]) -> str:
    """Return the metadata of a commit; StateError where the broker would not take it."""
    text = _text(handled, expired)
    if len(text) > MAX_METADATA_BYTES:
        raise StateError(
            f"pairing's metadata of one partition holds {len(expired)} migrations and {len(text)} bytes > {MAX_METADATA_BYTES}, "
            "the most that a broker takes: use shorter migration ids, more partitions, or another topic prefix for some"
        )
    return text


def decode(offset: int, metadata: str | None) -> Position:
    """Return the state of a committed offset; StateError where its metadata is not pairing's."""
    try:
        version, handled, times = (metadata or "").split(";")
        if version != VERSION:
            raise ValueError(f"version {version!r} is not {VERSION!r}")
        pairs = (item.rsplit(":", 1) for item in times.split(",") if item)
        return Position(offset, int(handled), {migration: int(t) for migration, t in pairs})
    except ValueError as error:
        raise StateError(f"committed metadata {metadata!r} is not pairing's {VERSION};H;T: {error}") from None


def greatest(positions: Iterable[Position]) -> dict[str, int]:
    """Return T by migration over the partitions of a group: T never falls, so the greatest is the present one."""
    expired: dict[str, int] = {}
    for position in positions:
        for migration, t in position.expired.items():
            expired[migration] = max(t, expired.get(migration, t))
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
