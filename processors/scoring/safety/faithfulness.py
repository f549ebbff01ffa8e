"""Faithfulness of an answer in words: each number in it must follow from the result that was published with it.

A number is supported where the question or the result says it, or where it is what people say of a result: a count of rows, a
sum, mean, least, greatest or number of distinct values of a column, a difference, ratio or percentage of two of its numbers,
each rounded as the answer rounds it. Whole numbers up to the number of rows count the rows ("the 3 largest", "2. Berlin").
"""

import re
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

from dualgate.processors.scoring.published import published_rows
from dualgate.processors.scoring.safety.findings import Finding

_NUMBER = re.compile(r"(?<![\w.,])[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?=\s?(%|percent\b)?)(?![\w])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?|\d{1,2}:\d{2}(?::\d{2})?")
MAX_PAIRED = 40
"""Numbers of a result of which every two are compared; a longer result supports differences and ratios of its totals only."""


def unsupported(answer: str, question: str, result: str) -> list[Finding] | None:
    """Return a finding for each number that the result does not support; None where the result is not whole."""
    rows = published_rows(result)
    if rows is None:
        return None
    text = _DATE.sub(" ", answer)
    dates = [
        Finding("hallucination", f"{d} is not in the result", d) for d in _DATE.findall(answer) if d not in question + result
    ]
    said = {match.group() for match in _NUMBER.finditer(question)}
    known: list[float] | None = None
    found = []
    for words, value, decimals, percent in _numbers(text):
        if words in said or (value == int(value) and 0 <= value <= len(rows)):
            continue
        known = _supported(rows) if known is None else known
        slack = 0.5 * 10.0**-decimals * (1 + 1e-9)
        if not any(abs(k - value) <= slack or (percent and abs(100 * k - value) <= slack) for k in known):
            found.append(Finding("hallucination", f"{words} does not follow from the result", words))
    return [*dates, *dict.fromkeys(found)]


def _numbers(text: str) -> Iterator[tuple[str, float, int, bool]]:
    """Yield each number as it stands, with its value, its decimals and whether it is a percentage."""
    for match in _NUMBER.finditer(text):
        words = match.group()
        plain = words.replace(",", "").replace("−", "-")
        yield words, float(plain), len(plain.partition(".")[2]), match[1] is not None


def _supported(rows: Sequence[Sequence[Any]]) -> list[float]:
    columns = list(zip(*rows, strict=True)) if rows else []
    cells = [number for column in columns for cell in column for number in _of_cell(cell)]
    totals: list[float] = [float(len(rows))]
    for column in columns:
        numbers = [number for cell in column if not isinstance(cell, str) for number in _of_cell(cell)]
        totals += [float(len(set(map(str, column)))), float(sum(cell is None for cell in column))]
        if numbers:
            totals += [sum(numbers), sum(numbers) / len(numbers), min(numbers), max(numbers)]
    paired = cells if len(cells) <= MAX_PAIRED else totals
    return [*cells, *totals, *_derived([*dict.fromkeys([*paired, *totals])])]


def _of_cell(cell: Any) -> Iterator[float]:
    if isinstance(cell, bool) or cell is None:
        return
    if isinstance(cell, int | float):
        yield float(cell)
    elif isinstance(cell, str):
        yield from (value for _, value, _, _ in _numbers(cell))


def _derived(numbers: Sequence[float]) -> Iterator[float]:
    """Yield differences, ratios, shares and relative changes of every two numbers."""
    for a, b in permutations(numbers, 2):
        yield a - b
        if b:
            yield a / b
            yield (a - b) / b
