"""Other ways to mean the same: changes of a plan that keep its rows, and that a reader of the SQL sees all the same.

Whether they did keep them is checked by executing, like everything else.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from dualgate.producers.workload.plan import Filter, Item, Order, Plan, Select

_ALWAYS_TRUE = {
    "spend": "spend.amount",
    "impressions": "impressions.views",
    "ads": "ads.ad_id",
    "campaigns": "campaigns.daily_budget",
}


def restated(plan: Plan, chance: Mapping[str, float], rng: np.random.Generator) -> Plan:
    """Return a plan to which each form is applied with its chance."""
    drawn = rng.random(len(FORMS)).tolist()
    for (name, form), u in zip(FORMS.items(), drawn, strict=True):
        if u < chance.get(name, 0.0):
            plan = form(plan)
    return plan


def _each(plan: Plan, change: Callable[[Select], Select]) -> Plan:
    return Plan(change(plan.final), tuple((name, change(step)) for name, step in plan.steps))


def with_account(plan: Plan) -> Plan:
    """The accounts are joined, though the account's number is in every table."""

    def change(select: Select) -> Select:
        if select.account is None:
            return select
        if select.tables[-1] in _ALWAYS_TRUE:
            return replace(select, tables=(*select.tables, "accounts"), keys=(*select.keys, "account_id"))
        if select.tables[0] in _ALWAYS_TRUE:
            return replace(select, tables=("accounts", *select.tables), keys=("account_id", *select.keys))
        return select

    return _each(plan, change)


def guarded(plan: Plan) -> Plan:
    """A condition that always holds is written down."""

    def change(select: Select) -> Select:
        column = _ALWAYS_TRUE.get(select.tables[0])
        return select if column is None else replace(select, filters=(*select.filters, Filter(column, ">=", (0,))))

    return _each(plan, change)


def by_key(plan: Plan) -> Plan:
    """Groups by a campaign's name are groups by its number too."""

    def change(select: Select) -> Select:
        if "campaigns.name" not in select.group_by:
            return select
        return replace(select, group_by=("campaigns.campaign_id", *select.group_by))

    return _each(plan, change)


def tidy(plan: Plan) -> Plan:
    """Rows that may come in any order are sorted all the same."""
    final = plan.final
    if final.order or len(final.items) < 2:
        return plan
    return replace(plan, final=replace(final, order=(Order(final.items[0].name),)))


def without_null(plan: Plan) -> Plan:
    """A sum that is never null is guarded against null."""
    items = tuple(
        replace(item, expr=f"COALESCE({item.expr}, 0)") if item.expr.startswith("SUM(") and item.expr.count("(") == 1 else item
        for item in plan.final.items
    )
    return replace(plan, final=replace(plan.final, items=items))


def in_two_steps(plan: Plan) -> Plan:
    """The last SELECT becomes a step, and another one reads and sorts it."""
    final = plan.final
    if final.having is not None or (final.limit is not None and not final.order):
        return plan
    inner = replace(final, order=(), limit=None)
    items = tuple(Item(f"answer.{item.name}", item.name) for item in final.items)
    return Plan(Select(("answer",), items, order=final.order, limit=final.limit), (*plan.steps, ("answer", inner)))


FORMS: Mapping[str, Callable[[Plan], Plan]] = {
    "with_account": with_account,
    "guarded": guarded,
    "by_key": by_key,
    "without_null": without_null,
    "in_two_steps": in_two_steps,
    "tidy": tidy,
}
