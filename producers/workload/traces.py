"""What an agent says of its way to an answer: steps that follow its plan, in words that vary."""

from collections.abc import Iterator

import numpy as np

from dualgate.producers.workload.plan import Filter, Plan, Select
from dualgate.schemas.records import Step

_OTHER_NAMES = {
    "understand": "restate",
    "tables": "schema",
    "join": "link",
    "filter": "where",
    "tenant": "scope",
    "group": "aggregate",
    "order": "sort",
    "limit": "top",
    "step": "subquery",
    "check": "review",
}


def trace_of(plan: Plan, account: int) -> list[Step]:
    """Return the steps that lead to a plan, before they vary."""
    steps = [Step(name="understand", detail="chain" if plan.steps else "direct")]
    for name, select in plan.steps:
        steps.append(Step(name="step", detail=name))
        steps += _steps(select)
    steps += _steps(plan.final)
    return [*steps, Step(name="check", detail=f"rows of account {account} only")]


def _steps(select: Select) -> Iterator[Step]:
    yield Step(name="tables", detail=", ".join(select.tables))
    for a, b, key in zip(select.tables, select.tables[1:], select.keys, strict=False):
        yield Step(name="join", detail=f"{a} to {b} by {key}")
    if select.account is not None:
        yield Step(name="tenant", detail=f"account_id = {select.account}")
    for f in select.filters:
        yield Step(name="filter", detail=_words(f))
    if select.group_by:
        yield Step(name="group", detail=", ".join(select.group_by))
    if select.having is not None:
        yield Step(name="filter", detail=_words(select.having))
    if select.order:
        yield Step(name="order", detail=", ".join(o.name + (" descending" if o.descending else "") for o in select.order))
    if select.limit is not None:
        yield Step(name="limit", detail=str(select.limit))


def _words(f: Filter) -> str:
    values = [v if isinstance(v, str | int | float) else f"{v.expr} of {v.step}" for v in f.values]
    return f"{f.column} {f.op} {' and '.join(map(str, values))}"


def retold(steps: list[Step], chance: float, rng: np.random.Generator) -> list[Step]:
    """Return steps as told another time: each one is, with this chance, left out, renamed, or exchanged with the next."""
    told = list(steps)
    drawn = rng.random(len(steps)).tolist()
    for i in range(len(steps) - 1, -1, -1):
        if drawn[i] >= chance:
            continue
        way = int(drawn[i] / chance * 3)
        if way == 0 and len(told) > 3:
            del told[i]
        elif way == 1 and i + 1 < len(told):
            told[i], told[i + 1] = told[i + 1], told[i]
        else:
            told[i] = Step(name=_OTHER_NAMES.get(told[i].name, told[i].name), detail=told[i].detail)
    return told
