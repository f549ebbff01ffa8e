"""What a scoring worker tells of itself."""

from dataclasses import replace
from pathlib import Path

from dualgate.processors.scoring.block import Source, coverage_block
from dualgate.processors.scoring.logic import MigrationScoring, score_pairs
from dualgate.processors.scoring.metrics import MAX_REASONS, Metrics, Reporter
from dualgate.schemas.records import LedgerEntry, Unpaired
from support.scoring import pair, scoring, shop

SOURCE = Source("topic", 0, 0, 10)


def told(reporter: Reporter) -> Metrics:
    reporter.look({}, 0, 0)
    return reporter.last


def entry(migration: MigrationScoring, *golden_ids: str) -> LedgerEntry:
    """Return the block of pairs, one for each golden answer that they name."""
    pairs = [pair(query_id=f"q{i}", golden_id=name, stratum="joins") for i, name in enumerate(golden_ids)]
    return LedgerEntry(quality=score_pairs(migration, SOURCE, range(len(pairs)), pairs))


def test_queries_are_told_by_stratum_and_fate(tmp_path: Path) -> None:
    """Pairs and what did not become one add up to coverage by migration and stratum."""
    migration, reporter = scoring(shop(tmp_path, {"g1": "SELECT 1"})), Reporter()
    query = pair(query_id="q9", stratum="joins").query
    lost = [Unpaired(migration_id="m1", query_id="q9", reason="no_challenger", silent_arm="challenger", query=query)]
    coverage = LedgerEntry(coverage=coverage_block(migration.identity, SOURCE, [0], lost, [0]))
    reporter.acknowledged([entry(migration, "g1", "g1"), coverage])
    assert told(reporter).queries == {("m1", "joins", "paired"): 2, ("m1", "joins", "no_challenger"): 1}
    assert told(reporter).blocks == 2


def test_missing_scores_are_told_by_reason_without_names(tmp_path: Path) -> None:
    """A reason that names a query's golden answer is the same reason for every query; the states add up to the pairs."""
    migration, reporter = scoring(shop(tmp_path, {"g1": "SELECT 1"})), Reporter()
    reporter.acknowledged([entry(migration, "g1", "g7", "g8")])
    missing = {reason: n for (_, name, reason), n in told(reporter).missing.items() if name == "correctness"}
    assert missing == {"golden answer … is not in the file": 2}
    states = {state: n for (_, name, state), n in told(reporter).scores.items() if name == "correctness"}
    assert states == {"scored": 1, "missing": 2}


def test_reasons_cannot_grow_without_bound() -> None:
    """A label with a value for each of a scorer's own words would break whoever stores it: what comes late is told as other."""
    reporter = Reporter()
    words = {reporter._class("why " + "x" * n) for n in range(1, 60)} | {reporter._class("y" * n) for n in range(1, 60)}
    assert len(words) == MAX_REASONS + 1
    assert "other" in words


def test_the_time_of_each_dimension_is_added_up(tmp_path: Path) -> None:
    """The worker's clock runs around each scorer, and what it returns is what it returns without."""
    plain, reporter = scoring(shop(tmp_path, {"g1": "SELECT 1"})), Reporter()
    timed = replace(plain, timed=reporter.timed)
    assert entry(timed, "g1") == entry(plain, "g1")
    seconds = told(reporter).seconds
    assert list(seconds) == ["correctness", "latency", "semantic", "safety"]
    assert all(value > 0 for value in seconds.values())
