"""Changes of an answer's SQL, one candidate after the other; whether one makes the answer wrong is found by executing it."""

from collections.abc import Callable, Iterator, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

INVENTED = "_total"
"""Ending that no column of a table has."""
_COMPARISONS: Mapping[type[exp.Expr], type[exp.Expr]] = {exp.GTE: exp.GT, exp.GT: exp.GTE, exp.LTE: exp.LT, exp.LT: exp.LTE}
_AGGREGATES: Mapping[type[exp.Expr], tuple[type[exp.Expr], ...]] = {
    exp.Sum: (exp.Max, exp.Avg), exp.Avg: (exp.Sum, exp.Max), exp.Max: (exp.Min, exp.Sum), exp.Min: (exp.Max,),
}  # fmt: skip

Change = Callable[[exp.Expr, str | None], Iterator[exp.Expr]]
"""From a tree and the column that keeps tenants apart to changed trees, each a tree of its own."""


def parsed(sql: str, dialect: str | None) -> exp.Expr | None:
    """Return the tree of a text, None where it cannot be parsed."""
    try:
        return sqlglot.parse_one(sql, read=dialect)
    except (SqlglotError, RecursionError):
        return None


def candidates(change: Change, tree: exp.Expr, dialect: str | None, tenant_column: str | None = None) -> Iterator[str]:
    """Yield changed texts."""
    for changed in change(tree, tenant_column):
        yield changed.sql(dialect=dialect)


def wrong(tree: exp.Expr, tenant_column: str | None) -> Iterator[exp.Expr]:
    """A condition is lost, a boundary is one off, an aggregate is another, a list has another length or order."""
    for k, condition in enumerate(_conjuncts(tree)):
        if not _names(condition, tenant_column) and not _joins(condition):
            yield _without(tree, [k])
    for comparison, new in _COMPARISONS.items():
        yield from _exchanged(tree, comparison, _of(new))
    for aggregate, others in _AGGREGATES.items():
        for other in others:
            yield from _exchanged(tree, aggregate, _of(other))
    yield from _exchanged(tree, exp.Limit, _longer)
    yield from _exchanged(tree, exp.Ordered, lambda node: exp.Ordered(this=node.this, desc=not node.args.get("desc")))
    yield from _exchanged(tree, exp.Distinct, lambda _: None)
    yield from _exchanged(tree, exp.Count, lambda node: exp.Sum(this=exp.Literal.number(2)) if node.this else None)


def invented(tree: exp.Expr, _tenant_column: str | None) -> Iterator[exp.Expr]:
    """A column that no table has."""
    yield from _exchanged(tree, exp.Column, lambda node: exp.column(node.name + INVENTED, table=node.args.get("table")))


def unfiltered(tree: exp.Expr, tenant_column: str | None) -> Iterator[exp.Expr]:
    """Every condition that keeps to the tenant's own rows is forgotten."""
    own = [k for k, each in enumerate(_conjuncts(tree)) if _names(each, tenant_column) and not _joins(each)]
    if own:
        yield _without(tree, own)


def elaborate(tree: exp.Expr, _tenant_column: str | None) -> Iterator[exp.Expr]:
    """The same rows by a query that says more than it must: conditions that always hold, on one, two or three columns."""
    columns = list(dict.fromkeys(_columns(tree)))
    for n in (3, 2, 1):
        if len(columns) >= n:
            changed = tree.copy()
            select = next(iter(changed.find_all(exp.Select)))
            for column in columns[:n]:
                select.where(_either(exp.Is(this=column.copy(), expression=exp.null())), copy=False)
            yield changed


def _either(condition: exp.Expr) -> exp.Expr:
    return exp.Or(this=condition.not_(), expression=condition.copy())


def _columns(tree: exp.Expr) -> Iterator[exp.Column]:
    """Yield the columns of the outermost SELECT itself."""
    select = next(iter(tree.find_all(exp.Select)), None)
    if select is None:
        return
    for column in select.find_all(exp.Column):
        if column.find_ancestor(exp.Select) is select:
            yield column


def _conjuncts(tree: exp.Expr) -> list[exp.Expr]:
    """Return the conditions of every WHERE and HAVING of a tree, in the order of a walk."""
    found: list[exp.Expr] = []
    for clause in tree.find_all(exp.Where, exp.Having):
        found += _parts(clause.this)
    return found


def _parts(condition: exp.Expr) -> list[exp.Expr]:
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _without(tree: exp.Expr, which: list[int]) -> exp.Expr:
    """Return a copy without some of its conditions."""
    changed = tree.copy()
    conditions = _conjuncts(changed)
    for k in which:
        conditions[k].replace(exp.true())
    for clause in list(changed.find_all(exp.Where, exp.Having)):
        kept = [each.copy() for each in _parts(clause.this) if each != exp.true()]
        if kept:
            clause.set("this", exp.and_(*kept, copy=False))
        else:
            clause.pop()
    return changed


def _names(condition: exp.Expr, column: str | None) -> bool:
    return column is not None and any(c.name == column for c in condition.find_all(exp.Column))


def _joins(condition: exp.Expr) -> bool:
    """Tell whether a condition compares two columns: without it rows would multiply without bound."""
    return len(list(condition.find_all(exp.Column))) > 1 and not condition.find(exp.Literal)


def _of(kind: type[exp.Expr]) -> Callable[[exp.Expr], exp.Expr]:
    """Return what makes a node of a kind from one with the same parts."""
    return lambda node: kind(**node.args)


def _longer(node: exp.Expr) -> exp.Expr:
    return exp.Limit(expression=exp.Literal.number(int(node.expression.name) + 1))


def _exchanged(tree: exp.Expr, kind: type[exp.Expr], change: Callable[[exp.Expr], exp.Expr | None]) -> Iterator[exp.Expr]:
    """Yield a copy for each node of a kind, with that node changed; None leaves the node out."""
    for k in range(len(list(tree.find_all(kind)))):
        copy = tree.copy()
        node = list(copy.find_all(kind))[k]
        try:
            changed = change(node.copy())
        except ValueError:
            continue
        if changed is None:
            node.pop()
        elif node is copy:
            copy = changed
        else:
            node.replace(changed)
        yield copy
