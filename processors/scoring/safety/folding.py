"""What makes one row of many: aggregates (sqlglot knows not all of them), groups that are there without a row, and cuts."""

from collections.abc import Iterator

from sqlglot import exp

_NAMES = frozenset({
    "total", "json_group_array", "json_group_object", "jsonb_group_array", "jsonb_group_object", "median", "percentile",
    "percentile_cont", "percentile_disc", "every", "xmlagg", "bit_xor", "array_concat", "list", "first", "last",
})  # fmt: skip
_SUPERSETS = (exp.Rollup, exp.Cube, exp.GroupingSets)


def is_aggregate(node: exp.Expr) -> bool:
    """Tell whether a function folds rows, by its kind or, where the parser does not know it, by its name."""
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return name in _NAMES or name.endswith(("_agg", "_agg_strict", "_agg_unique"))
    return isinstance(node, exp.AggFunc)


def aggregates(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the aggregates below a node, those of its subqueries included."""
    return (found for found in node.find_all(exp.AggFunc, exp.Anonymous) if is_aggregate(found))


def may_have_a_row_of_none(select: exp.Select) -> bool:
    """Tell whether a SELECT may yield a row though nothing matches its conditions.

    So does an aggregate without groups, HAVING without groups, and a grouping that has the empty group in it. What a function
    that is not known does is not known either.
    """
    group, having = select.args.get("group"), select.args.get("having")
    if next(aggregates(select), None) is not None or (having is not None and group is None):
        return True
    if any(item.find(exp.Anonymous) is not None for item in select.expressions):
        return True
    if group is None:
        return False
    if any(group.args.get(key) for key in ("rollup", "cube", "grouping_sets", "totals")):
        return True
    return any(isinstance(e, _SUPERSETS) or (isinstance(e, exp.Tuple) and not e.expressions) for e in group.expressions)


def is_cut(query: exp.Expr) -> bool:
    """Tell whether a query, or what it wraps or unites, is cut to some rows: which ones, the rows of all tenants decide."""
    if query.args.get("limit") is not None or query.args.get("offset") is not None:
        return True
    if isinstance(query, exp.Subquery):
        return is_cut(query.this)
    return isinstance(query, exp.SetOperation) and (is_cut(query.this) or is_cut(query.expression))


def partition_of(window: exp.Window, select: exp.Select) -> list[exp.Expr]:
    """Return what a window is partitioned by, by itself or by the window whose name it takes."""
    named = {w.name.lower(): w for w in select.args.get("windows") or ()}
    for _ in range(len(named) + 1):
        found: list[exp.Expr] = window.args.get("partition_by") or []
        taken = window.args.get("alias") or window.args.get("first")
        if found or not isinstance(taken, exp.Identifier) or taken.name.lower() not in named:
            return found
        window = named[taken.name.lower()]
    return []
