"""Take the constants out of a query, so that queries which differ in nothing else are parsed once.

Parsing costs most of what scoring a pair costs, and an agent writes the same query for one account and date after another.
Text constants become slots, and so do numbers on a comparison's right side and in an IN list; other numbers stay, since
they may be ordinals, limits or the 1 of ``count(1)``. What this small lexer does not know for sure it leaves alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

DIALECTS = frozenset({"sqlite", "postgres", "postgresql", "duckdb", ""})
"""Dialects whose text constants are in single quotes, with the quote doubled and no other escape."""
NUMBER_MARK = "917745"
_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|[A-Za-z_]\w*)
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<op><>|<=|>=|!=|==|->>|->|\|\||::|[-+*/%<>=(),.;~&|])|(?P<space>\s+)""",
    re.VERBOSE,
)
_BEFORE_NUMBER = frozenset({"=", "==", "<", ">", "<=", ">=", "<>", "!=", "BETWEEN", "AND"})
_NOT_BEFORE_TEXT = frozenset(
    {"INTERVAL", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "ESCAPE", "AS", "FROM", "JOIN", "->", "->>", "E", "X", "B", "N"}
)
_COMMENT = re.compile(r"--|/\*|\$|\\|:\w|\x00")


@dataclass(frozen=True, slots=True)
class Template:
    """A query with slots, and the constants for them as they stood in it."""

    text: str
    constants: tuple[str, ...]


def template_of(sql: str, dialect: str) -> Template:
    """Return the template of a query; the query itself, without slots, where it holds anything unusual."""
    if dialect not in DIALECTS or NUMBER_MARK in sql or _COMMENT.search(sql):
        return Template(sql, ())
    parts: list[str] = []
    constants: list[str] = []
    position, before, lists = 0, "", _InList()
    for match in _TOKEN.finditer(sql):
        if match.start() != position:
            return Template(sql, ())
        position, kind, word = match.end(), match.lastgroup, match[0]
        if kind == "space":
            continue
        known = before
        before = word if kind == "op" else word.upper()
        inside = lists.see(known, before)
        if (kind == "text" and known not in _NOT_BEFORE_TEXT) or (kind == "number" and (known in _BEFORE_NUMBER or inside)):
            constants.append(word)
            word = slot(len(constants) - 1, kind)
        parts.append(word)
    if position != len(sql) or len(constants) > 999:
        return Template(sql, ())
    return Template(" ".join(parts), tuple(constants))


def slot(index: int, kind: str) -> str:
    """Return the constant that stands for another one in a template."""
    return f"{NUMBER_MARK}{index:03d}" if kind == "number" else f"'{NUMBER_MARK}{index:03d}'"


def slot_index(value: str, constants: Sequence[str]) -> int | None:
    """Return which constant a literal's text stands for, None where it is itself."""
    if constants and len(value) == 9 and value.startswith(NUMBER_MARK):
        return int(value[6:])
    return None


class _InList:
    """Knows whether a token is an element of an IN list."""

    def __init__(self) -> None:
        self._open = False

    def see(self, before: str, word: str) -> bool:
        if before == "IN" and word == "(":
            self._open = True
            return False
        if self._open and word not in (",",) and before not in ("(", ","):
            self._open = False
        return self._open
