"""Parse SQL with sqlglot, each template once."""

import logging
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dualgate.processors.scoring.cache import Cache
from dualgate.processors.scoring.deadline import TookTooLong, processor_seconds
from dualgate.processors.scoring.sql.template import Template, template_of

MAX_CHARACTERS = 50_000
MAX_DEPTH = 200
"""Brackets within brackets. Python stops a deeper recursion by itself; sqlglot's compiled build ends the process."""
MAX_SECONDS = 5.0
"""A hundred times what the longest real queries take; ``FROM a JOIN a JOIN a …`` without ON doubles it with each JOIN."""
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of statements it does not model; they are findings of ours


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """The statements of a template, or why it cannot be parsed. Compared by identity: one object a template."""

    template: str
    statements: tuple[exp.Expr, ...]
    error: str | None = None

    @property
    def query(self) -> exp.Query | None:
        """Return the one query, None where this is anything else."""
        only = self.statements[0] if len(self.statements) == 1 else None
        return only if isinstance(only, exp.Query) else None


_templates: Cache[tuple[str, str], Template] = Cache(50_000)
_parsed: Cache[tuple[str, str], Parsed] = Cache(10_000)


def template(sql: str, dialect: str | None) -> Template:
    """Return a query's template, from memory where it is known."""
    key = (sql, dialect or "")
    return _templates.of(key, lambda: template_of(*key))


def parsed(sql: str, dialect: str | None) -> Parsed:
    """Return the parsed template of a query."""
    text = template(sql, dialect).text
    return _parsed.of((text, dialect or ""), lambda: _parse(text, dialect))


def ends_in_order(sql: str | None, dialect: str | None) -> bool:
    """Tell whether a query orders its rows at the top level; what cannot be parsed does not."""
    query = parsed(sql, dialect).query if sql else None
    return query is not None and _outermost(query).args.get("order") is not None


def _outermost(query: exp.Query) -> exp.Expr:
    node: exp.Expr = query
    while isinstance(node, exp.Subquery) and node.args.get("order") is None:
        node = node.this
    return node


def _parse(text: str, dialect: str | None) -> Parsed:
    if len(text) > MAX_CHARACTERS:
        return Parsed(text, (), f"longer than {MAX_CHARACTERS} characters")
    if _depth(text) > MAX_DEPTH:
        return Parsed(text, (), f"nested deeper than {MAX_DEPTH} brackets")
    try:
        with processor_seconds(MAX_SECONDS):
            statements = tuple(s for s in sqlglot.parse(text, dialect=dialect or None) if s is not None)
    except (SqlglotError, RecursionError, TookTooLong, ValueError, AttributeError, TypeError, IndexError, KeyError) as error:
        return Parsed(text, (), (str(error).splitlines() or [type(error).__name__])[0][:200])
    return Parsed(text, statements, None if statements else "empty")


def _depth(text: str) -> int:
    """Return how deep brackets are nested, those in comments and text constants included."""
    if text.count("(") + text.count("[") + text.count("<") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for character in text:
        if character in "([<":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]>":
            depth = max(0, depth - 1)
    return deepest
