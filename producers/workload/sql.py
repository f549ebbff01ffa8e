"""A plan as SQL in a given style. All styles of a plan mean the same, and return the same rows."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dualgate.producers.workload.database import COLUMNS, SHARED
from dualgate.producers.workload.plan import Filter, Item, Plan, Scalar, Select, Value


@dataclass(frozen=True, slots=True)
class Style:
    """How an agent writes; each field is one of the choices of `CHOICES`."""

    alias: int = 0  # full names, initials, t1 …
    reverse: int = 0  # the path of joins from its other end
    join: int = 0  # ON, USING, a list of tables with conditions in WHERE
    span: int = 0  # BETWEEN, >= AND <=, >= AND < the day after
    count: int = 0  # COUNT(*), COUNT(1)
    nested: int = 0  # steps as common table expressions, as derived tables
    tenant: int = 0  # the account's filter on the first table that has it, on the last; first or last of the conditions
    naming: int = 0  # AS name, no names where nothing needs them
    position: int = 0  # ORDER BY name, ORDER BY expression


CHOICES = {
    "alias": 3,
    "reverse": 2,
    "join": 3,
    "span": 3,
    "count": 2,
    "nested": 2,
    "tenant": 4,
    "naming": 2,
    "position": 2,
}
"""How many choices each field of a style has."""


def varied(style: Style, chance: Mapping[str, float], rng: np.random.Generator) -> Style:
    """Return a style whose fields are drawn anew, each with its chance."""
    drawn = zip(CHOICES.items(), rng.random(len(CHOICES)).tolist(), strict=True)
    anew = {name: int(u / chance[name] * n) for (name, n), u in drawn if u < chance.get(name, 0.0)}
    return replace(style, **anew) if anew else style


def render(plan: Plan, style: Style) -> str:
    """Return a plan as one SQL statement."""
    if plan.steps and not style.nested:
        steps = ", ".join(f"{name} AS ({_select(step, style, {}, True)})" for name, step in plan.steps)
        return f"WITH {steps} {_select(plan.final, style, {}, False)}"
    derived: dict[str, str] = {}
    for name, step in plan.steps:
        derived[name] = f"({_select(step, style, derived, True)})"
    return _select(plan.final, style, derived, False)


def _select(select: Select, style: Style, derived: Mapping[str, str], is_step: bool) -> str:
    """Return one SELECT; `derived` holds the text of steps that are written out where they are read."""
    tables, keys = select.tables, select.keys
    if style.reverse:
        tables, keys = tables[::-1], keys[::-1]
    names = _aliases(tables, style)
    text = partial(_qualified, names, style)
    sources = [_source(table, names[table], derived) for table in tables]
    links = [text(f"{a}.{key} = {b}.{key}") for a, b, key in zip(tables, tables[1:], keys, strict=False)]
    where = (links if style.join == 2 else []) + _conditions(select, tables, style, text, derived)
    parts = [
        "SELECT " + ", ".join(_item(item, select, style, is_step, text) for item in select.items),
        "FROM " + _joined(sources, links, keys, style),
        "WHERE " + " AND ".join(where) if where else "",
        "GROUP BY " + ", ".join(map(text, select.group_by)) if select.group_by else "",
        "HAVING " + _condition(select.having, style, text, derived) if select.having else "",
        "ORDER BY " + ", ".join(_sort_keys(select, style, text)) if select.order else "",
        f"LIMIT {select.limit}" if select.limit is not None else "",
    ]
    return " ".join(filter(None, parts))


def _aliases(tables: tuple[str, ...], style: Style) -> dict[str, str]:
    if style.alias == 0:
        return {table: table for table in tables}
    if style.alias == 2:
        return {table: f"t{i}" for i, table in enumerate(tables, 1)}
    found: dict[str, str] = {}
    for table in tables:
        found[table] = table[:2] if table[0] in found.values() else table[0]
    return found


def _qualified(names: Mapping[str, str], style: Style, expr: str) -> str:
    """Put aliases in the place of table names before columns."""
    if style.count:
        expr = expr.replace("COUNT(*)", "COUNT(1)")
    for table, alias in names.items():
        expr = expr.replace(f"{table}.", f"{alias}.")
    return expr


def _source(table: str, alias: str, derived: Mapping[str, str]) -> str:
    origin = derived.get(table, table)
    return origin if origin == alias else f"{origin} AS {alias}"


def _joined(sources: list[str], links: list[str], keys: tuple[str, ...], style: Style) -> str:
    first, *others = sources
    if style.join == 2:
        return ", ".join(sources)
    if style.join == 1:
        return first + "".join(f" JOIN {t} USING ({key})" for t, key in zip(others, keys, strict=True))
    return first + "".join(f" JOIN {t} ON {link}" for t, link in zip(others, links, strict=True))


def _conditions(
    select: Select, tables: tuple[str, ...], style: Style, text: Callable[[str], str], derived: Mapping[str, str]
) -> list[str]:
    rest = [_condition(f, style, text, derived) for f in select.filters]
    if select.account is None:
        return rest
    owned = [table for table in tables if table in COLUMNS and table not in SHARED]
    tenant = text(f"{owned[0 if style.tenant < 2 else -1]}.account_id = {select.account}")
    return [*rest, tenant] if style.tenant % 2 else [tenant, *rest]


def _condition(f: Filter, style: Style, text: Callable[[str], str], derived: Mapping[str, str]) -> str:
    column, values = text(f.column), [_value(value, derived) for value in f.values]
    if f.op != "between":
        return f"{column} {f.op} {values[0]}"
    low, high = values
    if style.span == 0:
        return f"{column} BETWEEN {low} AND {high}"
    if style.span == 1:
        return f"{column} >= {low} AND {column} <= {high}"
    return f"{column} >= {low} AND {column} < '{day_after(str(f.values[1]), 1)}'"


def day_after(day: str, n_days: int) -> str:
    """Return the day that is so many days later, in ISO form."""
    return (dt.date.fromisoformat(day) + dt.timedelta(days=n_days)).isoformat()


def _value(value: Value | Scalar, derived: Mapping[str, str]) -> str:
    if isinstance(value, Scalar):
        return f"(SELECT {value.expr} FROM {_source(value.step, value.step, derived)})"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _item(item: Item, select: Select, style: Style, is_step: bool, text: Callable[[str], str]) -> str:
    sorts = not style.position and any(o.name == item.name for o in select.order)
    if item.expr.endswith(f".{item.name}") or not (is_step or sorts or style.naming == 0):
        return text(item.expr)
    return f"{text(item.expr)} AS {item.name}"


def _sort_keys(select: Select, style: Style, text: Callable[[str], str]) -> list[str]:
    """Sort by names, or by expressions; a plain column is always qualified, since another table may have its name too."""
    exprs = {item.name: item.expr for item in select.items}
    return [
        (text(exprs[o.name]) if style.position or exprs[o.name].endswith(f".{o.name}") else o.name)
        + (" DESC" if o.descending else "")
        for o in select.order
    ]
