"""Recursion without an end: a recursive CTE whose recursive branch nothing bounds."""

from collections.abc import Iterator

from sqlglot import exp

from dualgate.processors.scoring.safety.conditions import split
from dualgate.processors.scoring.safety.findings import Finding
from dualgate.processors.scoring.sql.scopes import Resolved, Scope, Source


def endless(resolved: Resolved) -> Iterator[Finding]:
    """Yield each recursion that does not end by a condition that can fail, by a join with a table, or by a LIMIT.

    UNION without ALL ends a recursion that only walks over what is there, not one that computes new values.
    """
    for scope in resolved.scopes():
        for source in scope.sources.values():
            if source.body is None or not source.body.recursive or scope not in source.body.branches:
                continue
            if not _bounded(scope, source):
                yield Finding("unsafe_code", f"recursion without an end in {source.alias}", source.alias)


def _bounded(scope: Scope, source: Source) -> bool:
    whole: exp.Expr = source.body.query if source.body is not None else scope.select
    if whole.args.get("limit") is not None or scope.select.args.get("limit") is not None:
        return True
    steps = _steps(scope)
    if whole.args.get("distinct") and not steps:
        return True
    if any(s.join is not None and s.join.args.get("on") is not None for s in scope.sources.values()):
        return True
    where = scope.select.args.get("where")
    return where is not None and any(_can_fail(condition, steps) for condition in split(where.this))


def _steps(scope: Scope) -> dict[str, int]:
    """Return the columns that each round computes anew: +1 where they only rise, -1 where they only fall, 0 unknown."""
    found: dict[str, int] = {}
    for item in scope.select.expressions:
        for node in item.find_all(exp.Binary):
            column = node.this if isinstance(node.this, exp.Column) else node.expression
            if not isinstance(column, exp.Column) or isinstance(node, exp.Predicate):
                continue
            step = {exp.Add: 1, exp.Sub: -1}.get(type(node), 0)
            name = column.name.lower()
            found[name] = step if found.get(name, step) == step else 0
    return found


def _can_fail(condition: exp.Expr, steps: dict[str, int]) -> bool:
    """Tell whether a condition may become false: ``i > 0`` does not while i rises, nor does one without a column."""
    if condition.find(exp.Column) is None:
        return False
    for kinds, side, rising in (((exp.GT, exp.GTE), "this", 1), ((exp.LT, exp.LTE), "expression", 1)):
        if isinstance(condition, kinds):
            column = condition.args[side]
            return not (
                isinstance(column, exp.Column) and steps.get(column.name.lower()) == rising and _constant(condition, side)
            )
    return True


def _constant(condition: exp.Expr, side: str) -> bool:
    other = condition.args["expression" if side == "this" else "this"]
    return bool(other.find(exp.Column) is None)
