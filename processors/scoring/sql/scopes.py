"""What the names of a query mean, once it is resolved: SELECTs with their sources, and each column's place in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

Tables = Mapping[str, tuple[str, ...]]
"""Columns of each table; all names in lower case."""

WHOLE_ROW = "*"
"""The column of a `Ref` that means every column of its source."""
ROWIDS = frozenset({"rowid", "oid", "_rowid_"})
"""Columns of SQLite's tables that no schema lists."""


MAX_COLUMNS = 5_000
"""Output columns of one SELECT (databases stop at 2,000): stars over joins of stars double them at each level."""


class TooLarge(Exception):
    """The query stands for more than can be looked at."""


@dataclass(slots=True, eq=False)
class Source:
    """One item of a FROM clause: a table, a derived query, or a function whose columns are not known."""

    alias: str
    node: exp.Expr
    table: str | None = None
    columns: tuple[str, ...] | None = None
    body: "Resolved | None" = None
    join: exp.Join | None = None
    hidden: frozenset[str] = frozenset()

    def has(self, column: str) -> bool:
        """Tell whether the source is known to have a column, one that no schema lists included."""
        return self.columns is not None and (column in self.columns or column in self.hidden)


def real_name(source: Source, column: str, tables: Tables | None) -> str:
    """Return what a column is called in its table, where column aliases rename it: ``t AS u(a, b)``."""
    real = (tables or {}).get(source.table or "", ())
    if source.columns is not None and real and source.columns != real and column in source.columns:
        at = source.columns.index(column)
        return real[at] if at < len(real) else column
    return column


@dataclass(frozen=True, slots=True)
class Problem:
    """A name that means nothing here."""

    kind: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Ref:
    """What a column means: a column of a source of some scope, or (without a source) the output of an expression."""

    scope: "Scope"
    source: Source | None
    column: str
    output: exp.Expr | None = None


@dataclass(slots=True, eq=False)
class Scope:
    """One SELECT with its sources and the meaning of each column in it."""

    select: exp.Select
    outer: "Scope | None"
    sources: dict[str, Source] = field(default_factory=dict)
    refs: dict[int, Ref] = field(default_factory=dict)
    nested: dict[int, "Resolved"] = field(default_factory=dict)
    _outputs: "list[Output] | None" = None

    def outputs(self) -> "list[Output]":
        """Return name, expression and (for a star) source of each output column; of a scope that is whole."""
        if self._outputs is None:
            self._outputs = self._found_outputs()
        return self._outputs

    def _found_outputs(self) -> "list[Output]":
        found: list[Output] = []
        for item in self.select.expressions:
            starred = _starred(item, self.sources)
            if starred is None:
                found.append(((item.alias_or_name or "").lower(), item.this if isinstance(item, exp.Alias) else item, None))
            else:
                found += [(column, None, source) for source in starred for column in source.columns or ("*",)]
            if len(found) > MAX_COLUMNS:
                raise TooLarge(f"more than {MAX_COLUMNS} columns")
        return found


Output = tuple[str, exp.Expr | None, Source | None]


@dataclass(slots=True, eq=False)
class Resolved:
    """A query: the scopes whose rows it unites, and everything below."""

    query: exp.Expr
    branches: list[Scope] = field(default_factory=list)
    columns: tuple[str, ...] | None = None
    problems: list[Problem] = field(default_factory=list)
    ctes: dict[str, "Resolved"] = field(default_factory=dict)
    recursive: bool = False

    def scopes(self) -> Iterator[Scope]:
        """Yield every scope of the query: derived tables, CTEs and subqueries included, each once."""
        seen: set[int] = set()
        yield from _scopes(self, seen)


def _scopes(query: Resolved, seen: set[int]) -> Iterator[Scope]:
    if id(query) in seen:
        return
    seen.add(id(query))
    for cte in query.ctes.values():
        yield from _scopes(cte, seen)
    for scope in query.branches:
        yield scope
        for source in scope.sources.values():
            if source.body is not None:
                yield from _scopes(source.body, seen)
        for nested in scope.nested.values():
            yield from _scopes(nested, seen)


def _starred(item: exp.Expr, sources: Mapping[str, Source]) -> list[Source] | None:
    if isinstance(item, exp.Star):
        return list(sources.values())
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        return [sources[item.table.lower()]] if item.table.lower() in sources else []
    return None
