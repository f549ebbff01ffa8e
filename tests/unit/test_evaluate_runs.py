"""Pieces are kept and taken up again; measures and goals say what lives add up to; the reports open and agree."""

from concurrent.futures import Executor, Future
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from dualgate.cli.evaluate import _command
from dualgate.cli.main import build
from dualgate.lab.evaluate import evaluation, goals, runs
from dualgate.lab.evaluate.events import EVENTS
from dualgate.lab.evaluate.measures import fraction, mean, measured
from dualgate.lab.evaluate.report import BEGIN, END, rewrite, write
from dualgate.lab.evaluate.runs import Piece, Setting, keep, kept, pieces, run_all, same_run, told
from dualgate.lab.evaluate.strategies import Ended
from dualgate.lab.evaluate.streams import Shape, Truth
from dualgate.lab.evaluate.tables import Curves, Section, Table, markdown, number, percent, section_of
from dualgate.lab.evaluate.traffic import DAY_MS, History
from dualgate.schemas.errors import ConfigError
from support.ledgers import EASY, HEAD, SHORT, config

SETTING = Setting("pool", "hash", 1, Shape())
TRUTH = Truth(np.array([False, True, True, True]), np.array([0.01, 0.02, 0.9, 0.01]), np.arange(4) * DAY_MS, 0.03)


class Here(Executor):
    """An executor that runs at once, in this process."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def submit(self, _fn: Any, /, *args: Any, **_kwargs: Any) -> Future[Any]:
        """Note the piece, and hand back a life."""
        done: Future[Any] = Future()
        self.ran.append(args[0].file)
        done.set_result({"canary": [{"verdict": "promoted"}]})
        return done


def test_pieces_begin_with_every_event() -> None:
    """The first repetitions of all events come before the second of any: what is interrupted knows something of each."""
    found = pieces(["a", "b"], 25)
    assert [(p.event, p.first, p.size) for p in found[:3]] == [("a", 0, 10), ("b", 0, 10), ("a", 10, 10)]
    assert sum(p.size for p in found) == 50
    twice = pieces(["a", "b"], 25, ["b"])
    assert [sum(p.size for p in twice if p.event == event) for event in "ab"] == [25, 50]
    assert [(p.event, p.first, p.size) for p in twice[-2:]] == [("b", 30, 10), ("b", 40, 10)]


def test_what_is_finished_is_not_run_again(tmp_path: Path) -> None:
    """A second run takes up where the first one ended, and hears of the finished pieces as done."""
    todo = pieces(["equal"], 30)
    keep(tmp_path, todo[0], {"canary": []})
    executor, done = Here(), list[Piece]()
    run_all(todo, tmp_path, config(), tmp_path, SETTING, executor, done.append)  # type: ignore[arg-type]
    assert executor.ran == [todo[1].file, todo[2].file]
    assert set(done) == set(todo)
    assert kept(tmp_path, todo[1]) == {"canary": [{"verdict": "promoted"}]}
    assert kept(tmp_path, todo[0]) == {"canary": []}


def test_a_folder_is_of_one_run(tmp_path: Path) -> None:
    """Pieces of another seed, log or shape are not mixed in: the folder is named, and what to do."""
    same_run(tmp_path, SETTING)
    same_run(tmp_path, SETTING)
    with pytest.raises(ConfigError, match="holds pieces of another run"):
        same_run(tmp_path, replace(SETTING, seed=2))


def test_an_interruption_keeps_what_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is interrupted after its first piece leaves that piece, whole, and no other."""
    todo = pieces(["equal"], 30)

    def interrupt(_piece: Piece) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(todo, tmp_path, config(), tmp_path, SETTING, Here(), interrupt)  # type: ignore[arg-type]
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert not list(tmp_path.glob(".*partial"))


def test_what_an_interrupted_run_can_report_is_what_every_event_has(tmp_path: Path) -> None:
    """As many repetitions as each event has whole, an event that is lived through twice as often twice as many."""
    assert runs.complete(tmp_path, ["a", "b"]) == 0
    for piece in pieces(["a", "b"], 20):
        keep(tmp_path, piece, {})
    assert runs.complete(tmp_path, ["a", "b"]) == 20
    assert runs.complete(tmp_path, ["a", "b"], ["b"]) == 10
    assert runs.complete(tmp_path, ["a", "b", "c"]) == 0


