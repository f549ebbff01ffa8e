"""The conditions of a SELECT, one by one, each with the join it belongs to."""

from collections.abc import Iterator

from sqlglot import exp

from dualgate.processors.scoring.sql.scopes import Scope, Source


def conjuncts(scope: Scope) -> Iterator[tuple[exp.Expr, exp.Join | None]]:
    """Yield what must all hold: of WHERE (with None) and of each ON with its join."""
    where = scope.select.args.get("where")
    if where is not None:
        yield from ((part, None) for part in split(where.this))
    for source in scope.sources.values():
        join = source.join
        if join is not None and join.args.get("on") is not None:
            yield from ((part, join) for part in split(join.args["on"]))


def split(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the parts of a conjunction."""
    if isinstance(node, exp.Paren):
        yield from split(node.this)
    elif isinstance(node, exp.And):
        yield from split(node.this)
        yield from split(node.expression)
    else:
        yield node


def sources_in(node: exp.Expr, scope: Scope) -> list[Source]:
    """Return the sources whose columns an expression names, those of correlated subqueries included."""
    found: dict[int, Source] = {}
    for column in node.find_all(exp.Column):
        source = _source_of(column, scope)
        if source is not None:
            found[id(source)] = source
    return list(found.values())


def _source_of(column: exp.Column, scope: Scope) -> Source | None:
    ref = scope.refs.get(id(column))
    if ref is None:
        for nested in scope.nested.values():
            for inner in nested.scopes():
                ref = inner.refs.get(id(column))
                if ref is not None:
                    return ref.source
        return None
    return ref.source
