"""Take the constants out of a query, so that queries which differ in nothing else are parsed once.

Parsing costs most of what scoring a pair costs, and an agent writes the same query for one account and date after another.
Text constants become slots, and so do numbers on a comparison's right side and in an IN list; other numbers stay, since
they may be ordinals, limits or the 1 of ``count(1)``. What is not known for sure is left alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

DIALECTS = frozenset({"sqlite", "postgres", "postgresql", "duckdb", ""})
"""Dialects whose text constants are in single quotes, with the quote doubled and no other escape."""
NUMBER_MARK = "917745"
_NUMBER = re.compile(
    r"""(?P<before>(?:[<>=]|\b(?:BETWEEN|AND))\s*)(?P<number>\d+(?:\.\d+)?)(?![\w.])
    |(?P<in>\bIN\s*\(\s*)(?P<list>\d+(?:\s*,\s*\d+)*)(?=\s*\))""",
    re.VERBOSE | re.IGNORECASE,
)
_KEPT = re.compile(r"(?:\b(?:INTERVAL|DATE|TIME|TIMESTAMP|TIMESTAMPTZ|ESCAPE|AS|FROM|JOIN|[EXBN])|->>?)\s*$", re.IGNORECASE)
_UNUSUAL = re.compile(r"""--|/\*|[$\\\x00"`\[]|''""")
"""Comments, quoted names, escapes: rare, and each would need a real lexer."""


@dataclass(frozen=True, slots=True)
class Template:
    """A query with slots, and the constants for them as they stood in it."""

    text: str
    constants: tuple[str, ...]


def template_of(sql: str, dialect: str) -> Template:
    """Return the template of a query; the query itself, without slots, where it holds anything unusual."""
    if dialect not in DIALECTS or NUMBER_MARK in sql or _UNUSUAL.search(sql):
        return Template(sql, ())
    constants: list[str] = []
    text = _NUMBER.sub(lambda match: _numbers(match, constants), _without_texts(sql, constants))
    return Template(text, tuple(constants)) if len(constants) < 1_000 else Template(sql, ())


def _without_texts(sql: str, constants: list[str]) -> str:
    """Cut the text constants out: every second part between single quotes is one."""
    parts = sql.split("'")
    if len(parts) % 2 == 0:
        return sql  # a quote is missing; the parser will say so
    for at in range(1, len(parts), 2):
        if _KEPT.search(parts[at - 1][-14:]) or parts[at + 1][:1] == ".":
            continue
        constants.append(f"'{parts[at]}'")
        parts[at] = f"{NUMBER_MARK}{len(constants) - 1:03d}"
    return "'".join(parts)


def _numbers(match: re.Match[str], constants: list[str]) -> str:
    if match["number"] is not None:
        constants.append(match["number"])
        return f"{match['before']}{NUMBER_MARK}{len(constants) - 1:03d}"
    slots = []
    for number in match["list"].split(","):
        constants.append(number.strip())
        slots.append(f"{NUMBER_MARK}{len(constants) - 1:03d}")
    return match["in"] + ",".join(slots)


def slot_index(value: str, constants: Sequence[str]) -> int | None:
    """Return which constant a literal's text stands for, None where it is itself."""
    if constants and len(value) == 9 and value.startswith(NUMBER_MARK):
        return int(value[6:])
    return None
