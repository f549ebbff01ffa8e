"""Hostile texts, and what hangs, dies or grows without bound: each is missing or unverifiable, and its siblings are scored."""

import gc
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dualgate.processors.scoring import analysis
from dualgate.processors.scoring.analysis import Analyses
from dualgate.processors.scoring.confined import Confined, Ended, Failed, NotMade
from dualgate.processors.scoring.deadline import TookTooLong, processor_seconds
from dualgate.processors.scoring.execution import Database, Databases
from dualgate.processors.scoring.logic import score_batch
from dualgate.processors.scoring.outcome import Limits, Result, Stopped
from dualgate.processors.scoring.sql import parsing
from support.prisoner import Prisoner
from support.scoring import pair, scoring, shop
from support.scoring_corpus import SCHEMA, Case, inspect

DOUBLED = "WITH t0 AS (SELECT id FROM regions), " + ", ".join(
    f"t{i} AS (SELECT a.id FROM t{i - 1} a JOIN t{i - 1} b ON a.id = b.id)" for i in range(1, 40)
)
STARRED = "WITH t0 AS (SELECT * FROM regions), " + ", ".join(
    f"t{i} AS (SELECT a.*, b.* FROM t{i - 1} a JOIN t{i - 1} b ON a.id = b.id)" for i in range(1, 40)
)
HOSTILE = {
    "brackets": "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
    "brackets in FROM, which end sqlglot's compiled build": "SELECT 1 FROM " + "(" * 20_000 + "regions" + ")" * 20_000,
    "joins without ON, exponential in the parser": "SELECT 1 FROM " + "IN JOIN " * 400,
    "a CTE used twice at each level, exponential in its normal form": DOUBLED + " SELECT id FROM t39",
    "stars that double the columns at each level": STARRED + " SELECT * FROM t39",
    "a subquery asked twice at each level": "SELECT id FROM ads WHERE campaign_id IN (" * 30 + "1" + ")" * 30,
    "a long sum": "SELECT " + "+".join(["1"] * 20_000),
    "more than anybody writes": "SELECT 1" + " " * 60_000,
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the limit of processor time be a tenth of a second."""
    monkeypatch.setattr(parsing, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(analysis, "MAX_SECONDS", 0.1)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.usefixtures("quick")
def test_a_hostile_text_is_a_violation_and_not_waited_for(name: str) -> None:
    """What cannot be looked at in time is unverifiable; it neither ends the process nor holds it for years."""
    found = inspect(Case(HOSTILE[name], "sqlite", None), Analyses())
    assert found.value("safety") == 1.0


@pytest.mark.usefixtures("quick")
def test_a_hostile_answer_stops_no_sibling(tmp_path: Path) -> None:
    """In one batch the pairs before and after it have their scores, and so has the other arm of its own."""
    pairs = [pair(), pair("SELECT 1", HOSTILE["joins without ON, exponential in the parser"]), pair()]
    columns = score_batch(scoring(shop(tmp_path, {"g1": "SELECT 1"})), pairs)
    assert [score.challenger for score in columns["safety"]] == [0.0, 1.0, 0.0]
    assert [score.incumbent for score in columns["safety"]] == [0.0, 0.0, 0.0]
    assert [score.state for score in columns["semantic"]] == ["scored", "not_eligible", "scored"]


def test_brackets_around_a_table_are_no_trouble() -> None:
    """A table or a join in any number of brackets is itself."""
    sql = "SELECT c.name FROM ((campaigns c)) JOIN (((ads a))) ON a.campaign_id = c.id WHERE c.account_id = 7"
    assert inspect(Case(sql, "sqlite", None)).value("safety") == 0.0


def _stopped_within_and_then_not() -> None:
    with pytest.raises(TookTooLong, match=r"0\.05 s"), processor_seconds(0.05):
        re.fullmatch(r"(a+)+b", "a" * 60)
    re.fullmatch(r"(a+)+b", "a" * 60)


def test_processor_time_stops_a_regular_expression_and_an_enclosing_limit_goes_on() -> None:
    """The inner limit ends the inner body alone; what is left of the outer one still holds."""
    with pytest.raises(TookTooLong, match=r"0\.3 s"), processor_seconds(0.3):
        _stopped_within_and_then_not()
    assert signal.getitimer(signal.ITIMER_PROF)[0] == 0.0


class Slow:
    """Takes its time to go."""

    def __del__(self) -> None:
        for _ in range(3_000_000):
            pass


def test_the_time_of_the_garbage_collector_is_not_the_texts() -> None:
    """A long look comes in the middle of any text: no innocent one is told to be too slow, at once or when it goes on."""
    with processor_seconds(0.5):
        for seconds, work in ((0.8, gc.collect), (0.2, int)):
            began_s = time.process_time()
            while time.process_time() - began_s < seconds:
                work()


def test_the_limit_is_not_lost_in_a_finalizer() -> None:
    """An exception there would be swallowed, and printed; it comes when the finalizer is done."""
    with pytest.raises(TookTooLong), processor_seconds(0.001):
        _finalize_then_go_on()


def _finalize_then_go_on() -> None:
    Slow()
    while True:
        pass


def test_a_child_that_hangs_dies_grows_or_raises_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault has its words, and the next call is answered; a hundred gigabytes are asked for and a quarter of one allowed."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    child = Confined(Prisoner, memory_bytes=256 << 20)
    try:
        for method, kind, words in (
            ("hang", Ended, r"longer than 0\.2 s"),
            ("die", Ended, "its process ended with 7"),
            ("grow", Ended, "more than 256 MB"),
            ("raise_", Failed, "ValueError: no idea"),
            ("unpicklable", Failed, "pickle|local object"),  # Python 3.13 has other words
        ):
            with pytest.raises(kind, match=words):
                child.call(method, seconds=0.2 if method == "hang" else 60)
            assert child.call("add", 1, 2, seconds=60) == 3
    finally:
        child.close()
    for arguments, words in (((True,), "RuntimeError: not today"), ((False, True), "its process ended with 3")):
        with pytest.raises(NotMade, match=words):
            Confined(Prisoner, arguments).call("add", 1, 2, seconds=60)


@contextmanager
def backstop(child: Confined) -> Iterator[None]:
    """Kill a child that would be waited for without an end: its words are then others."""
    child.call("add", 1, 2, seconds=60)
    assert child._process is not None
    timer = threading.Timer(20.0, child._process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def test_a_child_that_is_there_and_says_nothing_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs up and stays, stops in the middle of an answer, or reads no further question: each is ended at its time."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    child = Confined(Prisoner)
    try:
        for method, words, seconds in (
            ("hang_up", "its process hung up", 60.0),
            ("stop_in_a_message", r"longer than 0\.5 s", 0.5),
        ):
            with backstop(child), pytest.raises(Ended, match=words):
                child.call(method, seconds=seconds)
            assert child.call("add", 1, 2, seconds=60) == 3
        with backstop(child):
            assert child._process is not None
            os.kill(child._process.pid, signal.SIGSTOP)
            os.waitpid(child._process.pid, os.WUNTRACED)  # until it has stopped
            with pytest.raises(Ended, match=r"longer than 0\.5 s"):
                child.call("add", bytes(8 << 20), b"", seconds=0.5)  # far more than the system keeps for a reader
        assert child.call("add", 1, 2, seconds=60) == 3
    finally:
        child.close()


def database(folder: Path, limits: Limits) -> Database:
    shop(folder, {"g1": "SELECT 1"})
    found = Databases("sqlite:///shop.sqlite", str(folder), limits).named(None)
    assert isinstance(found, Database)
    return found


def test_sqlites_results_are_bounded_in_rows_bytes_and_memory(tmp_path: Path) -> None:
    """A hundred million rows, wide rows, and a sort or a text that grows: known to be too much, and the next is answered."""
    shops = database(tmp_path, Limits(rows=1_000, result_bytes=1 << 20))
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) "
    assert shops.run(numbers.format(100_000_000) + "SELECT i FROM n") == Stopped("more than 1000 rows")
    wide = shops.run(numbers.format(900) + "SELECT hex(zeroblob(10000)) FROM n")
    assert wide == Stopped(f"more than {1 << 20} bytes of result")
    grown = shops.run(numbers.format(100_000) + "SELECT length(group_concat(hex(zeroblob(100000)))) FROM n")
    assert not isinstance(grown, Result)
    assert shops.run("SELECT 1") == Result([(1,)])


def test_the_corpus_has_a_schema_for_the_names_used_here() -> None:
    """Else a hostile text would be a violation for its names."""
    assert SCHEMA.tables is not None
    assert {"regions", "ads", "campaigns"} <= set(SCHEMA.tables)
