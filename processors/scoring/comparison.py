"""Are two query results the same: multisets of rows, columns in any order, rows in order only where the reference orders.

Numbers are equal within a relative 1e-9 (sums in another order differ by about 1e-12; whole numbers are compared exactly),
dates by what they say and not by their type (moments with an offset as moments, whatever the offset), NULL only to NULL, text
exactly. What JSON has no type for (a UUID, an address) is the text that it would be published as.
"""

import datetime as dt
import math
import re
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from hashlib import blake2b
from itertools import pairwise
from typing import Any

Cell = Any
Row = Sequence[Cell]

TOLERANCE = 1e-9
MAX_TRIALS = 2_000
"""Column assignments that are tried before two results with many alike columns are called different."""
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(:\d{2})?(?:\.(\d+))?(Z|[+-]\d{2}(?::?\d{2})?)?")


def same_result(reference: Sequence[Row], answer: Sequence[Row], ordered: bool) -> bool:
    """Tell whether an answer's rows are the reference's; ordered says whether their order is part of the question."""
    if len(reference) != len(answer):
        return False
    if not reference:
        return True
    if len(reference[0]) != len(answer[0]):
        return False
    if reference == answer:
        return True
    return _match(_canonical(reference), _canonical(answer), ordered)


def result_digest(rows: Sequence[Row], ordered: bool = False) -> str:
    """Return a digest of a result for agents that publish no rows.

    Equal digests say that two results are the same; different ones say nothing, since the columns may stand in another order
    or a number may lie on the other side of a rounding boundary.
    """
    lines = [repr([f"{c:.9g}" if c.__class__ in (int, float) else c for c in row]) for row in _canonical(rows)]
    text = "\n".join(lines if ordered else sorted(lines))
    return f"{'list' if ordered else 'bag'}:{blake2b(text.encode(), digest_size=16).hexdigest()}"


def _match(reference: list[list[Cell]], answer: list[list[Cell]], ordered: bool) -> bool:
    reference, answer = _snap(reference, answer)
    gold_columns, columns = list(zip(*reference, strict=True)), list(zip(*answer, strict=True))
    candidates = _candidates(gold_columns, columns, ordered)
    if ordered:  # equal columns are interchangeable, so pairing them off by value is all there is to do
        return candidates is not None
    if candidates is None:
        return False
    if len(gold_columns) == 1:
        return True
    return _assign(gold_columns, columns, candidates)


def _candidates(gold: list[tuple[Cell, ...]], columns: list[tuple[Cell, ...]], ordered: bool) -> list[list[int]] | None:
    """Return for each reference column the answer's columns with the same values, None where the columns cannot match."""
    marks = [column if ordered else frozenset(Counter(column).items()) for column in columns]
    gold_marks = [column if ordered else frozenset(Counter(column).items()) for column in gold]
    if Counter(marks) != Counter(gold_marks):
        return None
    return [[i for i, mark in enumerate(marks) if mark == wanted] for wanted in gold_marks]


def _assign(gold: list[tuple[Cell, ...]], columns: list[tuple[Cell, ...]], candidates: list[list[int]]) -> bool:
    """Search an order of the answer's columns in which the multisets of rows agree, the most constrained column first."""
    order = sorted(range(len(gold)), key=lambda g: len(candidates[g]))
    trials = 0

    def extend(chosen: list[int]) -> bool:
        nonlocal trials
        depth = len(chosen)
        if depth and Counter(zip(*(gold[g] for g in order[:depth]), strict=True)) != Counter(
            zip(*(columns[c] for c in chosen), strict=True)
        ):
            return False
        if depth == len(order):
            return True
        for candidate in candidates[order[depth]]:
            if candidate in chosen:
                continue
            trials += 1
            if trials > MAX_TRIALS:
                return False
            if extend([*chosen, candidate]):
                return True
        return False

    return extend([])


def _canonical(rows: Sequence[Row]) -> list[list[Cell]]:
    return [[cell if cell.__class__ is int else _cell(cell) for cell in row] for row in rows]


def _cell(cell: Cell) -> Cell:
    """Return a cell in the one form in which equal values are equal."""
    kind = cell.__class__
    if kind is str:
        return _text(cell)
    if kind is float or kind is Decimal:
        return int(cell) if kind is Decimal and _is_whole(cell) else _number(float(cell))
    if cell is None or kind is int:
        return cell
    if kind is bool:
        return int(cell)
    if isinstance(cell, dt.datetime | dt.date | dt.time):
        return _text(cell.isoformat(" ") if isinstance(cell, dt.datetime) else cell.isoformat())
    if isinstance(cell, bytes | bytearray | memoryview):
        return ("bytes", bytes(cell))
    if isinstance(cell, list | tuple):
        return ("list", *map(_cell, cell))
    if isinstance(cell, dict):
        return ("map", *sorted((str(key), repr(_cell(value))) for key, value in cell.items()))
    return _text(str(cell))


def _is_whole(value: Decimal) -> bool:
    """Tell whether a number is a whole one that floats reach; one of PostgreSQL's 130,000 digits takes a second to make."""
    return value.is_finite() and value.adjusted() < sys.float_info.max_10_exp and value == int(value)


def _number(value: float) -> Cell:
    if math.isnan(value):
        return ("nan",)
    return int(value) if math.isfinite(value) and value == int(value) else value


def _text(value: str) -> str:
    if len(value) < 16 or not value[:4].isdigit():
        return value
    moment = _MOMENT.fullmatch(value)
    return _moment(moment) if moment else value


def _moment(found: re.Match[str]) -> str:
    """Return a moment with its seconds, without zeros behind them, at +00:00 if it has an offset; midnight is its day."""
    day, minutes, seconds, fraction, offset = found.groups()
    plain = f"{day} {minutes}{seconds or ':00'}"
    fraction = (fraction or "").rstrip("0")
    if offset is not None:
        digits = "0000" if offset == "Z" else offset[1:].replace(":", "").ljust(4, "0")
        ahead = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        try:
            plain = (dt.datetime.fromisoformat(plain) + (ahead if offset[0] == "-" else -ahead)).isoformat(" ")
        except (ValueError, OverflowError):  # no date of the calendar
            return found[0]
    midnight = plain.endswith(" 00:00:00") and not fraction
    return plain[:10] if midnight else f"{plain}{'.' if fraction else ''}{fraction}{'' if offset is None else '+00:00'}"


def _snap(reference: list[list[Cell]], answer: list[list[Cell]]) -> tuple[list[list[Cell]], list[list[Cell]]]:
    """Replace numbers that lie within the tolerance of one another by the least of them, over both results.

    Rounding would part neighbours on both sides of a rounding boundary. No two whole numbers are ever taken for one, though a
    number between them is within the tolerance of both.
    """
    floats = {cell for row in (*reference, *answer) for cell in row if cell.__class__ is float}
    if not floats:
        return reference, answer
    numbers = sorted(floats | {cell for row in (*reference, *answer) for cell in row if cell.__class__ is int})
    least, whole = numbers[:1], numbers[0].__class__ is int
    for before, here in pairwise(numbers):
        another = whole and here.__class__ is int
        if another or not math.isclose(before, here, rel_tol=TOLERANCE, abs_tol=1e-12):
            least.append(here)
            whole = False
        whole = whole or here.__class__ is int

    def snapped(rows: list[list[Cell]]) -> list[list[Cell]]:
        return [[least[bisect_right(least, c) - 1] if c.__class__ in (int, float) else c for c in row] for row in rows]

    return snapped(reference), snapped(answer)
