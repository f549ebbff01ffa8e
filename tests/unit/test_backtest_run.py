"""A backtest: its verdicts, its exit codes, and what it prints."""

import json
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from dualgate.cli.backtest import show
from dualgate.cli.main import main
from dualgate.lab.backtest import backtest
from dualgate.lab.backtest.gaps import Gaps, lines
from dualgate.schemas.archive import read_archive, write_archive
from dualgate.schemas.migration import load_migration
from dualgate.schemas.records import LedgerEntry, Query, Response
from dualgate.sinks.archive.manifest import Manifest
from dualgate.sinks.archive.segments import OpenSegments

MIGRATION = """
migration: m
incumbent: i
challenger: c
mode: replay
dimensions: {correctness: off, semantic: off, safety: off, latency: {null: 0.05, design: 0.01, sla_ms: 100}}
phases:
  calibrating: {pairs: 50}
  shadow: {min_duration: 1m}
"""
KEYS = {"verdict", "phase", "pairs", "n_pairs", "coverage", "dimensions", "decisions"}
DIMENSION = {"n", "estimate", "interval", "log_e", "threshold", "p_value", "status", "pairs_to_decision"}


def log_of(folder: Path, slow: Sequence[bool], composed: str = "") -> Path:
    """Write a log in which the challenger is slow where it is said so, and the incumbent never."""
    lines: list[tuple[str, str, int, Any]] = []
    context = {"composed": composed} if composed else {}
    for number, is_slow in enumerate(slow):
        at, key, name = number * 60_000, f"m/q{number}", f"q{number}"
        query = Query(query_id=name, migration_id="m", asked_at_ms=at, text="?", context=context)
        lines.append(("queries", key, at, query))
        for arm, ms in (("incumbent", 20.0), ("challenger", 500.0 if is_slow else 20.0)):
            answer = Response(
                query_id=name, migration_id="m", arm=arm, agent_version=arm[0], service_ms=ms, started_at_ms=at  # type: ignore[arg-type]
            )  # fmt: skip
            lines.append((f"responses.{arm}", key, at + int(ms), answer))
    write_archive(folder / "log.jsonl", lines)
    return folder / "log.jsonl"


