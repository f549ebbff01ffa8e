"""Verify: every decision recomputed from the ledger, and each way in which ledger and decisions may not fit is found."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualgate.cli.main import main
from dualgate.gate.fold import fold_ledger
from dualgate.lab.verify import INTERVAL_TOLERANCE, recomputed, verify_archive
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import DecisionRecord, DimensionEvidence
from support.gate_archives import Row, changed, commanded, dead_row, junk_row, ledger_rows, told_rows, whole, write
from support.ledgers import Ledger


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """A migration that was started, paused, resumed and completed."""
    made = whole()
    assert made.phase == "COMPLETED"
    return made


@pytest.fixture
def rows(ledger: Ledger) -> list[Row]:
    """Its archive, to be damaged."""
    return ledger_rows(ledger) + told_rows(ledger)


def nth(change: Any, name: str = "latency") -> Any:
    """Return a change of one dimension of a decision."""

    def apply(decision: DecisionRecord) -> DecisionRecord:
        told: dict[str, DimensionEvidence] = {**decision.dimensions, name: change(decision.dimensions[name])}
        return replace(decision, dimensions=told)

    return apply


def test_what_the_gate_recorded_is_what_the_ledger_gives(ledger: Ledger, rows: list[Row], tmp_path: Path) -> None:
    """All decisions are compared and equal, nothing is missing."""
    found = verify_archive(write(tmp_path, rows))
    assert (found["equal"], found["first_difference"], found["incomplete"]) == (True, None, [])
    assert found["decisions"] == len(ledger.decisions) >= 8
    assert found["entries"] == len(ledger.entries)
    assert found["migrations"] == found["started"] == ["m"]


def test_recomputed_decisions_are_the_live_ones(ledger: Ledger, rows: list[Row], tmp_path: Path) -> None:
    """Through JSON and back the fold comes to the same records, in the same order."""
    assert list(recomputed(write(tmp_path, rows))) == ledger.decisions


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("reason", lambda d: replace(d, reason=d.reason + " ")),
        ("n_pairs", lambda d: replace(d, n_pairs=d.n_pairs + 1)),
        ("to_phase", lambda d: replace(d, to_phase="TAIL")),
        ("ledger_row", lambda d: replace(d, ledger_row=0)),
        ("config_hash", lambda d: replace(d, config_hash="0" * 16)),
        ("scorer_versions.correctness", lambda d: replace(d, scorer_versions={"correctness": "2"})),
        ("counters.units", lambda d: replace(d, counters={**d.counters, "units": 1})),
        ("routing_command.live_share", lambda d: replace(d, routing_command=replace(d.routing_command, live_share=0.06))),
        ("dimensions.latency.log_e", nth(lambda e: replace(e, log_e=e.log_e + 1e-12))),
        ("dimensions.latency.status", nth(lambda e: replace(e, status="missing"))),
        ("dimensions.latency.estimate", nth(lambda e: replace(e, estimate=e.estimate + 1e-9))),
        ("dimensions.latency.interval_low", nth(lambda e: replace(e, interval_low=e.interval_low - 2 * INTERVAL_TOLERANCE))),
        ("dimensions.latency.interval_high", nth(lambda e: replace(e, interval_high=None))),
    ],
)
def test_a_change_in_any_field_is_found(rows: list[Row], tmp_path: Path, field: str, change: Any) -> None:
    """The decision, the field and both values are named; nothing but the bounds of intervals has any tolerance."""
    damaged = changed(rows, 2, change)
    found = verify_archive(write(tmp_path, damaged))
    first = found["first_difference"]
    assert not found["equal"]
    assert (first["decision_id"], first["index"], first["field"]) == ("m/1/2", 2, field)
    assert first["recorded"] != first["recomputed"]


def test_another_machines_last_digits_of_a_bound_are_no_difference(rows: list[Row], tmp_path: Path) -> None:
    """Bounds are found numerically; within the tolerance they are equal."""
    close = changed(rows, -1, nth(lambda e: replace(e, interval_low=e.interval_low + INTERVAL_TOLERANCE / 2)))
    assert verify_archive(write(tmp_path, close))["equal"]


@pytest.mark.parametrize("which", [0, 3, -1])
def test_a_decision_that_is_not_recorded_is_found(rows: list[Row], tmp_path: Path, which: int) -> None:
    """Missing at the start, in the middle or at the end: the ledger gives it, and evidence does not have it."""
    found = verify_archive(write(tmp_path, changed(rows, which, lambda _: None)))
    first = found["first_difference"]
    assert (found["equal"], first["field"], first["recorded"]) == (False, "record", None)
    assert first["recomputed"]["rule"]


def test_a_decision_that_the_ledger_does_not_give_is_found(rows: list[Row], tmp_path: Path) -> None:
    """Somebody else's record in evidence is a difference."""
    extra = changed(rows, -1, lambda d: replace(d, decision_id="m/1/99"))
    found = verify_archive(write(tmp_path, [*rows, extra[-2], extra[-1]]))
    assert not found["equal"]
    assert (found["first_difference"]["decision_id"], found["first_difference"]["recomputed"]) == ("m/1/99", None)


