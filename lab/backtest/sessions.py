"""Sessions as units: the rows of a scored log, one a session with the means of its queries, where the file says unit: session.

A mean is in thousandths, rounded against the challenger: good ones down, bad ones up, the incumbent's the other way. A dimension
on which the challenger alone gave no answer anywhere in a session is silent in all of it. A query without a session is one.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import groupby
from typing import Any, TypeVar

from dualgate.schemas.records import CoverageBlock, DimensionColumns, LedgerEntry, QualityBlock

ROWS = 500
_BAD = ("latency", "safety")
Row = tuple[QualityBlock | CoverageBlock, int]
T = TypeVar("T")


def by_session(entries: Iterable[LedgerEntry]) -> Iterator[LedgerEntry]:
    """Yield blocks whose rows are sessions, in the order of their last queries; what came late keeps a row of its own."""
    paired: dict[tuple[str, object], list[Row]] = {}
    lost: dict[str, list[Row]] = {}
    for block in (block for entry in entries if (block := entry.quality or entry.coverage) is not None):
        for i, session in enumerate(block.session_hash):
            row: Row = (block, i)
            if isinstance(block, CoverageBlock) and session is not None and block.reason[i] != "late":
                lost.setdefault(session, []).append(row)
                continue
            key = ("query", block.query_hash[i]) if session is None else (session, _versions(block, i))
            paired[key] = [*paired.pop(key, ()), row]
    for (session, _), rows in paired.items():
        rows += lost.pop(session, ())
    yield from _entries([_mean(rows) for rows in (*paired.values(), *lost.values())])


def _versions(block: QualityBlock | CoverageBlock, i: int) -> object:
    """Return the versions that answered; a late answer, which is no pair, is alone with its query."""
    if isinstance(block, QualityBlock):
        return block.incumbent.version[i], block.challenger.version[i]
    return block.query_hash[i]


def _mean(rows: Sequence[Row]) -> QualityBlock | CoverageBlock:
    """Return a block of one row: a session's."""
    pairs = [(b, i) for b, i in rows if isinstance(b, QualityBlock)]
    if not pairs:
        return _picked(*rows[-1])
    silent = any(isinstance(b, CoverageBlock) and b.silent_arm[i] == "challenger" for b, i in rows)
    last = _picked(*pairs[-1])
    return replace(last, dimensions={name: _averaged(name, pairs, silent) for name in last.dimensions})


def _averaged(name: str, pairs: Sequence[tuple[QualityBlock, int]], silent: bool) -> DimensionColumns:
    cells = [(b.dimensions[name], i) for b, i in pairs if name in b.dimensions]
    scored = [(c.incumbent[i], c.challenger[i]) for c, i in cells if c.state[i] == "scored"]
    both = [(a, b) for a, b in scored if a is not None and b is not None]
    alone = [
        c.incumbent[i] for c, i in cells if c.state[i] == "missing" and c.challenger[i] is None and c.incumbent[i] is not None
    ]
    bad = name.split(".")[0] in _BAD
    base = _picked(*cells[-1])
    if silent or alone:
        return replace(base, incumbent=[0.0], challenger=[None], state=["missing"], reason=["no answer of the challenger"])
    if both:
        incumbent, challenger = ([pair[arm] for pair in both] for arm in (0, 1))
        return replace(
            base, incumbent=[_thousandths(incumbent, not bad)], challenger=[_thousandths(challenger, bad)], state=["scored"]
        )
    if any(c.state[i] == "missing" for c, i in cells):
        return replace(base, incumbent=[None], challenger=[None], state=["missing"])
    return base


def _thousandths(values: Sequence[float], up: bool) -> float:
    """Return the mean in thousandths, rounded up or down; what is whole in hundredths stays what it is."""
    mean = round(1000 * math.fsum(values) / len(values), 6)
    return (math.ceil(mean) if up else math.floor(mean)) / 1000


def _picked(columns: T, i: int) -> T:
    """Return columns with one of their rows."""
    return _mapped(columns, [columns], lambda lists: [lists[0][i]])


def _mapped(like: T, given: Sequence[Any], put: Callable[[list[list[Any]]], list[Any]]) -> T:
    """Return columns like these, each column put together from the same column of all that are given."""
    changed: dict[str, Any] = {}
    for f in fields(like):  # type: ignore[arg-type]
        value, parts = getattr(like, f.name), [getattr(each, f.name) for each in given]
        if isinstance(value, list):
            changed[f.name] = put(parts)
        elif is_dataclass(value):
            changed[f.name] = _mapped(value, parts, put)
        elif f.name == "dimensions":
            changed[f.name] = {name: _mapped(each, [part[name] for part in parts], put) for name, each in value.items()}
    return replace(like, **changed)  # type: ignore[type-var]


def _entries(rows: Sequence[QualityBlock | CoverageBlock]) -> Iterator[LedgerEntry]:
    """Yield blocks of up to ROWS rows of one kind, with the offsets that their places give them."""
    place = 0
    for _, alike in groupby(rows, key=lambda row: (type(row), getattr(row, "dimensions", {}).keys())):
        whole = list(alike)
        for start in range(0, len(whole), ROWS):
            part = whole[start : start + ROWS]
            block = _mapped(part[0], part, lambda lists: [value for each in lists for value in each])
            end = place + len(part)
            placed, place = replace(block, from_offset=place, to_offset=end, offset=list(range(place, end))), end
            yield LedgerEntry(quality=placed) if isinstance(placed, QualityBlock) else LedgerEntry(coverage=placed)
