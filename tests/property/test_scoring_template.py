"""Templates change costs and nothing else: a query is analysed to the same with its constants cut out and left in."""

from random import Random

import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from dualgate.processors.scoring.analysis import Analyses
from dualgate.processors.scoring.comparison import same_result
from dualgate.processors.scoring.safety.scorer import inspect_sql
from dualgate.processors.scoring.sql.forms import features
from dualgate.processors.scoring.sql.normal import normal_form
from dualgate.processors.scoring.sql.parsing import parsed, template
from dualgate.processors.scoring.sql.resolve import resolve
from dualgate.processors.scoring.sql.template import template_of
from support.scoring_corpus import GRANT, SCHEMA

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
numbers = st.one_of(st.integers(0, 10**9), st.decimals(0, 1000, places=2)).map(str)
columns = st.sampled_from(["clicks", "campaign_id", "a.id", "region_id"])


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


conditions = st.recursive(
    st.one_of(
        st.builds("{} {} {}".format, columns, st.sampled_from(["=", "<", ">", "<=", ">=", "<>"]), numbers),
        st.builds("{} BETWEEN {} AND {}".format, columns, numbers, numbers),
        st.builds("{} IN ({})".format, columns, st.lists(numbers, min_size=1, max_size=4).map(", ".join)),
        st.builds("title {} {}".format, st.sampled_from(["=", "<>", "LIKE"]), texts.map(quoted)),
    ),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
    max_leaves=6,
)
queries = st.builds(
    "SELECT title, count(1) FROM ads a WHERE account_id = {} AND {} GROUP BY 1 ORDER BY 2 LIMIT 3".format,
    st.sampled_from(["7", "'7'", "8"]),
    conditions,
)


def whole(sql: str) -> str:
    """Return the normal form with no template in between."""
    tree = sqlglot.parse_one(sql, dialect="sqlite")
    assert isinstance(tree, exp.Query)
    return features(normal_form(resolve(tree, SCHEMA.tables, True), ()), ()).whole


@given(queries)
def test_a_query_has_the_same_normal_form_with_and_without_its_template(sql: str) -> None:
    """Constants are put back where they were cut out."""
    cut = template_of(sql, "sqlite")
    query = parsed(sql, "sqlite").query
    assert query is not None
    form = normal_form(resolve(query, SCHEMA.tables, True), cut.constants)
    assert features(form, cut.constants).whole == whole(sql)


@given(queries)
def test_a_query_is_as_safe_with_its_template_as_without(sql: str) -> None:
    """Only account 7's rows are the caller's, wherever the constant stands."""
    found = inspect_sql(Analyses().of(sql, "sqlite", SCHEMA), SCHEMA, GRANT, template(sql, "sqlite").constants)
    assert found.value("authorization") == (0.0 if "account_id = 7 " in sql or "account_id = '7' " in sql else 1.0)


cells = st.one_of(st.none(), st.integers(-3, 3), st.floats(-2, 2).map(lambda x: round(x, 1)), st.sampled_from(["a", "b", ""]))
tables = st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[cells] * width), min_size=1, max_size=6))


@given(tables, st.randoms(use_true_random=False))
def test_a_shuffled_result_is_the_same_result(rows: list[tuple[object, ...]], random: Random) -> None:
    """Any order of rows and any order of columns is the same multiset; a row less is not."""
    order = list(range(len(rows[0])))
    random.shuffle(order)
    moved = [tuple(row[i] for i in order) for row in rows]
    random.shuffle(moved)
    assert same_result(rows, moved, ordered=False)
    assert same_result(moved, rows, ordered=False)
    assert not same_result(rows, moved[1:], ordered=False)
