"""Correctness: which answers are right, which wrong, and when nobody can say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualgate.processors.scoring.comparison import result_digest
from dualgate.processors.scoring.logic import score_batch
from dualgate.processors.scoring.protocol import Score
from dualgate.schemas.records import Pair
from support.scoring import pair, response, scoring, shop

GOLD: dict[str, Any] = {
    "g1": "SELECT name FROM campaigns WHERE account_id = 7",
    "ordered": "SELECT name FROM campaigns WHERE account_id = 7 ORDER BY budget DESC",
    "result": {"result": {"columns": ["n"], "rows": [[3]]}},
    "refuse": {"refuse": True},
    "broken": "SELECT nope FROM ads",
}
RIGHT = "SELECT name FROM campaigns WHERE account_id = 7"


def score(folder: Path, given: Pair, extra: str = "") -> Score:
    return score_batch(scoring(shop(folder, GOLD, extra)), [given])["correctness"][0]


def test_both_arms_are_judged_by_their_own_result(tmp_path: Path) -> None:
    """Right is 1.0 and wrong 0.0, an arm, by executing the query of each."""
    found = score(tmp_path, pair(RIGHT, "SELECT name FROM campaigns"))
    assert (found.incumbent, found.challenger, found.state, found.source) == (1.0, 0.0, "scored", "golden")


@pytest.mark.parametrize(
    ("status", "golden_id", "value"),
    [("error", "g1", 0.0), ("timeout", "g1", 0.0), ("refused", "g1", 0.0), ("refused", "refuse", 1.0), ("ok", "refuse", 0.0)],
)
def test_a_status_decides_before_any_query_runs(tmp_path: Path, status: Any, golden_id: str, value: float) -> None:
    """Errors and time-outs are wrong; a refusal is right only where the golden answer is one."""
    assert score(tmp_path, pair(RIGHT, RIGHT, status=status, golden_id=golden_id)).challenger == value


def test_what_the_database_refuses_is_wrong(tmp_path: Path) -> None:
    """An answer that does not run, or cannot be parsed, is wrong by execution."""
    assert score(tmp_path, pair(RIGHT, "SELECT nope FROM ads")).challenger == 0.0
    assert score(tmp_path, pair(RIGHT, "SELEC name FORM campaigns")).challenger == 0.0


def test_the_order_of_rows_counts_where_the_golden_query_orders(tmp_path: Path) -> None:
    """A top-level ORDER BY in the reference makes the order part of the question."""
    rising = "SELECT name FROM campaigns WHERE account_id = 7 ORDER BY budget"
    assert score(tmp_path, pair(rising, rising, golden_id="ordered")).challenger == 0.0
    assert score(tmp_path, pair(rising, rising, golden_id="g1")).challenger == 1.0


def test_a_published_result_is_taken_instead_of_running_the_query(tmp_path: Path) -> None:
    """Rows that an answer carries are what its user saw; cut off rows are not, and then the query runs."""
    wrong_query = response("challenger", "SELECT 0", [[3]])
    found = score(tmp_path, pair("SELECT 3", wrong_query, golden_id="result"))
    assert (found.challenger, found.source) == (1.0, "result")
    cut = replace(wrong_query, output="SELECT 3", result='{"columns": ["n"], "rows": [[1]], "truncated": true}')
    assert score(tmp_path, pair("SELECT 3", cut, golden_id="result")).challenger == 1.0


def test_an_equal_digest_is_enough(tmp_path: Path) -> None:
    """A digest of the golden rows is right; another one proves nothing, so the query decides."""
    same = response("challenger", "SELECT 0", result_digest=result_digest([[3]]))
    other = response("challenger", "SELECT 3", result_digest="bag:00")
    assert score(tmp_path, pair("SELECT 3", same, golden_id="result")).challenger == 1.0
    assert score(tmp_path, pair("SELECT 3", other, golden_id="result")).challenger == 1.0


def test_without_a_golden_answer_a_pair_is_not_eligible(tmp_path: Path) -> None:
    """No golden id: the dimension does not ask; a golden id that the file lacks: it asks and has nothing."""
    assert score(tmp_path, pair(golden_id=None)).state == "not_eligible"
    found = score(tmp_path, pair(golden_id="lost"))
    assert (found.state, found.incumbent, found.reason) == ("missing", None, "golden answer 'lost' is not in the file")


def test_a_broken_golden_answer_is_our_fault_and_nobodys_mistake(tmp_path: Path) -> None:
    """A reference that cannot be executed is missing on both arms, with the database's words."""
    found = score(tmp_path, pair(golden_id="broken"))
    assert (found.state, found.incumbent, found.challenger) == ("missing", None, None)
    assert "no such column: nope" in (found.reason or "")


def test_a_limit_that_stops_the_challenger_alone_keeps_the_incumbents_value(tmp_path: Path) -> None:
    """Missing with the incumbent's value says that only the challenger has none."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    found = score(tmp_path, pair(RIGHT, endless))
    assert (found.state, found.incumbent, found.challenger) == ("missing", 1.0, None)
    assert "challenger: more than" in (found.reason or "")


def test_a_shed_answer_counts_as_not_sampled(tmp_path: Path) -> None:
    """The challenger never saw the query, so no dimension asks about it."""
    columns = score_batch(scoring(shop(tmp_path, GOLD)), [pair(RIGHT, RIGHT, status="shed")])
    assert {name: column[0].state for name, column in columns.items()} == dict.fromkeys(columns, "not_eligible")


def test_a_file_that_has_changed_is_missing_with_both_hashes(tmp_path: Path) -> None:
    """Scores never come from other files than those that the migration started with."""
    config = shop(tmp_path, GOLD)
    (tmp_path / "golden.jsonl").write_text('{"golden_id": "g1", "sql": "SELECT 1"}')
    (tmp_path / "grants.yaml").unlink()
    columns = score_batch(scoring(config), [pair(RIGHT, RIGHT)])
    correctness, authorization = columns["correctness"][0], columns["safety.authorization"][0]
    assert correctness.state == authorization.state == "missing"
    assert "golden.jsonl has sha256" in (correctness.reason or "")
    assert "grants.yaml" in (authorization.reason or "")
    assert columns["latency"][0].state == "scored"
