"""Values of `pairs` and `unpaired` from undecoded bodies: an Avro record is the concatenation of its fields."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dualgate.schemas.records import DeadLetter

QUERY, INCUMBENT, CHALLENGER, RERUN = range(4)
"""The roles of a group's partitions, in the order of `topics.INPUTS`."""
ROLES = (QUERY, INCUMBENT, CHALLENGER, RERUN)
ANSWERS = (INCUMBENT, CHALLENGER, RERUN)

# Reasons and silent arms as Avro writes them: an enum is its number, zigzag; a union is its branch, then the value.
NO_ANSWER = ("no_answer", b"\x00\x00")
NO_CHALLENGER = ("no_challenger", b"\x02\x02\x02")
NO_INCUMBENT = ("no_incumbent", b"\x04\x02\x00")
LATE = ("late", b"\x06\x00")
_NULL = b"\x00"
_GIVEN = b"\x02"

Output = tuple[bytes, bytes, int]
"""Key, value and timestamp in milliseconds of a record to write."""


@dataclass(slots=True)
class Outputs:
    """What one batch of the fold yields: records in the order in which they came about, counts by name, and how many
    records of each migration were read."""

    pairs: list[Output] = field(default_factory=list)
    unpaired: list[Output] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, n: int = 1) -> None:
        """Add to one of the counts."""
        self.counts[name] = self.counts.get(name, 0) + n


class Writer:
    """Puts headers and bodies together; the headers are those of the codec's `Pair` and `Unpaired`."""

    __slots__ = ("_pair", "_unpaired")

    def __init__(self, pair_header: bytes, unpaired_header: bytes) -> None:
        self._pair = pair_header
        self._unpaired = unpaired_header

    def pair(self, query: bytes, incumbent: bytes, challenger: bytes, rerun: bytes | None) -> bytes:
        """Return the value of a pair."""
        if rerun is None:
            return b"".join((self._pair, query, incumbent, challenger, _NULL))
        return b"".join((self._pair, query, incumbent, challenger, _GIVEN, rerun))

    def unpaired(self, key: bytes, reason: bytes, bodies: Sequence[bytes | None]) -> bytes:
        """Return the value of an unpaired record; bodies are those of the four roles, None where there is none."""
        migration, _, query_id = key.partition(b"/")
        parts = [self._unpaired, _length(migration), migration, _length(query_id), query_id, reason]
        for body in bodies:
            parts += (_NULL,) if body is None else (_GIVEN, body)
        return b"".join(parts)


def _length(text: bytes) -> bytes:
    """Return the length of a string as Avro writes it: zigzag, seven bits a byte, lowest first."""
    n = len(text) << 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)
