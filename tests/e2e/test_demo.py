"""The demo: a whole migration over a real Kafka, its decisions recomputed, and nothing left behind however it ends."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dualgate.lab.backtest import backtest
from dualgate.schemas.migration import load_migration
from dualgate.sinks.archive import read_topic
from support.demo_run import DemoRun, with_workload
from support.waiting import WAIT_S

pytestmark = pytest.mark.kafka
STARTED = "each a process of its own"
ACCEPTED = "the gate accepted"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    """One whole run, from the generation of its workload on."""
    with DemoRun(tmp_path_factory.mktemp("demo") / "out") as run:
        assert run.end() == 0, run.told
        yield run


@pytest.fixture(scope="module")
def summary(demo: DemoRun) -> dict[str, Any]:
    """What it printed."""
    document: dict[str, Any] = json.loads(demo.printed)
    return document


def test_the_whole_way_to_completed_is_walked(summary: dict[str, Any]) -> None:
    """12,000 pairs, all four dimensions accepted, every phase in its order, each share as the file says."""
    assert (summary["verdict"], summary["phase"], summary["n_pairs"]) == ("completed", "COMPLETED", 12_000)
    assert {each["status"] for each in summary["dimensions"].values()} == {"accepted"}
    phases = [each["phase"].split("(")[0] for each in summary["decisions"]]
    assert list(dict.fromkeys(phases)) == ["CALIBRATING", "SHADOW", "CANARY", "ROLLOUT", "TAIL", "COMPLETED"]
    assert list(dict.fromkeys(each["live_share"] for each in summary["decisions"])) == [0.0, 0.05, 0.25, 0.5, 1.0]


def test_nothing_was_lost_and_the_router_obeys(summary: dict[str, Any]) -> None:
    """No dead letter, no query without a pair, and the router has acknowledged the last command."""
    assert (summary["dead_letters"], summary["unpaired"]) == (0, 0)
    assert summary["router"]["sequence"] == summary["decisions"][-1]["sequence"]


def test_every_decision_was_recomputed_equal(summary: dict[str, Any]) -> None:
    """`verify` ran on the archived ledger and found no difference."""
    assert summary["verified"] is True
    assert summary["verify"]["decisions"] >= 6


def test_the_summary_and_the_report_are_left(demo: DemoRun, summary: dict[str, Any]) -> None:
    """`summary.json` is what was printed; the report is one file with the verdict, the plots and every reason."""
    assert json.loads((demo.out / "summary.json").read_text()) == summary
    page = (demo.out / "report.html").read_text()
    assert page.count('class="plotly-graph-div"') == 9
    assert "COMPLETED" in page
    for reason in summary["reasons"][1:]:
        assert f"{reason['from_phase']} → {reason['to_phase']}" in page


def test_no_process_is_left(demo: DemoRun) -> None:
    """Broker, workers, router and archiver have ended with the demo."""
    assert demo.left() == []


def test_live_progress_is_told_in_plain_lines(demo: DemoRun) -> None:
    """Without a terminal: phase, pairs, rate and each dimension's evidence against its threshold."""
    lines = [line for line in demo.lines if "pairs/s" in line]
    assert any("SHADOW" in line for line in lines)
    assert all(f"{name} " in lines[-1] for name in ("correctness", "latency", "semantic", "safety"))


def test_live_decisions_equal_the_offline_fold_field_by_field(demo: DemoRun) -> None:
    """The decisions that the gate published over Kafka are those of the pure fold over the archived ledger."""
    from dualgate.lab.verify import recomputed

    live = [line.record().decision for line in read_topic(demo.out / "archive", "evidence")]
    told = {each.decision_id: each for each in live if each is not None}
    again = {each.decision_id: each for each in recomputed(demo.out / "archive")}
    assert told == again
    assert len(told) >= 6


def test_the_backtest_comes_to_the_same_verdict(demo: DemoRun, summary: dict[str, Any]) -> None:
    """The same log with no broker: the same verdict, phases and statuses; decisions may fall a few pairs apart."""
    workload = demo.out / "workload"
    offline = backtest(load_migration(workload / "migration.yaml"), workload / "log.jsonl.zst").document()
    assert (offline["verdict"], offline["phase"], offline["n_pairs"]) == (
        summary["verdict"],
        summary["phase"],
        summary["n_pairs"],
    )
    assert [each["phase"] for each in offline["decisions"]] == [each["phase"] for each in summary["decisions"]]
    for name, each in offline["dimensions"].items():
        assert each["status"] == summary["dimensions"][name]["status"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [STARTED, ACCEPTED])
def test_interrupted_it_leaves_no_process(demo: DemoRun, tmp_path: Path, number: signal.Signals, moment: str) -> None:
    """Ctrl-C and SIGTERM end everything, at the start and in the middle of the run; the exit code is the shell's."""
    with DemoRun(with_workload(demo.out, tmp_path / "out")) as run:
        run.until(moment)
        run.process.send_signal(number)
        assert run.end() == 128 + number
        assert run.left() == []
        assert f"interrupted by {number.name}" in run.told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pairing", ("worker", "pairing")),
        ("scoring", ("worker", "scoring")),
        ("gate", ("worker", "gate")),
        ("router", ("router",)),
        ("archive", ("archive",)),
        ("Apache Kafka", ("kafka.Kafka",)),
    ],
)
def test_when_one_process_dies_it_says_which_and_leaves_none(
    demo: DemoRun, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    """kill -9 of any one: exit code 1, its name and last log lines, and no other process left."""
    with DemoRun(with_workload(demo.out, tmp_path / "out")) as run:
        run.until(ACCEPTED)
        run.kill(*words)
        assert run.end() == 1
        assert run.left() == []
        assert f"{name} (pid " in run.told
        assert "the last lines of" in run.told


def test_a_killed_demo_takes_its_processes_along(demo: DemoRun, tmp_path: Path) -> None:
    """kill -9 of the demo itself: the kernel ends what it has started."""
    with DemoRun(with_workload(demo.out, tmp_path / "out")) as run:
        run.until(ACCEPTED)
        run.process.kill()
        run.end()
        started = run.left()
        for process in started:
            process.wait(WAIT_S)
        assert run.left() == []
