"""The line of a rated correctness: evidence is counted in the order of the pairs, and a pair drawn for a label stops the line.

A pair that is drawn waits until people have said of both answers whether they are right; the pairs after it wait behind it, as
one character each. So the evidence is the same fold of the same pairs as if every label had come at once, only later: whatever
order labels come in, and whoever holds one back, no value decides what is counted before it. While many drawn pairs wait (the
file's labels_waiting, or MAX_ROWS pairs in all), further pairs are not taken, before anything of them is looked at.

Of the drawn pairs that were counted last a digest is remembered, so that a verdict that is published again is not taken for one
that waits for its pair. A repetition of an older one still is: it counts nothing either, since a pair comes once.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dualgate.gate.stats import ppi

MAX_ROWS = 20_000
MAX_EARLY = 1_000
"""Verdicts that may wait for their pairs; where more come, the oldest are forgotten and are wanted again."""
MAX_COUNTED, DIGEST = 2_000, 8
"""Drawn pairs that are remembered when they were counted, and the letters of each: 48 bits, so that 2,000 are met by chance by
one label in 10^11, which would be wanted again."""

UNDRAWN, KNOWN, SILENT = 0, 3, 6
"""Kinds of a row: rated R = -1, 0, 1 from UNDRAWN on; known Y = -1, 0, 1 from KNOWN on; only the challenger gave no answer."""
DRAWN = 7
"""Rated R = -1, 0, 1 from DRAWN on, and people are asked."""
KINDS = 7

CALIBRATING, BEFORE, HERE, LIVE_BEFORE, LIVE_HERE, PROGRESS = range(6)
"""When a row was observed: while calibrating; in an earlier phase before the canary, or this one; in an earlier live phase, or
this one; and where it counts as one of this live phase's observations."""
_PASSED = {HERE: BEFORE, LIVE_HERE: LIVE_BEFORE, PROGRESS: LIVE_BEFORE}
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"

Arms = tuple[int | None, int | None]
"""Human verdicts on (incumbent, challenger): 1 right, 0 wrong, None where nobody has said yet."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pair: its kind, when it was observed, its sampling probability; of a drawn one also who it is and what was said."""

    kind: int
    stage: int
    thousandths: int = 1000
    query_hash: str = ""
    said: Arms = (None, None)
    drawn_at_ms: int = 0

    @property
    def drawn(self) -> bool:
        """Whether people are asked about it."""
        return self.kind >= DRAWN

    @property
    def label(self) -> int | None:
        """Y by the human verdicts, None while one is wanted."""
        incumbent, challenger = self.said
        return None if incumbent is None or challenger is None else challenger - incumbent

    @property
    def agrees(self) -> bool:
        """Whether rater and people say the same of the difference."""
        return self.drawn and self.label == self.kind - DRAWN - 1

    @property
    def stops(self) -> bool:
        """Whether a label is wanted."""
        return self.drawn and self.label is None


@dataclass(frozen=True, slots=True)
class Line:
    """The pairs that wait, first first, beginning with one that stops the line; what labels have told of the rater so far.

    items are rows that were drawn, and runs of others: (sampling probability in thousandths, one letter a row). early are
    verdicts whose pairs have not come: (query hash, 1 for the challenger, verdict). counted are the digests of the drawn pairs
    that were counted last, one after the other.
    """

    items: tuple[Row | tuple[int, str], ...] = ()
    sum_yr: int = 0
    sum_rr: int = 0
    early: tuple[tuple[str, int, int], ...] = ()
    counted: str = ""

    @property
    def weight(self) -> int:
        """The rater's weight in tenths, from the labels that have been counted."""
        return ppi.power_tuned(self.sum_yr, self.sum_rr)

    @property
    def waiting(self) -> tuple[Row, ...]:
        """The pairs whose labels are wanted."""
        return tuple(item for item in self.items if isinstance(item, Row) and item.stops)

    @property
    def rows(self) -> int:
        """How many pairs wait."""
        return sum(1 if isinstance(item, Row) else len(item[1]) for item in self.items)

    def passed(self) -> "Line":
        """Return the line at the beginning of another phase: what waits was observed before it."""
        return replace(self, items=tuple(_passed(item) for item in self.items))

    def labelled(self, query_hash: str, challenger: bool, verdict: int) -> tuple["Line", str]:
        """Return the line with a verdict in it, and what became of it: had, repeated or early. The first verdict stands."""
        for i, item in enumerate(self.items):
            if isinstance(item, Row) and item.query_hash == query_hash:
                if item.said[challenger] is not None:
                    return self, "repeated"
                said = (item.said[0], verdict) if challenger else (verdict, item.said[1])
                return replace(self, items=(*self.items[:i], replace(item, said=said), *self.items[i + 1 :])), "had"
        if any(each[:2] == (query_hash, int(challenger)) for each in self.early) or self._had(query_hash):
            return self, "repeated"
        return replace(self, early=(*self.early, (query_hash, int(challenger), verdict))[-MAX_EARLY:]), "early"

    def _had(self, query_hash: str) -> bool:
        """Tell whether a drawn pair is among those that were counted last."""
        digest, known = _digest(query_hash), self.counted
        return any(known[i : i + DIGEST] == digest for i in range(0, len(known), DIGEST))

    def ready(self) -> list[Row]:
        """Return the pairs from the first on that can be counted now."""
        found: list[Row] = []
        for item in self.items:
            if isinstance(item, Row):
                if item.stops:
                    break
                found.append(item)
            else:
                found += [_row(letter, item[0]) for letter in item[1]]
        return found

    def after(self, rows: Sequence[Row]) -> "Line":
        """Return the line without its first rows, which have been counted."""
        items, left = list(self.items), len(rows)
        while left:
            item = items[0]
            if isinstance(item, Row) or len(item[1]) <= left:
                left -= 1 if isinstance(item, Row) else len(item[1])
                items.pop(0)
            else:
                items[0], left = (item[0], item[1][left:]), 0
        return replace(self, items=tuple(items)).learnt(rows)

    def learnt(self, rows: Iterable[Row]) -> "Line":
        """Return the line that knows what the labels of these rows tell of the rater, and that they were counted."""
        yr, rr, counted = self.sum_yr, self.sum_rr, self.counted
        for row in rows:
            if row.drawn and row.label is not None:
                rater = row.kind - DRAWN - 1
                yr, rr = yr + rater * row.label, rr + rater * rater
                counted += _digest(row.query_hash)
        return replace(self, sum_yr=yr, sum_rr=rr, counted=counted[-MAX_COUNTED * DIGEST :])

    def to_json(self) -> dict[str, Any]:
        """Return the line as JSON values."""
        items = [
            [r.kind, r.stage, r.thousandths, r.query_hash, list(r.said), r.drawn_at_ms] if isinstance(r, Row) else list(r)
            for r in self.items
        ]
        early = [list(each) for each in self.early]
        return {"items": items, "sum_yr": self.sum_yr, "sum_rr": self.sum_rr, "early": early, "counted": self.counted}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Line":
        """Return the line that `to_json` wrote."""
        early = tuple((query_hash, challenger, verdict) for query_hash, challenger, verdict in data["early"])
        return cls(tuple(_item(each) for each in data["items"]), data["sum_yr"], data["sum_rr"], early, data["counted"])