def test_a_decision_published_twice_counts_once(ledger: Ledger, rows: list[Row], tmp_path: Path) -> None:
    """A gate that was killed publishes again what it had published: equal copies are no difference."""
    again = [(topic, n, offset + 1000, *rest) for topic, n, offset, *rest in told_rows(ledger)]
    found = verify_archive(write(tmp_path, [*rows, *again]))  # type: ignore[list-item]
    assert (found["equal"], found["decisions"]) == (True, len(ledger.decisions))


def test_a_second_record_of_a_decision_that_says_something_else_is_found(rows: list[Row], tmp_path: Path) -> None:
    """Of two records with one id both must be what the ledger gives."""
    lies = changed(rows, 1, lambda d: replace(d, reason="because I say so"))
    second = next(row for row in lies if getattr(getattr(row[5][1], "decision", None), "reason", "") == "because I say so")
    found = verify_archive(write(tmp_path, [*rows, second]))
    assert (found["equal"], found["first_difference"]["recorded"]) == (False, "because I say so")


@pytest.mark.parametrize("changes", [{"live_share": 1.0}, {"sequence": 77}, {"salt": "other"}])
def test_what_routers_obey_is_held_to_the_ledger_too(rows: list[Row], tmp_path: Path, changes: dict[str, Any]) -> None:
    """A routing command in `decisions` that the ledger does not give is found, although evidence is right."""
    found = verify_archive(write(tmp_path, commanded(rows, 1, **changes)))
    assert not found["equal"]
    assert found["first_difference"]["decision_id"].startswith("command m/1/")


def test_a_renewed_lease_is_no_difference(rows: list[Row], tmp_path: Path) -> None:
    """A renewal repeats a command with another time, and `decisions` keeps only the last of a key."""
    assert verify_archive(write(tmp_path, commanded(rows, 1, issued_at_ms=5)))["equal"]


@pytest.mark.parametrize(("start", "stop", "words"), [(1, 2, "offset 1 is not there"), (0, 3, "offsets 0 to 2 are not there")])
def test_a_hole_in_the_ledger_is_incomplete(ledger: Ledger, tmp_path: Path, start: int, stop: int, words: str) -> None:
    """Even where what is left gives the same decisions: offset 1 is a claim, which decides nothing."""
    rows = ledger_rows(ledger)
    found = verify_archive(write(tmp_path, rows[:start] + rows[stop:] + told_rows(ledger)))
    assert not found["equal"]
    assert words in found["incomplete"][0]


def test_entries_out_of_order_are_incomplete(rows: list[Row], tmp_path: Path) -> None:
    """The ledger is one order; two entries changed over are told."""
    found = verify_archive(write(tmp_path, [rows[1], rows[0], *rows[2:]]))
    assert not found["equal"]
    assert any("out of order" in words for words in found["incomplete"])


