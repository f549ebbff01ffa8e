"""How a query or an answer is settled: what is written of it, and under which name it is counted."""

from typing import Any

from dualgate.processors.pairing.records import (
    ANSWERS,
    CHALLENGER,
    INCUMBENT,
    LATE,
    NO_ANSWER,
    NO_CHALLENGER,
    NO_INCUMBENT,
    RERUN,
    Outputs,
    Writer,
)

Entry = list[Any]
"""A query that waits: [time, mask, query, incumbent, challenger, rerun]; the mask has a bit for each answer that is there or not
awaited."""
BODY = 2
BIT = {role: 1 << role for role in ANSWERS}
BOTH = BIT[INCUMBENT] | BIT[CHALLENGER]
ALL = BOTH | BIT[RERUN]
_MISSING = {0: NO_ANSWER, BIT[INCUMBENT]: NO_CHALLENGER, BIT[CHALLENGER]: NO_INCUMBENT}


def remembered(entry: Entry) -> int:
    """Return what is remembered of a settled query: its time and its mask in one number."""
    return int(entry[0] << 4 | entry[1])


class Settler:
    """Writes pairs and records of `unpaired` to the given `Outputs`."""

    __slots__ = ("_writer",)

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def pair(self, key: bytes, entry: Entry, out: Outputs) -> None:
        """Tell a query with both answers."""
        asked, _, query, incumbent, challenger, rerun = entry
        out.pairs.append((key, self._writer.pair(query, incumbent, challenger, rerun), asked))

    def close(self, key: bytes, entry: Entry, out: Outputs) -> None:
        """Tell a query whose time is over: a pair that lacks at most its re-run, else what is missing."""
        if entry[1] & BOTH == BOTH:
            out.count("without_rerun")
            self.pair(key, entry, out)
            return
        name, reason = _MISSING[entry[1] & BOTH]
        out.unpaired.append((key, self._writer.unpaired(key, reason, entry[BODY:]), entry[0]))
        out.count(name)

    def late(self, role: int, key: bytes, time: int, body: bytes, out: Outputs) -> None:
        """Tell an answer that no query takes any more."""
        bodies = [None, None, None, None]
        bodies[role] = body  # type: ignore[call-overload]
        out.unpaired.append((key, self._writer.unpaired(key, LATE[1], bodies), time))
        out.count(LATE[0])

    def forgotten(self, key: bytes, entry: Entry, out: Outputs) -> None:
        """Tell a query so old that its id would be forgotten: an archive replayed again must count nothing twice."""
        out.unpaired.append((key, self._writer.unpaired(key, LATE[1], entry[BODY:]), entry[0]))
        out.count("forgotten_queries")