@dataclass(slots=True)
class Taking:
    """Rows that come to a line one after another: which are counted at once, which wait, which are not taken."""

    line: Line
    max_waiting: int
    counted: list[Row | None] = field(default_factory=list)
    refused: int = 0
    _items: list[Row | tuple[int, str]] = field(default_factory=list)
    _waiting: int = 0
    _rows: int = 0

    def __post_init__(self) -> None:
        self._items, self._waiting, self._rows = list(self.line.items), len(self.line.waiting), self.line.rows

    def take(self, row: Row | None) -> None:
        """Take the next row of a block; None is one without any correctness."""
        if row is not None and (self._waiting >= self.max_waiting or self._rows >= MAX_ROWS):
            self.refused += 1
            row = None
        if row is not None and row.drawn:
            row = self._met(row)
        stands = bool(self._items) or (row is not None and row.stops)
        self.counted.append(None if row is None or stands else row)
        if row is None or not stands:
            return
        self._waiting += row.stops
        self._rows += 1
        last = self._items[-1] if self._items else None
        if row.drawn:
            self._items.append(row)
        elif isinstance(last, tuple) and last[0] == row.thousandths:
            self._items[-1] = (last[0], last[1] + _letter(row))
        else:
            self._items.append((row.thousandths, _letter(row)))

    def done(self) -> Line:
        """Return the line after the rows."""
        left = replace(self.line, items=tuple(self._items))
        return left.learnt(row for row in self.counted if row is not None)

    def _met(self, row: Row) -> Row:
        """Return a drawn row with the verdicts that came before it."""
        if not any(each[0] == row.query_hash for each in self.line.early):
            return row
        said = list(row.said)
        for query_hash, challenger, verdict in self.line.early:
            if query_hash == row.query_hash and said[challenger] is None:
                said[challenger] = verdict
        kept = tuple(each for each in self.line.early if each[0] != row.query_hash)
        self.line = replace(self.line, early=kept)
        return replace(row, said=(said[0], said[1]))


def _digest(query_hash: str) -> str:
    return b64encode(hashlib.sha256(query_hash.encode()).digest()[: DIGEST * 3 // 4]).decode()


def _letter(row: Row) -> str:
    return _LETTERS[row.stage * KINDS + row.kind]


def _row(letter: str, thousandths: int) -> Row:
    stage, kind = divmod(_LETTERS.index(letter), KINDS)
    return Row(kind, stage, thousandths)


def _passed(item: Row | tuple[int, str]) -> Row | tuple[int, str]:
    if isinstance(item, Row):
        return replace(item, stage=_PASSED.get(item.stage, item.stage))
    return item[0], item[1].translate(_TO_PASSED)


def _item(data: list[Any]) -> Row | tuple[int, str]:
    if len(data) == 2:
        return data[0], data[1]
    return Row(data[0], data[1], data[2], data[3], (data[4][0], data[4][1]), data[5])


_TO_PASSED = str.maketrans(
    {
        _LETTERS[stage * KINDS + kind]: _LETTERS[_PASSED.get(stage, stage) * KINDS + kind]
        for stage in range(6)
        for kind in range(KINDS)
    }
)
