"""What the demo shows: the fold of what it sees, its line and its picture."""

import io
from typing import Any

from rich.console import Console

from dualgate.cli.demo.screen import Screen, line, picture
from dualgate.cli.demo.watch import Seen
from dualgate.schemas.records import ArmColumns, DeadLetter, LedgerEntry, QualityBlock, RoutingAck
from support.routing import MIGRATION
from support.stories import config, decision, snapshot

SPEC = config().spec


def block(offsets: list[int], partition: int = 0) -> LedgerEntry:
    n = len(offsets)
    arm = ArmColumns(version=["v"] * n, lane=["shadow"] * n, status=["ok"] * n, service_ms=[1.0] * n, queue_ms=[0.0] * n)
    columns: dict[str, Any] = {
        "offset": offsets, "query_hash": ["q"] * n, "session_hash": [None] * n, "session_turn": [None] * n,
        "stratum": ["all"] * n, "sampling_probability": [1.0] * n, "asked_at_ms": [0] * n,
        "routing_sequence": [None] * n, "served_by": ["incumbent"] * n,
    }  # fmt: skip
    quality = QualityBlock(
        migration_id=MIGRATION, epoch=1, config_hash="h", lineage="l", partition=partition, from_offset=offsets[0],
        to_offset=offsets[-1] + 1, scorer_versions={}, incumbent=arm, challenger=arm, dimensions={}, **columns,
    )  # fmt: skip
    return LedgerEntry(quality=quality)


def seen(*records: Any) -> Seen:
    held = Seen()
    for record in records:
        held.take(record)
    return held


def ack(sequence: int) -> LedgerEntry:
    return LedgerEntry(ack=RoutingAck(migration_id=MIGRATION, router_id="r", epoch=1, sequence=sequence, sent_at_ms=0))


def test_pairs_are_counted_once_although_blocks_overlap() -> None:
    """A block that a restarted scorer sent again adds only what is new, partition by partition."""
    assert seen(block([0, 1, 2]), block([1, 2, 3]), block([0, 1], partition=1)).n_scored == 6


def test_the_run_is_over_when_the_router_obeys_the_last_command() -> None:
    """A final phase alone is not enough: the acknowledgement must be of the newest sequence."""
    done = decision(11_000, "TAIL", "COMPLETED", 1.0, sequence=6)
    assert seen(done).final
    assert not seen(done, ack(5)).obeyed
    assert seen(done, ack(6)).obeyed


def test_before_the_first_decision_it_is_starting() -> None:
    """Nothing heard is neither final nor obeyed."""
    nothing = seen()
    assert (nothing.phase, nothing.final, nothing.obeyed) == ("starting", False, False)


def test_the_line_has_phase_pairs_rate_and_each_dimension() -> None:
    """One plain line for logs."""
    told = line(SPEC, 12_000, seen(block([0, 1, 2, 3]), snapshot(1_000), decision(4_800, "SHADOW", "CANARY", 0.05)), 2.0)
    for words in ("CANARY", "4 of 12,000 pairs", "2 pairs/s", "correctness 1.60/4.38", "safety 0.90/4.38"):
        assert words in told


def test_the_picture_shows_evidence_against_its_thresholds_and_dead_letters_loudly() -> None:
    """All four dimensions, what is waited for, the last reason, and what went wrong."""
    dead = DeadLetter(topic="queries", partition=0, offset=7, timestamp_ms=0, reason="value is empty", worker="pairing")
    console = Console(file=io.StringIO(), width=160)
    console.print(picture(SPEC, 12_000, seen(snapshot(3_000), decision(4_800, "SHADOW", "CANARY", 0.05), dead), 2.0))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for words in (
        "correctness",
        "latency",
        "semantic",
        "safety",
        "4.80 / 3.00",
        "waiting for evidence",
        "1 dead letters: value is empty",
    ):
        assert words in shown


def test_without_a_terminal_it_prints_at_each_change_of_phase() -> None:
    """Plain lines, no control characters, one a phase (and one now and then)."""
    out = io.StringIO()
    with Screen(SPEC, 12_000, Console(file=out, soft_wrap=True)) as screen:
        held = seen(snapshot(100))
        screen.show(held)
        screen.show(held)
        held.take(decision(4_800, "SHADOW", "CANARY", 0.05))
        screen.show(held)
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert "CANARY" in lines[1]
    assert "\x1b" not in out.getvalue()
