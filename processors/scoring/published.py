"""Results that agents publish with their answers, compared with the golden one; each distinct text once."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

from dualgate.processors.scoring.comparison import same_result

Rows = Sequence[Sequence[Any]]
MAX_KNOWN = 1_000
"""Published texts that one reference remembers: a result that so many agents told differently is told differently again."""


class Reference:
    """Rows that answers are held to, with what was found of published ones; it lives as long as the rows do."""

    __slots__ = ("_known", "rows")

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._known: dict[tuple[bool, bytes], bool | None] = {}

    def matches(self, text: str, ordered: bool) -> bool | None:
        """Return whether a published result is the same; None where the text holds no whole result."""
        key = (ordered, blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
        if key not in self._known:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            published = published_rows(text)
            self._known[key] = None if published is None else same_result(self.rows, published, ordered)
        return self._known[key]


def published_rows(text: str) -> Rows | None:
    """Return the rows that an answer carries; None where they are not whole."""
    try:
        result = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return None if isinstance(result, dict) and result.get("truncated") else rows_of(result)


def rows_of(result: Any) -> list[list[Any]] | None:
    """Return the rows of a published result, None where it has not that shape."""
    rows = result.get("rows") if isinstance(result, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return None
    if rows and any(len(row) != len(rows[0]) for row in rows):
        return None
    return rows
