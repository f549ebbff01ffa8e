"""The page of the fault matrix: a failure is told, the others go on, and a later run takes up only what failed."""

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.faults import report
from support.faults.stage import Outcome

OUTCOME = Outcome(1204, 1130, 74, 62, 1204, 7, ("COMPLETED", "REJECTED(worse)"), 1.0)


def write(page: Path, monkeypatch: pytest.MonkeyPatch, broken: set[str], *options: str) -> tuple[list[str], int]:
    """Run the matrix of three runs of which some are broken; return which were run, and the exit code."""
    played = []

    def play(name: str) -> report.Play:
        def played_once(_servers: str) -> Outcome | None:
            played.append(name)
            assert name not in broken, "2 lost | 1 doubled"
            return None if name == "stops" else OUTCOME

        return played_once

    broker = SimpleNamespace(start=lambda: SimpleNamespace(bootstrap_servers="b"))
    monkeypatch.setattr(report, "LocalBroker", lambda: nullcontext(broker))
    monkeypatch.setattr(report, "CELLS", ())
    monkeypatch.setattr(report, "SPECIALS", {name: play(name) for name in ("one", "two", "stops")})
    monkeypatch.setattr(sys, "argv", ["report", "--out", str(page), *options])
    with pytest.raises(SystemExit) as ended:
        report.main()
    return played, int(ended.value.code or 0)


def test_only_what_failed_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed run costs the exit code and no other run; again, it alone is run, and its row says at which try it passed."""
    page = tmp_path / "page.md"
    assert write(page, monkeypatch, {"two"}) == (["one", "two", "stops"], 1)
    assert "2 of 3 runs passed" in page.read_text()
    assert "**failed**: 2 lost / 1 doubled" in page.read_text()
    assert write(page, monkeypatch, {"two"}, "--again") == (["two"], 1)
    assert write(page, monkeypatch, set(), "--again") == (["two"], 0)
    text = page.read_text()
    assert "3 of 3 runs passed" in text
    assert "| two (try 3) | 1,204 | 1,130 | 74 | 62 | 0 | 0 | 7 | COMPLETED, REJECTED(worse) | 0 |" in text
    assert [row.name for row in report.rows_of(text).values()] == ["one", "two", "stops"]
    assert write(page, monkeypatch, set(), "--again") == ([], 0)
