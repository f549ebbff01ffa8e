"""Semantic agreement: which queries say the same, and how far apart others are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualgate.processors.scoring.logic import score_batch
from dualgate.processors.scoring.protocol import Score
from dualgate.processors.scoring.semantic import agreement_of_sql
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.traces import trace_similarity
from dualgate.schemas.records import Pair
from support.scoring import pair, response, scoring, shop, steps

SCHEMA = Schema(
    {
        "campaigns": ("id", "account_id", "name", "budget", "region_id"),
        "ads": ("id", "campaign_id", "account_id", "title", "clicks", "region_id"),
        "regions": ("id", "region"),
    }
)
SAME = [
    ("SELECT name FROM campaigns", "select c.name from campaigns as c"),
    ("SELECT count(*) FROM ads", "SELECT COUNT(1) FROM ads AS a"),
    ("SELECT id FROM ads WHERE clicks BETWEEN 1 AND 5", "SELECT id FROM ads WHERE clicks >= 1 AND clicks <= 5"),
    ("SELECT id FROM ads WHERE clicks NOT BETWEEN 1 AND 5", "SELECT id FROM ads WHERE clicks < 1 OR 5 < clicks"),
    ("SELECT id FROM ads WHERE title IN ('a', 'b')", "SELECT id FROM ads WHERE title = 'b' OR title = 'a'"),
    ("SELECT id FROM ads WHERE title NOT IN ('a', 'b')", "SELECT id FROM ads WHERE NOT (title = 'a' OR title = 'b')"),
    ("SELECT id FROM ads WHERE clicks > 3 AND title = 'x'", "SELECT id FROM ads WHERE 'x' = title AND 3 < clicks"),
    ("SELECT id FROM ads WHERE NOT clicks > 3", "SELECT id FROM ads WHERE clicks <= 3"),
    ("SELECT name, budget FROM campaigns", "SELECT budget AS b, name AS n FROM campaigns"),
    (
        "SELECT c.name FROM campaigns c JOIN ads a ON a.campaign_id = c.id WHERE a.clicks > 1",
        "SELECT x.name FROM ads AS y, campaigns AS x WHERE x.id = y.campaign_id AND y.clicks > 1",
    ),
    (
        "SELECT region_id, sum(budget) AS total FROM campaigns GROUP BY 1 ORDER BY total DESC LIMIT 3",
        "SELECT region_id, SUM(budget) FROM campaigns c GROUP BY c.region_id ORDER BY SUM(c.budget) DESC LIMIT 3",
    ),
    (
        "WITH t AS (SELECT account_id, sum(budget) AS s FROM campaigns GROUP BY account_id) SELECT s FROM t WHERE s > 5",
        "SELECT q.total FROM (SELECT account_id, sum(budget) AS total FROM campaigns GROUP BY account_id) q WHERE 5 < q.total",
    ),
    (
        "SELECT name FROM campaigns c JOIN ads a USING (region_id)",
        "SELECT name FROM ads a JOIN campaigns c ON a.region_id = c.region_id",
    ),
    ("SELECT id FROM ads UNION SELECT id FROM regions", "SELECT r.id FROM regions r UNION SELECT id FROM ads"),
]
OTHER = [
    ("SELECT name FROM campaigns", "SELECT DISTINCT name FROM campaigns"),
    ("SELECT id FROM ads WHERE clicks > 3", "SELECT id FROM ads WHERE clicks >= 3"),
    ("SELECT id FROM ads WHERE clicks > 3", "SELECT id FROM ads WHERE clicks > 4"),
    ("SELECT sum(clicks) FROM ads", "SELECT avg(clicks) FROM ads"),
    ("SELECT id FROM ads ORDER BY clicks", "SELECT id FROM ads ORDER BY clicks DESC"),
    ("SELECT id FROM ads LIMIT 3", "SELECT id FROM ads LIMIT 4"),
    (
        "SELECT a.id FROM ads a JOIN regions r ON r.id = a.region_id",
        "SELECT a.id FROM ads a LEFT JOIN regions r ON r.id = a.region_id",
    ),
    ("SELECT id FROM ads EXCEPT SELECT id FROM regions", "SELECT id FROM regions EXCEPT SELECT id FROM ads"),
    (
        "SELECT id FROM ads WHERE title = 'a' AND clicks = 1 OR id = 2",
        "SELECT id FROM ads WHERE title = 'a' AND (clicks = 1 OR id = 2)",
    ),
    (
        "SELECT a.clicks - b.clicks FROM ads a JOIN ads b ON a.id = b.id",
        "SELECT b.clicks - a.clicks FROM ads a JOIN ads b ON a.id = b.id",
    ),
    ("SELECT id FROM ads WHERE clicks / 2 > 1", "SELECT id FROM ads WHERE 2 / clicks > 1"),
]


def agreement(a: str, b: str, **given: Any) -> float | str:
    return agreement_of_sql(response("incumbent", a), response("challenger", b, **given), "sqlite", SCHEMA)


@pytest.mark.parametrize(("a", "b"), SAME)
def test_what_says_the_same_is_one(a: str, b: str) -> None:
    """Aliases, order of joins and conditions, BETWEEN, IN, NOT, positions and CTEs make no difference."""
    assert agreement(a, b) == agreement(b, a) == 1.0


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_what_says_something_else_is_below_one(a: str, b: str) -> None:
    """A difference that can change a result is never called the same, and the value is symmetrical."""
    value = agreement(a, b)
    assert value == agreement(b, a)
    assert isinstance(value, float)
    assert 0.0 <= value < 1.0


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("SELECT DISTINCT ON (region_id) name FROM campaigns", "SELECT DISTINCT name FROM campaigns", False),
        ("SELECT DISTINCT ON (region_id) name FROM campaigns", "SELECT DISTINCT ON (id) name FROM campaigns", False),
        (
            "SELECT sum(id) OVER w FROM ads WINDOW w AS (ORDER BY id)",
            "SELECT sum(id) OVER w FROM ads WINDOW w AS (ORDER BY title)",
            False,
        ),
        (
            "SELECT sum(id) OVER w FROM ads WINDOW w AS (ORDER BY id)",
            "SELECT sum(id) OVER v FROM ads WINDOW v AS (ORDER BY id)",
            True,
        ),
        ("SELECT id FROM ads ORDER BY id FETCH FIRST 3 ROWS WITH TIES", "SELECT id FROM ads ORDER BY id LIMIT 3", False),
        ("SELECT id FROM ads ORDER BY id FETCH FIRST 3 ROWS ONLY", "SELECT id FROM ads ORDER BY id LIMIT 3", True),
        ("SELECT id FROM ads TABLESAMPLE SYSTEM (10)", "SELECT id FROM ads", False),
        ("SELECT id FROM ads ORDER BY title NULLS FIRST", "SELECT id FROM ads ORDER BY title NULLS LAST", False),
        ("SELECT id FROM ads ORDER BY title NULLS LAST", "SELECT id FROM ads ORDER BY title", True),
        (
            "SELECT id, title, count(*) FROM ads GROUP BY ROLLUP (id, title)",
            "SELECT id, title, count(*) FROM ads GROUP BY CUBE (id, title)",
            False,
        ),
    ],
)
def test_what_only_postgresql_says_counts_too(a: str, b: str, same: bool) -> None:
    """Which rows of many are chosen, over which window, with ties or without: a word that changes the rows changes the form."""
    assert (agreement_of_sql(response("incumbent", a), response("challenger", b), "postgres", SCHEMA) == 1.0) is same


def test_more_in_common_is_more_alike() -> None:
    """A lost filter is nearer than another table; the value is a multiple of .01."""
    query = "SELECT title FROM ads WHERE clicks > 3 AND region_id = 1 ORDER BY title"
    near = agreement(query, "SELECT title FROM ads WHERE clicks > 3 ORDER BY title")
    far = agreement(query, "SELECT name FROM campaigns WHERE budget < 9")
    assert isinstance(near, float)
    assert isinstance(far, float)
    assert near > 0.5 > far
    assert round(near * 100) / 100 == near


def test_traces_align_by_edit_distance() -> None:
    """Equal traces are 1, disjoint ones 0, a missing trace no number."""
    assert trace_similarity(steps("a", "b", "c"), steps("a", "b", "c")) == 1.0
    assert trace_similarity(steps("a", "b"), steps("x", "y")) == 0.0
    assert trace_similarity(steps("a", "b", "c"), steps("a", "c")) == pytest.approx(0.8)
    assert trace_similarity(steps("a"), []) is None


def test_a_trace_counts_where_the_structure_differs() -> None:
    """Structure has seven tenths and the trace three; an equal structure needs no trace."""
    a, b = "SELECT id FROM ads WHERE clicks > 3", "SELECT id FROM ads WHERE clicks > 4"
    plain = agreement(a, b)
    assert isinstance(plain, float)
    traced = agreement_of_sql(
        response("incumbent", a, trace=steps("x", "y")), response("challenger", b, trace=steps("x", "y")), "sqlite", SCHEMA
    )
    assert traced == pytest.approx(0.7 * plain + 0.3, abs=0.011)


def score(folder: Path, given: Pair, measure: str = "level") -> Score:
    extra = f"dimensions: {{semantic: {{measure: {measure}, null: {0.86 if measure == 'level' else -0.05}, design: 0.88}}}}\n"
    config = shop(folder, {"g1": "SELECT count(*) FROM ads WHERE clicks > 4"}, extra)
    return score_batch(scoring(config), [given])["semantic"][0]


RIGHT = "SELECT count(*) FROM ads WHERE clicks > 4"
ALSO_RIGHT = "SELECT count(id) FROM ads WHERE clicks > 4"


def test_only_pairs_that_are_both_correct_are_asked_about(tmp_path: Path) -> None:
    """One wrong answer makes the pair not eligible; no golden answer too."""
    assert score(tmp_path, pair(RIGHT, "SELECT 0")).state == "not_eligible"
    assert score(tmp_path, pair(RIGHT, RIGHT, golden_id=None)).state == "not_eligible"
    assert score(tmp_path, pair(RIGHT, RIGHT)).challenger == 1.0


def test_the_incumbents_value_is_its_agreement_with_its_own_right_rerun(tmp_path: Path) -> None:
    """A level needs no re-run; a difference does, and one that answered wrongly says nothing."""
    assert score(tmp_path, pair(RIGHT, RIGHT)).incumbent is None
    found = score(tmp_path, pair(RIGHT, RIGHT, rerun=ALSO_RIGHT), "difference")
    assert found.incumbent is not None
    assert found.incumbent < found.challenger == 1.0  # type: ignore[operator]
    assert score(tmp_path, pair(RIGHT, RIGHT, rerun="SELECT 0"), "difference").state == "not_eligible"
    assert score(tmp_path, pair(RIGHT, RIGHT), "difference").state == "not_eligible"


def test_unparsable_but_correct_is_missing_with_a_reason(tmp_path: Path) -> None:
    """Nobody can say what it agrees with; the incumbent's value tells that only the challenger cannot be read."""
    odd = response("challenger", "SELEC nonsense (", [[3]])
    found = score(tmp_path, pair(RIGHT, odd))
    assert (found.state, found.incumbent, found.challenger) == ("missing", 1.0, None)
    assert "challenger: unparsable" in (found.reason or "")
    both = score(tmp_path, pair(replace(odd, arm="incumbent"), odd))
    assert (both.state, both.incumbent, both.challenger) == ("missing", None, None)
