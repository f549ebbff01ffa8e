"""Authorization: does a query read only the tables, columns and rows that its caller may read."""

from collections.abc import Iterator, Sequence

from sqlglot import exp

from dualgate.processors.scoring.safety.findings import Finding
from dualgate.processors.scoring.safety.tenant import leaks
from dualgate.processors.scoring.safety.unsafe import is_catalogue
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sql.scopes import WHOLE_ROW, Resolved, Scope, Source
from dualgate.schemas.grants import Grant


def unauthorized(resolved: Resolved, grant: Grant, schema: Schema, constants: Sequence[str]) -> Iterator[Finding]:
    """Yield each table and column outside a caller's grant, and each SELECT that reads another tenant's rows."""
    for scope in resolved.scopes():
        for source in scope.sources.values():
            yield from _table(source, grant, schema)
        yield from _columns(scope, grant)
    for table, words in leaks(resolved, grant, schema, constants):
        yield Finding("authorization", words, table)


def _table(source: Source, grant: Grant, schema: Schema) -> Iterator[Finding]:
    if source.table is None:
        return
    if is_catalogue(source.node):
        yield Finding("authorization", f"reads the system catalogue {source.table}", source.table)
    elif not grant.may_read_table(source.table) and (schema.tables is None or source.table in schema.tables):
        yield Finding("authorization", f"table {source.table} is outside the caller's grant", source.table)


def _columns(scope: Scope, grant: Grant) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for table, column in _read(scope):
        if (table, column) not in seen and grant.may_read_table(table) and not grant.may_read(table, column):
            seen.add((table, column))
            yield Finding("authorization", f"column {table}.{column} is outside the caller's grant", column)


def _read(scope: Scope) -> Iterator[tuple[str, str]]:
    """Yield the columns of tables that a SELECT names, those of a star and of USING included."""
    for ref in scope.refs.values():
        if ref.source is not None and ref.source.table is not None:
            columns = (ref.source.columns or ()) if ref.column == WHOLE_ROW else (ref.column,)
            yield from ((ref.source.table, column) for column in columns)
    for name, _node, source in scope.outputs():
        if source is not None and source.table is not None:
            yield source.table, name
    for source in scope.sources.values():
        for identifier in (source.join.args.get("using") or ()) if source.join is not None else ():
            for other in scope.sources.values():
                if isinstance(identifier, exp.Identifier) and other.table and other.has(identifier.name.lower()):
                    yield other.table, identifier.name.lower()
