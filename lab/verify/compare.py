"""Two decision records field by field: where do they first differ?

Everything must be equal exactly, but for the bounds of intervals: they are roots that are found numerically, and another
machine's libraries may end a few units in the last places away.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dualgate.schemas.plain import to_plain

INTERVAL_TOLERANCE = 1e-5
"""Absolute, in the dimension's own units. Bounds are told with four digits, and decide nothing."""

_BOUNDS = ("interval_low", "interval_high")


def compare(recorded: Any, recomputed: Any, ignore: tuple[str, ...] = ()) -> tuple[str, Any, Any] | None:
    """Return the first field (dotted path) in which two records differ, with both values; None where they are equal."""
    differences = _differences("", to_plain(recorded), to_plain(recomputed))
    return next((found for found in differences if found[0] not in ignore), None)


def _differences(path: str, recorded: Any, recomputed: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(recorded, Mapping) and isinstance(recomputed, Mapping):
        for name in {**recorded, **recomputed}:
            where = f"{path}.{name}" if path else str(name)
            yield from _differences(where, recorded.get(name), recomputed.get(name))
    elif not _equal(path, recorded, recomputed):
        yield path, recorded, recomputed


def _equal(path: str, recorded: Any, recomputed: Any) -> bool:
    if recorded is None or recomputed is None:
        return recorded is recomputed
    if path.startswith("dimensions.") and path.endswith(_BOUNDS):
        return bool(abs(recorded - recomputed) <= INTERVAL_TOLERANCE)
    return bool(recorded == recomputed)
