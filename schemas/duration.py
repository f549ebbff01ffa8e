"""Durations in configuration: ``90s``, ``30m``, ``24h``, ``7d``; milliseconds inside."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
LONGEST_MS = 36_500 * 86_400_000
"""Longer than anything lasts, and far inside the 64 bits in which records hold times."""
_DIGITS = 16


def parse_duration(value: Any) -> int:
    """Return the milliseconds of a duration; ValueError says what is accepted."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a whole number with a unit: 90s, 30m, 24h or 7d")
    ms = int(match[1]) * UNITS_MS[match[2]] if len(match[1]) <= _DIGITS else LONGEST_MS + 1
    if ms > LONGEST_MS:
        raise ValueError(f"a duration is at most {LONGEST_MS // UNITS_MS['d']}d")
    return ms


def format_duration(ms: int) -> str:
    """Return the shortest text of a duration; `parse_duration` reads it back to the same number."""
    unit = next(u for u in ("d", "h", "m", "s", "ms") if ms % UNITS_MS[u] == 0)
    return f"{ms // UNITS_MS[unit]}{unit}"


DurationMs = Annotated[int, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
