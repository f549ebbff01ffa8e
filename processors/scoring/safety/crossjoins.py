"""Unbounded cross joins: sources of one SELECT that no condition connects, when both can have many rows."""

from collections.abc import Iterable, Iterator

from sqlglot import exp

from dualgate.processors.scoring.safety.conditions import conjuncts, sources_in
from dualgate.processors.scoring.safety.findings import Finding
from dualgate.processors.scoring.safety.folding import aggregates
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sql.scopes import Resolved, Scope, Source


def cross_joins(resolved: Resolved, schema: Schema) -> Iterator[Finding]:
    """Yield each SELECT whose sources fall apart into two groups of many rows.

    Where a name does not resolve, the condition that it stands in may connect, so nothing is said.
    """
    if resolved.problems:
        return
    for scope in resolved.scopes():
        apart = _apart(scope, schema)
        if len(apart) > 1:
            names = " and ".join(sorted(source.table or source.alias for source in apart[:2]))
            yield Finding("unsafe_code", f"unbounded cross join of {names}", apart[1].alias)


def _apart(scope: Scope, schema: Schema) -> list[Source]:
    """Return one source of each group that nothing connects to the others, leaving out what has one row at most."""
    sources = list(scope.sources.values())
    if len(sources) < 2:
        return sources
    group = {id(source): id(source) for source in sources}
    for together in _connected(scope):
        ids = [id(s) for s in together if id(s) in group]
        for other in ids[1:]:
            old, new = group[other], group[ids[0]]
            group = {k: new if v == old else v for k, v in group.items()}
    pinned = set(_pinned(scope, schema))
    many: dict[int, Source] = {}
    for source in sources:
        if id(source) not in pinned and not _one_row(source) and not _depends(source):
            many.setdefault(group[id(source)], source)
    return list(many.values())


def _connected(scope: Scope) -> Iterator[Iterable[Source]]:
    for condition, _join in conjuncts(scope):
        if not _always(condition):
            yield sources_in(condition, scope)
    for source in scope.sources.values():
        if source.join is not None and (source.join.args.get("using") or source.join.method):
            yield scope.sources.values()


def _always(condition: exp.Expr) -> bool:
    """Tell whether one side of an OR names no column, such as ``OR 1 = 1``: then the condition connects nothing."""
    if isinstance(condition, exp.Paren):
        return _always(condition.this)
    if isinstance(condition, exp.Or):
        return any(side.find(exp.Column, exp.Query) is None or _always(side) for side in (condition.this, condition.expression))
    return False


def _pinned(scope: Scope, schema: Schema) -> Iterator[int]:
    """Yield the sources whose whole key is given as constants."""
    given: dict[int, set[str]] = {}
    for condition, _join in conjuncts(scope):
        if not isinstance(condition, exp.EQ):
            continue
        for side, other in ((condition.this, condition.expression), (condition.expression, condition.this)):
            ref = scope.refs.get(id(side))
            if ref is not None and ref.source is not None and isinstance(other, exp.Literal):
                given.setdefault(id(ref.source), set()).add(ref.column)
    for source in scope.sources.values():
        key = schema.keys.get(source.table or "", ())
        if key and set(key) <= given.get(id(source), set()):
            yield id(source)


def _one_row(source: Source) -> bool:
    """Tell whether a derived source has one row at most: an aggregate without groups, LIMIT 1, or no FROM."""
    if source.body is None:
        return isinstance(source.node, exp.Values) and len(source.node.expressions) <= 1
    if len(source.body.branches) != 1 or source.body.recursive:
        return False
    select = source.body.branches[0].select
    if select.args.get("from_") is None:
        return True
    limit = select.args.get("limit")
    if limit is not None and isinstance(limit.expression, exp.Literal) and limit.expression.name in ("0", "1"):
        return True
    return select.args.get("group") is None and bool(select.expressions) and all(_aggregate(e) for e in select.expressions)


def _aggregate(node: exp.Expr) -> bool:
    return next(aggregates(node), None) is not None and node.find(exp.Window) is None


def _depends(source: Source) -> bool:
    """Tell whether a source is a function of its siblings (json_each, unnest, LATERAL), which bounds it."""
    if isinstance(source.node, exp.Table):
        return isinstance(source.node.this, exp.Func)
    return source.body is None and not isinstance(source.node, exp.Values)