def test_a_dead_letter_keeps_its_place_in_the_ledger(tmp_path: Path) -> None:
    """What could not be decoded changed nothing and is no hole."""
    ledger = Ledger.started()
    moved = Ledger(entries=[(replace(at, offset=at.offset + 1), entry) for at, entry in ledger.entries])
    moved.outputs = list(fold_ledger(moved.entries))
    dead = dead_row(ledger.entries[0][0])
    found = verify_archive(write(tmp_path, [dead, *ledger_rows(moved), *told_rows(moved)]))
    assert (found["equal"], found["incomplete"], found["decisions"]) == (True, [], 1)


def test_an_entry_counts_by_what_it_says_whatever_its_key(ledger: Ledger, tmp_path: Path) -> None:
    """The gate looks into an entry for its migration, and so does the comparison."""
    unkeyed: list[Row] = [(topic, n, offset, time_ms, None, value) for topic, n, offset, time_ms, _, value in ledger_rows(ledger)]
    assert verify_archive(write(tmp_path, unkeyed + told_rows(ledger)))["equal"]


def test_junk_among_the_decisions_is_told_and_makes_none_of_them_doubtful(rows: list[Row], tmp_path: Path) -> None:
    """Anybody may write bytes to a topic: all decisions are there and equal, and what cannot be read is named."""
    found = verify_archive(write(tmp_path, [*rows, junk_row("evidence", 10_000)]))
    assert (found["equal"], found["incomplete"]) == (True, [])
    assert found["unreadable"] == ["evidence/0 offset 10000: ?"]


def test_a_decision_that_cannot_be_read_is_a_difference(rows: list[Row], tmp_path: Path) -> None:
    """Junk in the place of a decision is no excuse for it."""
    found = verify_archive(write(tmp_path, [*changed(rows, 2, lambda _: None), junk_row("evidence", 10_000)]))
    assert not found["equal"]
    assert found["first_difference"]["recorded"] is None


def test_an_archive_that_was_not_closed_is_incomplete(rows: list[Row], tmp_path: Path) -> None:
    """A killed archiver leaves a prefix: what it has may be equal, but it is not all."""
    found = verify_archive(write(tmp_path, rows, closed=False))
    assert (found["equal"], found["first_difference"]) == (False, None)
    assert "not closed" in found["incomplete"][0]


def test_nothing_to_compare_is_never_equal(tmp_path: Path) -> None:
    """A ledger without decisions proves nothing."""
    ledger = Ledger()
    ledger.tick(0)
    found = verify_archive(write(tmp_path, ledger_rows(ledger)))
    assert (found["equal"], found["decisions"]) == (False, 0)
    assert "no decision to compare" in found["incomplete"][0]


def test_an_archive_without_a_ledger_is_bad_input(ledger: Ledger, tmp_path: Path) -> None:
    """What is not there cannot be folded; the message says how to archive it."""
    with pytest.raises(ConfigError, match="holds no ledger"):
        verify_archive(write(tmp_path, told_rows(ledger)))


def test_a_truncated_segment_is_bad_input(rows: list[Row], tmp_path: Path) -> None:
    """A file that is not what the manifest says is not read."""
    segment = write(tmp_path, rows) / "ledger-000000.avro"
    segment.write_bytes(segment.read_bytes()[:-40])
    with pytest.raises(ConfigError, match="the manifest says"):
        verify_archive(tmp_path)


def run(*words: str) -> int:
    """Run the command and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command_ends_with_0_1_and_2(rows: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal 0; different or incomplete 1; no archive 2; the first difference is told in words."""
    assert run("verify", str(write(tmp_path / "equal", rows))) == 0
    assert "EQUAL" in capsys.readouterr().out
    damaged = changed(rows, 2, nth(lambda e: replace(e, log_e=9.0)))
    assert run("verify", str(write(tmp_path / "different", damaged))) == 1
    told = capsys.readouterr().out
    assert "DIFFERENT" in told
    assert "m/1/2 (number 2), dimensions.latency.log_e" in told
    assert run("verify", str(write(tmp_path / "cut", rows[1:]))) == 1
    assert run("verify", str(tmp_path)) == 2
    assert run("verify", str(tmp_path / "Nowhere")) == 2
    assert "neither an archive's folder nor a migration id" in capsys.readouterr().err
