"""Styles and forms keep what a plan means; mistakes change it, and the database is the judge."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from dualgate.producers.workload import mistakes
from dualgate.producers.workload.database import build_database
from dualgate.producers.workload.execution import Executor, Result, same_rows
from dualgate.producers.workload.forms import FORMS
from dualgate.producers.workload.parameters import Parameters
from dualgate.producers.workload.plan import Plan
from dualgate.producers.workload.questions import TEMPLATES
from dualgate.producers.workload.sql import CHOICES, Style, render, varied
from dualgate.producers.workload.traces import retold, trace_of

TEMPLATE = pytest.mark.parametrize("template", list(itertools.chain(*TEMPLATES.values())))
Template = Callable[[Parameters], tuple[str, Plan]]


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with closing(build_database(":memory:", np.random.default_rng(3))) as connection:
        yield Executor(connection)


def answered(template: Template, executor: Executor, n: int = 6) -> Iterator[tuple[Plan, Result]]:
    """Yield plans of a template whose reference query gives something, with its result."""
    rng = np.random.default_rng(5)
    found = 0
    for i in range(200):
        plan = template(Parameters(rng, 1 + i % 20))[1]
        result = executor.run(render(plan, Style()))
        assert result.error is None
        if any(cell not in (None, 0) for row in result.rows for cell in row):
            found += 1
            yield plan, result
        if found == n:
            return
    pytest.fail(f"only {found} questions of {template.__name__} have an answer")


@TEMPLATE
def test_every_choice_of_style_gives_the_same_rows(template: Template, executor: Executor) -> None:
    """Each choice of each field, and any mixture of them, is the same query to the database."""
    rng = np.random.default_rng(1)
    styles = [Style(**{name: value}) for name, n in CHOICES.items() for value in range(n)]
    styles += [varied(Style(), dict.fromkeys(CHOICES, 0.7), rng) for _ in range(10)]
    for plan, result in answered(template, executor):
        for style in styles:
            sql = render(plan, style)
            assert same_rows(result, executor.run(sql), bool(plan.final.order)), sql


@TEMPLATE
@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_rows(template: Template, name: str, executor: Executor) -> None:
    """Each way to restate a plan keeps its rows."""
    for plan, result in answered(template, executor, 4):
        sql = render(FORMS[name](plan), Style(alias=1))
        assert same_rows(result, executor.run(sql), bool(plan.final.order)), sql


@TEMPLATE
def test_mistakes_make_wrong_answers(template: Template, executor: Executor) -> None:
    """Mistakes make most questions' answers wrong (a mistake may by chance change nothing), and are never refused."""
    possible = []
    for plan, result in answered(template, executor):
        wrong = 0
        for mistake in mistakes.ERRORS:
            for changed in mistake(plan):
                given = executor.run(render(changed, Style()))
                assert given.error is None
                wrong += not same_rows(result, given, bool(plan.final.order))
        possible.append(wrong > 0)
    assert sum(possible) > len(possible) / 2


@TEMPLATE
def test_an_invented_column_is_refused_by_the_database(template: Template, executor: Executor) -> None:
    """Whatever column is invented, no table has it."""
    for plan, _ in answered(template, executor, 2):
        for changed in mistakes.invented_column(plan):
            error = executor.run(render(changed, Style())).error
            assert error is not None
            assert "no such column" in error


@TEMPLATE
def test_a_forgotten_tenant_is_only_ever_left_out_on_purpose(template: Template, executor: Executor) -> None:
    """Every plan filters by its account, the mistakes that merely err keep it, and `missing_tenant` drops it somewhere."""
    for plan, _ in answered(template, executor, 2):
        accounts = [select.account for select in plan.selects]
        assert any(account is not None for account in accounts)
        for mistake in mistakes.ERRORS:
            assert all([s.account for s in changed.selects] == accounts for changed in mistake(plan))
        changed = list(mistakes.missing_tenant(plan))
        assert changed
        assert all([s.account for s in c.selects].count(None) == accounts.count(None) + 1 for c in changed)


def test_a_trace_follows_the_plan_and_varies_in_the_telling() -> None:
    """A trace tells tables, filters and steps; told without variation it is the same, told with it, it is another."""
    plan = TEMPLATES["chain"][0](Parameters(np.random.default_rng(1), 3))[1]
    steps = trace_of(plan, 3)
    assert [s.name for s in steps][:2] == ["understand", "step"]
    assert {"tables", "filter", "tenant", "check"} <= {s.name for s in steps}
    rng = np.random.default_rng(2)
    assert retold(steps, 0.0, rng) == steps
    assert any(retold(steps, 0.3, rng) != steps for _ in range(10))


@pytest.mark.parametrize(
    ("answer", "ordered", "same"),
    [
        (((1, "a"), (2, "b")), True, True),
        (((2, "b"), (1, "a")), False, True),
        (((2, "b"), (1, "a")), True, False),
        (((1.0 + 1e-12, "a"), (2, "b")), True, True),
        (((1, "a"), (2, "b"), (2, "b")), False, False),
        (((1, "a"), (2, None)), False, False),
    ],
)
def test_rows_are_compared_as_bags_unless_the_question_orders(
    answer: tuple[tuple[object, ...], ...], ordered: bool, same: bool
) -> None:
    """Order counts where the reference orders, repetition always, and numbers to nine digits."""
    assert same_rows(Result(("n", "s"), ((1, "a"), (2, "b"))), Result(("n", "s"), answer), ordered) is same


def test_a_refused_query_is_never_right() -> None:
    """Where either side failed the results are not the same."""
    assert not same_rows(Result(error="x"), Result(error="x"), False)
