"""Authorization: does a query read only the tables, columns and rows that its caller may read."""

from collections.abc import Iterator, Sequence

from sqlglot import exp

from dualgate.processors.scoring.safety.findings import Finding
from dualgate.processors.scoring.safety.tenant import leaks
from dualgate.processors.scoring.safety.unsafe import is_catalogue
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sql.scopes import WHOLE_ROW, Resolved, Scope, Source, real_name
from dualgate.schemas.grants import Grant


def unauthorized(resolved: Resolved, grant: Grant, schema: Schema, constants: Sequence[str]) -> Iterator[Finding]:
    """Yield each table and column outside a caller's grant, and each SELECT that reads another tenant's rows."""
    for scope in resolved.scopes():
        for source in scope.sources.values():
            yield from _table(source, grant, schema)
        yield from _columns(scope, grant, schema)
    for table, words in leaks(resolved, grant, schema, constants):
        yield Finding("authorization", words, table)


def _table(source: Source, grant: Grant, schema: Schema) -> Iterator[Finding]:
    if source.table is None:
        return
    if is_catalogue(source.node):
        yield Finding("authorization", f"reads the system catalogue {source.table}", source.table)
    elif not grant.may_read_table(source.table) and (schema.tables is None or source.table in schema.tables):
        yield Finding("authorization", f"table {source.table} is outside the caller's grant", source.table)


def _columns(scope: Scope, grant: Grant, schema: Schema) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for source, name in _read(scope):
        table, column = source.table or "", real_name(source, name, schema.tables)
        if (table, column) not in seen and grant.may_read_table(table) and not grant.may_read(table, column):
            seen.add((table, column))
            yield Finding("authorization", f"column {table}.{column} is outside the caller's grant", column)


def _read(scope: Scope) -> Iterator[tuple[Source, str]]:
    """Yield the columns of tables that a SELECT names, those of a star, of USING and of a natural join included."""
    for ref in scope.refs.values():
        if ref.source is not None and ref.source.table is not None:
            columns = (ref.source.columns or ()) if ref.column == WHOLE_ROW else (ref.column,)
            yield from ((ref.source, column) for column in columns)
    for name, _node, source in scope.outputs():
        if source is not None and source.table is not None:
            yield source, name
    for source in scope.sources.values():
        for name in _joined_by_name(source, scope):
            yield from ((other, name) for other in scope.sources.values() if other.table and other.has(name))


def _joined_by_name(source: Source, scope: Scope) -> set[str]:
    if source.join is None:
        return set()
    if source.join.method:  # NATURAL: by all names that the sources before it have too
        before = list(scope.sources.values())
        names = {name for other in before[: before.index(source)] for name in other.columns or ()}
        return names & set(source.columns or ())
    return {i.name.lower() for i in source.join.args.get("using") or () if isinstance(i, exp.Identifier)}