def run(folder: Path, capsys: pytest.CaptureFixture[str], log: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Run `dualgate backtest --json` and return its exit code, its document, and what it said on stderr."""
    (folder / "migration.yaml").write_text(MIGRATION)
    with pytest.raises(SystemExit) as ended:
        main(["backtest", str(log), "--config", str(folder / "migration.yaml"), "--json", *words])
    told = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(told.out) if told.out else {}, told.err


def test_what_it_prints_has_the_promised_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON document, all four dimensions, whatever is off."""
    _, told, _ = run(tmp_path, capsys, log_of(tmp_path, [False] * 100))
    assert set(told) >= KEYS
    assert set(told["dimensions"]) == {"correctness", "latency", "semantic", "safety"}
    assert all(set(each) >= DIMENSION for each in told["dimensions"].values())


def test_with_dimensions_off_it_waits_for_an_operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Undecided, exit code 4, with the dimension accepted and the others said to be off."""
    code, told, _ = run(tmp_path, capsys, log_of(tmp_path, [False] * 800))
    assert (code, told["verdict"], told["phase"]) == (4, "undecided", "SHADOW")
    assert told["dimensions"]["latency"]["status"] == "accepted"
    assert told["dimensions"]["latency"]["log_e"] >= told["dimensions"]["latency"]["threshold"]
    assert "Not measured at all: correctness, semantic, safety" in told["sentence"]


def test_a_challenger_that_is_worse_is_rejected_with_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One answer in five is slow: shown worse, or futile, and no user has seen it."""
    code, told, _ = run(tmp_path, capsys, log_of(tmp_path, [n % 5 == 0 for n in range(800)]))
    assert (code, told["verdict"]) == (3, "rejected")
    assert told["pairs"] < 800
    assert told["decisions"][-1]["live_share"] == 0.0


def test_a_log_that_is_too_short_is_undecided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Absence of evidence is no pass: exit code 4, and the evidence is as of the end of the log."""
    code, told, _ = run(tmp_path, capsys, log_of(tmp_path, [False] * 77))
    assert (code, told["verdict"], told["pairs"], told["n_pairs"]) == (4, "undecided", 77, 77)
    assert told["dimensions"]["latency"]["status"] == "collecting"


def test_the_same_log_gives_the_same_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No clock and no chance: two runs print the same."""
    log = log_of(tmp_path, [n % 60 == 0 for n in range(300)])
    assert run(tmp_path, capsys, log) == run(tmp_path, capsys, log)


def test_what_was_composed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the document and on stderr."""
    _, told, said = run(tmp_path, capsys, log_of(tmp_path, [False] * 60, composed="arrival,latency"))
    assert "Composed, not recorded: arrival, latency" in told["notes"][0]
    assert "Composed, not recorded" in said


def test_it_writes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file with the verdict."""
    run(tmp_path, capsys, log_of(tmp_path, [False] * 100), "--out", str(tmp_path / "report.html"))
    assert "undecided" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("missing", ["log", "config"])
def test_a_missing_file_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str) -> None:
    """Exit code 2, and the message names the file."""
    log = log_of(tmp_path, [False] * 10)
    (tmp_path / "migration.yaml").write_text(MIGRATION)
    names = {"log": str(log), "config": str(tmp_path / "migration.yaml")} | {missing: str(tmp_path / "nowhere")}
    with pytest.raises(SystemExit) as ended:
        main(["backtest", names["log"], "--config", names["config"]])
    assert ended.value.code == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_truncated_log_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with the line at which it ends."""
    log = log_of(tmp_path, [False] * 10)
    log.write_bytes(log.read_bytes()[:-40])
    code, _, said = run(tmp_path, capsys, log)
    assert code == 2
    assert "truncated" in said


def test_a_folder_of_the_archiver_gives_what_the_log_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Queries and answers that were archived from the topics are backtested like the log that they came from."""
    log = log_of(tmp_path, [i % 50 == 0 for i in range(600)])
    held, offsets = OpenSegments(tmp_path / "archive", 0), Counter[str]()
    (tmp_path / "archive").mkdir()
    for line in read_archive(log):
        held.write(line.topic, 0, offsets[line.topic], line.timestamp_ms, line.key, (line.topic, line.record()))
        offsets[line.topic] += 1
    Manifest().having(held.close(), closed=True).write(tmp_path / "archive")
    code, told, _ = run(tmp_path, capsys, tmp_path / "archive")
    assert (code, told) == run(tmp_path, capsys, log)[:2]
    assert told["n_pairs"] == 600


def test_what_has_no_score_is_told_with_the_reason(tmp_path: Path) -> None:
    """What is not given is named with how many pairs it cost, in the document, in the terminal and in the report's notes."""
    log, config, said = log_of(tmp_path, [False] * 60), tmp_path / "m.yaml", StringIO()
    config.write_text(MIGRATION.replace("correctness: off, ", "") + "scoring: {dialect: sqlite}\n")
    done = backtest(load_migration(config), log)
    show(Console(file=said, soft_wrap=True), done.story, done.document())
    told = done.document()["missing_reasons"]
    assert list(told) == ["correctness"]
    assert sum(each["n"] for each in told["correctness"]) == 60
    assert all(each["reason"] for each in told["correctness"])
    (line,) = lines(told)
    assert f"not scored: {line}\n" in said.getvalue()
    assert done.reported().notes == (*done.story.notes, f"Not scored: {line}.")


def column(*reasons: str | None, state: str = "missing") -> LedgerEntry:
    """A block with one column: scored where there is no reason."""
    states: list[Any] = ["scored" if reason is None else state for reason in reasons]
    block = SimpleNamespace(dimensions={"safety": SimpleNamespace(state=states, reason=list(reasons)), "unheld": None})
    return SimpleNamespace(quality=block)  # type: ignore[return-value]


def test_reasons_are_counted_without_what_is_of_one_pair_alone() -> None:
    """The commonest first, names left out only where they differ, the rest together; eligibility only where nothing is scored."""
    gaps = Gaps(["safety"])
    reasons = ["no 'a'", "no 'a'", *("lost " + "x" * n + " 7" for n in range(1, 6)), "gone 1", "gone 2", "gone 3"]
    assert len(list(gaps.over([column(*reasons, None), column("shed", state="not_eligible")]))) == 2
    told = [(each["reason"], each["n"]) for each in gaps.told()["safety"]]
    assert told == [("gone …", 3), ("no 'a'", 2), ("lost x 7", 1), ("other reasons", 4)]
