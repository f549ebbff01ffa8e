"""Mistakes that agents make, as changes of a plan. Whether one makes the answer wrong is found by executing it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from dualgate.producers.workload.plan import Filter, Item, Order, Plan
from dualgate.producers.workload.sql import day_after

_AGGREGATES = (
    ("SUM(", "AVG("),
    ("SUM(", "MAX("),
    ("AVG(", "SUM("),
    ("AVG(", "MAX("),
    ("MAX(", "MIN("),
    ("MAX(", "AVG("),
    ("MIN(", "MAX("),
)
_COUNTED = {"campaigns": "campaigns.objective", "ads": "ads.campaign_id", "spend": "spend.day", "per_ad": "per_ad.clicks"}
_COLUMNS = {
    "impressions.clicks": "impressions.views",
    "impressions.views": "impressions.clicks",
    "impressions.conversions": "impressions.clicks",
    "impressions.revenue": "impressions.conversions",
    "campaigns.objective": "campaigns.channel",
    "ads.format": "ads.status",
}
_INVENTED = {
    "impressions.clicks": "impressions.click_count",
    "impressions.views": "impressions.impression_count",
    "impressions.conversions": "impressions.total_conversions",
    "impressions.revenue": "impressions.revenue_usd",
    "spend.amount": "spend.cost",
    "campaigns.daily_budget": "campaigns.budget_per_day",
    "campaigns.status": "campaigns.is_active",
    "campaigns.channel": "campaigns.channel_name",
    "ads.format": "ads.ad_type",
    "ads.status": "ads.ad_status",
}
_OFF_BY_ONE = {">=": ">", ">": ">=", "<=": "<", "<": "<="}


def wrong_aggregate(plan: Plan) -> Iterator[Plan]:
    """AVG for SUM, MIN for MAX, and so on."""
    for old, new in _AGGREGATES:
        yield from _items(plan, partial(_part, old, new))
    for table, column in _COUNTED.items():
        if any(table in select.tables for select in plan.selects):
            yield from _items(plan, partial(_part, "COUNT(*)", f"COUNT(DISTINCT {column})"))


def wrong_column(plan: Plan) -> Iterator[Plan]:
    """A column that exists and is not the one that was asked for."""
    for old, new in _COLUMNS.items():
        yield from _items(plan, partial(_word, old, new))


def lost_filter(plan: Plan) -> Iterator[Plan]:
    """A condition of the question is forgotten; the account's never is here."""
    for i, select in enumerate(plan.selects):
        for k in range(len(select.filters)):
            yield plan.with_select(i, replace(select, filters=select.filters[:k] + select.filters[k + 1 :]))
        if select.having is not None:
            yield plan.with_select(i, replace(select, having=None))


def boundary(plan: Plan) -> Iterator[Plan]:
    """A day too few at an end of a span, > for >=, a limit that is one off."""
    for i, select in enumerate(plan.selects):
        for k, old in enumerate(select.filters):
            for new in _shifted(old):
                yield plan.with_select(i, replace(select, filters=(*select.filters[:k], new, *select.filters[k + 1 :])))
        if select.having is not None:
            for new in _shifted(select.having):
                yield plan.with_select(i, replace(select, having=new))
        if select.limit is not None:
            yield plan.with_select(i, replace(select, limit=select.limit + 1))


def _shifted(old: Filter) -> Iterator[Filter]:
    if old.op == "between":
        first, last = map(str, old.values)
        yield replace(old, values=(first, day_after(last, -1)))
        yield replace(old, values=(day_after(first, 1), last))
    elif old.op in _OFF_BY_ONE:
        yield replace(old, op=_OFF_BY_ONE[old.op])


def tie_break(plan: Plan) -> Iterator[Plan]:
    """Equal rows come in another order than was asked for, or the list is sorted the wrong way round."""
    for i, select in enumerate(plan.selects):
        for k in reversed(range(len(select.order))):
            turned = Order(select.order[k].name, not select.order[k].descending)
            yield plan.with_select(i, replace(select, order=(*select.order[:k], turned, *select.order[k + 1 :])))


def missing_tenant(plan: Plan) -> Iterator[Plan]:
    """The account's filter is forgotten: other tenants' rows are read."""
    for i, select in enumerate(plan.selects):
        if select.account is not None:
            yield plan.with_select(i, replace(select, account=None))


def invented_column(plan: Plan) -> Iterator[Plan]:
    """A column that no table has."""
    for old, new in _INVENTED.items():
        yield from _items(plan, partial(_word, old, new))
        for i, select in enumerate(plan.selects):
            for k, f in enumerate(select.filters):
                if f.column == old:
                    filters = (*select.filters[:k], replace(f, column=new), *select.filters[k + 1 :])
                    yield plan.with_select(i, replace(select, filters=filters))


def _items(plan: Plan, change: Callable[[str], str]) -> Iterator[Plan]:
    """Yield the plans in which a change of an output expression, and of the groups and HAVING with it, makes a difference."""
    for i, select in enumerate(plan.selects):
        new = replace(
            select,
            items=tuple(Item(change(item.expr), item.name) for item in select.items),
            group_by=tuple(change(column) for column in select.group_by),
            having=None if select.having is None else replace(select.having, column=change(select.having.column)),
        )
        if new != select:
            yield plan.with_select(i, new)


def _part(old: str, new: str, expr: str) -> str:
    return expr.replace(old, new)


def _word(old: str, new: str, expr: str) -> str:
    return re.sub(rf"\b{re.escape(old)}\b", new, expr)


Mistake = Callable[[Plan], Iterator[Plan]]
ERRORS: Mapping[Mistake, float] = {lost_filter: 0.3, boundary: 0.25, wrong_aggregate: 0.2, wrong_column: 0.15, tie_break: 0.1}
"""Mistakes that only make an answer wrong, and how often each is tried first."""
