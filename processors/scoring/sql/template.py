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
_CONSTANT = re.compile(
    r"""(?P<name>"[^"]*"|`[^`]*`|\[[^\]]*\])
    |(?P<kept>(?:\b(?:INTERVAL|DATE|TIME|TIMESTAMP|TIMESTAMPTZ|ESCAPE|AS|FROM|JOIN|[EXBN])\s*|->>?\s*)'(?:[^']|'')*')
    |(?P<text>'(?:[^']|'')*')
    |(?P<before>(?:[<>=]|\b(?:BETWEEN|AND)\b)\s*)(?P<number>\d+(?:\.\d+)?)(?![\w.])
    |(?P<in>\bIN\s*\(\s*)(?P<list>\d+(?:\s*,\s*\d+)*)(?=\s*\))""",
    re.VERBOSE | re.IGNORECASE,
)
_UNUSUAL = re.compile(r"--|/\*|[$\\\x00]")


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

    def cut(constant: str, kind: str) -> str:
        constants.append(constant)
        return slot(len(constants) - 1, kind)

    def replace(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind == "text":
            return cut(match[0], "text")
        if kind == "number":
            return match["before"] + cut(match["number"], "number")
        if kind == "list":
            return match["in"] + ",".join(cut(number.strip(), "number") for number in match["list"].split(","))
        return match[0]

    text = _CONSTANT.sub(replace, sql)
    return Template(text, tuple(constants)) if len(constants) < 1_000 else Template(sql, ())


def slot(index: int, kind: str) -> str:
    """Return the constant that stands for another one in a template."""
    return f"{NUMBER_MARK}{index:03d}" if kind == "number" else f"'{NUMBER_MARK}{index:03d}'"


def slot_index(value: str, constants: Sequence[str]) -> int | None:
    """Return which constant a literal's text stands for, None where it is itself."""
    if constants and len(value) == 9 and value.startswith(NUMBER_MARK):
        return int(value[6:])
    return None