def test_a_life_is_told_from_the_routing_and_the_truth() -> None:
    """Harm is what exposed users were served of the event; more than 5 % of them in the wide reading; days count to the last."""
    history = History((0, 1, 2, 3), (0.0, 0.05, 0.5, 0.0), 7)
    life = told(Ended("stopped", "worse", 3 * DAY_MS), history, TRUTH, 0)
    assert (life.harm, life.harm_wide, life.served, life.mirrored) == (1, 0, 1, 7)
    assert life.stopped_day == 3.0
    assert life.all_users_day is None
    wide = told(Ended("promoted", "done", DAY_MS), History((0, 1), (0.0, 1.0), 0), TRUTH, 0)
    assert (wide.harm, wide.harm_wide, wide.impact_days, wide.all_users_day) == (3, 3, 2.0, 1.0)


def test_shares_and_means_carry_their_intervals() -> None:
    """200 of 200 has the exact interval from .9817; the mean of 1, 2, 3 is 2 +- 2.48 (t with two degrees of freedom)."""
    assert fraction(200, 200) == {"estimate": 1.0, "low": pytest.approx(0.9817, abs=1e-4), "high": 1.0, "n": 200}
    assert mean([1.0, 2.0, 3.0])["high"] == pytest.approx(2 + 2.4841, abs=1e-3)
    assert mean([])["estimate"] is None


def _life(**changes: Any) -> dict[str, Any]:
    plain = asdict(told(Ended("stopped", "worse", 3 * DAY_MS, 100), History((0,), (0.0,), 7), TRUTH, 0))
    return plain | changes


def test_detection_is_a_stop_after_the_onset_that_nobody_paid_for() -> None:
    """Stopped with no answer of the event served counts as before impact; stopped before its onset is no detection of it."""
    event = EVENTS["accuracy_degradation"]
    found = measured(event, [_life(), _life(harm=1), _life(harm=3, harm_wide=3), _life(verdict="promoted", stopped_day=None)])
    assert found["detected"]["estimate"] == 0.75
    assert found["detected_before_impact"]["estimate"] == 0.25
    assert found["detected_before_wide_impact"]["estimate"] == 0.5
    assert found["bad_answers_seen"]["estimate"] == 1.0
    assert found["false_promotion"]["estimate"] == 0.25
    later = measured(EVENTS["accuracy_degradation_day_12"], [_life(stopped_day=5.0), _life(stopped_day=15.0)])
    assert later["detected"]["estimate"] == 0.5
    assert later["days_to_stop"] == mean([3.0])
    assert "false_promotion" not in later
    assert found["gain_where_promoted"] == mean([0.03])


def test_a_stop_before_the_onset_that_claims_harm_is_a_false_rollback() -> None:
    """Until its event comes the challenger is good: whoever calls it worse by then is wrong, whoever does so later is right."""
    lives = [_life(stopped_day=5.0), _life(stopped_day=5.0, claims_worse=False), _life(stopped_day=15.0), _life(verdict="open")]
    assert measured(EVENTS["accuracy_degradation_day_12"], lives)["false_rollback"]["estimate"] == 0.25
    assert "false_rollback" not in measured(EVENTS["accuracy_degradation"], lives)


def test_a_futile_stop_is_no_false_rollback() -> None:
    """Turning an equal challenger away as not good enough claims no harm; calling it worse does."""
    found = measured(EVENTS["equal"], [_life(claims_worse=False), _life(claims_worse=True)])
    assert found["false_rollback"]["estimate"] == 0.5
    assert found["false_promotion"]["estimate"] == 0.0


def _strategies(**measures: Any) -> dict[str, Any]:
    return {"events": {"equal": measures, "accuracy_improvement": measures, "combined": measures}}


