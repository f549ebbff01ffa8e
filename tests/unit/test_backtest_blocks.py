"""Offline scoring: the live fold's blocks, coverage in its time, nothing lost."""

from pathlib import Path
from typing import Any

import dualgate.lab.backtest.blocks as blocks
from dualgate.lab.backtest.blocks import Blocks
from dualgate.lab.backtest.join import join
from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.migrations import scoring_of
from dualgate.schemas.archive import read_archive, write_archive
from dualgate.schemas.migration import MigrationConfig, MigrationSpec
from dualgate.schemas.records import LedgerEntry, Query, Response
from dualgate.schemas.settings import PairingTimes

TIMES = PairingTimes(window_ms=10_000, skew_ms=1_000, grain_ms=250)
ON = {"correctness": "off", "semantic": "off", "safety": "off"}
CONFIG = MigrationConfig(
    MigrationSpec.model_validate({"migration": "m", "incumbent": "a", "challenger": "b", "dimensions": ON}), "/nowhere"
)
Line = tuple[str, str, int, Any]


def asked(number: int, at: int, *, answered: bool = True, ahead_ms: int = 0) -> list[Line]:
    """A query with its answers; without the challenger's where it is not answered."""
    key = f"m/q{number}"
    query = Query(query_id=f"q{number}", migration_id="m", asked_at_ms=at + ahead_ms, text="?")
    lines: list[Line] = [("queries", key, at, query)]
    for arm in ("incumbent", "challenger")[: 1 + answered]:
        answer = Response(
            query_id=f"q{number}", migration_id="m", arm=arm, agent_version=arm[0], service_ms=5.0, started_at_ms=at  # type: ignore[arg-type]
        )  # fmt: skip
        lines.append((f"responses.{arm}", key, at + 10, answer))
    return lines


def scored(tmp_path: Path, *queries: list[Line]) -> tuple[Blocks, list[LedgerEntry]]:
    path = tmp_path / "log.jsonl"
    write_archive(path, [line for lines in queries for line in lines])
    made = Blocks(scoring_of(Identity("m", 1, "hash"), CONFIG), join(read_archive(path), "m", TIMES), TIMES)
    return made, list(made.entries())


def test_every_pair_becomes_one_row_in_its_order(tmp_path: Path, monkeypatch: Any) -> None:
    """Blocks follow each other without a gap, and the block size changes no row."""
    monkeypatch.setattr(blocks, "ROWS", 3)
    made, entries = scored(tmp_path, *(asked(n, n * 1_000) for n in range(8)))
    found = [entry.quality for entry in entries if entry.quality]
    assert [offset for block in found for offset in block.offset] == list(range(8))
    assert [(block.from_offset, block.to_offset) for block in found] == [(0, 3), (3, 6), (6, 8)]
    assert made.counts["pairs"] == 8


def test_coverage_stands_where_the_query_had_expired(tmp_path: Path, monkeypatch: Any) -> None:
    """A query without an answer is told before the pairs asked more than a window later, and not before earlier ones."""
    monkeypatch.setattr(blocks, "ROWS", 1)
    _, entries = scored(tmp_path, asked(0, 0), asked(1, 1_000, answered=False), asked(2, 2_000), asked(3, 60_000))
    assert ["quality" if entry.quality else "coverage" for entry in entries] == ["quality", "quality", "coverage", "quality"]
    (cover,) = (entry.coverage for entry in entries if entry.coverage)
    assert (cover.reason, cover.silent_arm) == (["no_challenger"], ["challenger"])


def test_what_never_became_a_pair_is_told_at_the_end(tmp_path: Path) -> None:
    """The last query's silence is not lost with the end of the log."""
    _, entries = scored(tmp_path, asked(0, 0), asked(1, 1_000, answered=False))
    assert entries[-1].coverage is not None


def test_a_bad_clock_is_a_dead_letter_as_it_is_live(tmp_path: Path) -> None:
    """A question that claims to be asked an hour after its record is not evidence, and is told with its reason."""
    made, entries = scored(tmp_path, asked(0, 0), asked(1, 1_000, ahead_ms=3_600_000))
    assert sum(len(entry.quality.offset) for entry in entries if entry.quality) == 1
    assert len(made.dead) == 1
    assert "asked_at_ms" in made.dead[0].reason
