"""Agents that answer with SQL: right answers are the plan in the agent's own words, wrong ones a mistaken plan in them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dualgate.producers.workload import mistakes
from dualgate.producers.workload.execution import Executor, Result, same_rows
from dualgate.producers.workload.forms import restated
from dualgate.producers.workload.plan import Plan
from dualgate.producers.workload.questions import Question
from dualgate.producers.workload.rates import Habits
from dualgate.producers.workload.sql import Style, render, varied
from dualgate.producers.workload.traces import retold, trace_of
from dualgate.schemas.records import Step

RIGHT, WRONG, HALLUCINATION, AUTHORIZATION = 0, 1, 2, 3
"""What an answer is to be: right, wrong, wrong with an invented column, wrong for want of the account's filter."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An agent's SQL, its trace, and what the database says to it."""

    sql: str
    trace: list[Step]
    result: Result


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: the style of its house, and how far it strays from it."""

    house: Style
    habits: Habits

    def answer(self, question: Question, kind: int, executor: Executor, rng: np.random.Generator) -> Answer | None:
        """Return an answer of the kind asked for; None where no mistake makes this question's answer wrong."""
        style = varied(self.house, self.habits.style, rng)
        meant = restated(question.plan, self.habits.forms, rng)
        for plan in _plans(meant, kind, rng):
            sql = render(plan, style)
            result = executor.run(sql)
            if is_right(question, result, executor) == (kind == RIGHT):
                return Answer(sql, retold(trace_of(plan, question.account), self.habits.trace, rng), result)
        return None


def is_right(question: Question, result: Result, executor: Executor) -> bool:
    """Tell whether a result is that of the reference query; its order counts where the question asks for one."""
    return same_rows(executor.run(question.golden), result, bool(question.plan.final.order))


def _plans(plan: Plan, kind: int, rng: np.random.Generator) -> Iterator[Plan]:
    """Yield plans to try: mistakes come in a random order, and a mistake may by chance change nothing."""
    if kind == RIGHT:
        yield plan
    elif kind == HALLUCINATION:
        yield from _shuffled(mistakes.invented_column(plan), rng)
    elif kind == AUTHORIZATION:
        yield from _shuffled(mistakes.missing_tenant(plan), rng)
    else:
        kinds, weights = list(mistakes.ERRORS), list(mistakes.ERRORS.values())
        for i in rng.choice(len(kinds), len(kinds), replace=False, p=weights):
            yield from _shuffled(kinds[i](plan), rng)


def _shuffled(plans: Iterator[Plan], rng: np.random.Generator) -> list[Plan]:
    found = list(plans)
    return [found[i] for i in rng.permutation(len(found))]