def test_a_goal_fails_where_its_interval_excludes_it() -> None:
    """A false rollback of 6 in 100 fails the 4 %, 1 in 100 meets it and its interval does not, 1 in 1,000 holds it wholly."""
    states = []
    for k, n in ((6, 100), (1, 100), (1, 1000)):
        rows = goals.goals({goals.OURS: _strategies(false_rollback=fraction(k, n))}, config().spec).tables[0].rows
        states.append(next(state for goal, _, state in rows if goal.startswith("equal: false rollback")))
    assert states == ["fails", "holds so far", "holds"]


def test_the_bound_is_walds() -> None:
    """1.5 % against .6 % at .0025 and power 90 %: (.9 log 360 + .1 log(.1 / .9975)) / KL = 5.0675 / .004783."""
    assert goals.least(0.015, 0.006, 0.0025, 0.1) == pytest.approx(1059, abs=1)


def test_sections_survive_as_plain_values_and_as_markdown() -> None:
    """What a process hands back is the section again; a pipe in a cell does not break the table."""
    section = Section("T", ["w"], [Table("t", ["a", "b"], [["1|2", "3"]])], [Curves("c", "x", "y", {"l": ([1.0], [2.0])})])
    assert section_of(asdict(section)) == section
    assert "| 1/2 | 3 |" in markdown([section], "# H")
    assert percent(fraction(1, 2)) == "50.0% (1.3% to 98.7%)"
    assert number(mean([1.0, 3.0]), 1) == "2.0 ± 12.7"
    assert number(mean([19.5]), 1) == "19.5 (one stream)"
    assert percent(None) == number(None) == "-"


def test_the_reports_are_written_and_the_page_stands_alone(tmp_path: Path) -> None:
    """Markdown and HTML hold the same tables; the page fetches nothing from elsewhere, and escapes what it is told."""
    strategies = {goals.OURS: _strategies(detected_before_impact=fraction(1, 2), bad_answers_seen=mean([1.0, 2.0]))}
    section = Section("Title <b>", ["words"], [Table("t", ["a"], [["<script>x</script>"]])], [])
    text, page = write(tmp_path, [section], {"strategies": strategies}, "dualgate evaluate --quick")
    assert "dualgate evaluate --quick" in text.read_text(encoding="utf-8")
    html = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;x" in html
    assert "<script>x" not in html
    assert 'src="http' not in html
    assert "Title &lt;b&gt;" in html


def test_a_page_is_rewritten_between_its_marks(tmp_path: Path) -> None:
    """The words around the marks stay; a page without marks is refused."""
    page = tmp_path / "page.md"
    page.write_text(f"# Mine\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    rewrite(page, [Section("New", ["words"])], "dualgate evaluate --seed 1")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Mine\n")
    assert text.endswith("\n\nafter\n")
    assert "old" not in text
    assert "## New" in text
    assert "$ dualgate evaluate --seed 1" in text
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ConfigError, match="to write between"):
        rewrite(page, [], "")


def test_unknown_events_and_logs_without_a_file_are_refused(tmp_path: Path) -> None:
    """A misspelt event names what is accepted (exit 2 of the command); a log needs its migration file."""
    with pytest.raises(ConfigError, match="event equl is not known; accepted: accuracy_improvement"):
        evaluation.chosen(["equl"])
    with pytest.raises(ConfigError, match="--config FILE"):
        evaluation.evaluate(evaluation.quick(), tmp_path, tmp_path / "log.jsonl", None, lambda *_: None)
    result = CliRunner().invoke(build("evaluate"), ["evaluate", "--event", "equl"])
    assert isinstance(result.exception, ConfigError)


def test_a_report_names_the_command_that_repeats_it() -> None:
    """The command line is that of the run, whatever was left to its default."""
    assert _command(False, 40, ["equal"], 3, None, None) == "dualgate evaluate --repetitions 40 --event equal --seed 3"
    assert _command(True, 200, None, 1, None, None) == "dualgate evaluate --quick --seed 1"


def test_the_quick_form_has_the_study_and_an_equal_challenger() -> None:
    """CI runs the study's six events and an A/A; the full form runs all, and the studies beside."""
    assert len(evaluation.quick().events) == 7
    assert set(evaluation.full().events) == set(EVENTS)
    assert evaluation.full().studies == evaluation.STUDIES
    assert runs.PIECE == 10
    assert config(HEAD + SHORT + EASY).spec.migration == "m"
