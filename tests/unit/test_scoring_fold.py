"""The fold: every record of a partition ends as a row, a dead letter, or a count."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualgate.processors.runtime.dead_letters import DeadLetterBudget
from dualgate.processors.scoring.clock import Clocks, decode_clocks
from dualgate.processors.scoring.fold import Folded, Origin, Raw, ScoringLogic
from dualgate.processors.scoring.logic import MigrationScoring
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError, RecordError, StateError
from dualgate.schemas.records import Pair, Unpaired
from support.scoring import pair, response, scoring, shop

CODEC = Codec()
ORIGIN = Origin("pairs", "id-1", 3, 100)
MINUTE = 60_000


class World:
    """Migration m1 runs, m2 is over, no other was ever accepted."""

    def __init__(self, folder: Path, budget: DeadLetterBudget | None = None) -> None:
        self._scoring = scoring(shop(folder, {"g1": "SELECT 1"}), epoch=2)
        self.logic = ScoringLogic(CODEC, self._lookup, "test", budget)
        self.clocks = Clocks(behind_ms=15 * MINUTE)

    def _lookup(self, migration_id: str) -> MigrationScoring | None:
        if migration_id == "m2":
            return None
        if migration_id != "m1":
            raise RecordError(f"migration {migration_id} is not known")
        return self._scoring

    def pairs(self, *records: Raw) -> Folded:
        return self.logic.pairs(ORIGIN, records, self.clocks)


def raw(record: Any, offset: int = 100, key: str | None = None, timestamp_ms: int = 1_000) -> Raw:
    query = record.query
    name = key or f"{query.migration_id}/{query.query_id}"
    return Raw(offset, timestamp_ms, name.encode(), CODEC.encode(record))


def test_a_batch_becomes_one_block_of_its_migration(tmp_path: Path) -> None:
    """The block covers from where the batch before it ended to after its last record; gaps are covered too."""
    folded = World(tmp_path).pairs(raw(pair(query_id="a"), 103), raw(pair(query_id="b"), 107))
    (entry,) = folded.entries
    assert entry.quality is not None
    assert (entry.quality.epoch, entry.quality.lineage, entry.quality.partition) == (2, "id-1", 3)
    assert (entry.quality.from_offset, entry.quality.to_offset, entry.quality.offset) == (100, 108, [103, 107])
    assert folded.counts == {"pairs": 2}


def test_json_is_accepted_like_avro(tmp_path: Path) -> None:
    """Any language can publish without an Avro library."""
    ids = {"query_id": "q", "migration_id": "m1"}
    answer = {**ids, "agent_version": "1", "service_ms": 1, "started_at_ms": 5}
    value = {
        "query": {**ids, "asked_at_ms": 5, "text": "?"},
        "incumbent": {**answer, "arm": "incumbent"},
        "challenger": {**answer, "arm": "challenger"},
    }
    assert World(tmp_path).pairs(Raw(100, 5, b"m1/q", json.dumps(value).encode())).counts == {"pairs": 1}


def wrong(**response_fields: Any) -> Pair:
    good = pair()
    return replace(good, challenger=replace(good.challenger, **response_fields))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (
            raw(pair(), key="m1/other"),
            "query is of m1/q1, but the key says m1/other|incumbent is of m1/q1, but the key says m1/other",
        ),
        (raw(pair(), key="noslash"), "key b'noslash' is not migration_id/query_id"),
        (raw(pair(migration_id="m9")), "migration m9 is not known"),
        (raw(wrong(query_id="q2")), "challenger is of m1/q2, but the key says m1/q1"),
        (raw(wrong(arm="incumbent")), "challenger says arm=incumbent; in its place only challenger can stand"),
        (raw(wrong(service_ms=float("nan"))), "challenger has service_ms=nan"),
        (raw(wrong(service_ms=-1.0)), "challenger has service_ms=-1.0"),
        (raw(pair(asked_at_ms=301_001)), "asked_at_ms=301001 is 300001 ms > 300000 ms after its record's timestamp"),
        (raw(pair(sampling_probability=0.0)), "sampling_probability=0.0 must be above 0 and at most 1"),
        (Raw(100, 0, b"m1/q1", None), "missing (a tombstone)"),
        (Raw(100, 0, b"m1/q1", b"junk"), "neither the Confluent wire format nor JSON"),
        (Raw(100, 0, b"m1/q1", CODEC.encode(pair()) + b"x"), "1 bytes left over after the Pair"),
        (Raw(100, 0, b"m1/q1", b"\x00\x00\x00\x03\xe7junk"), "schema id 999 is not known"),
        (Raw(100, 0, None, CODEC.encode(pair())), "key is missing"),
    ],
)
def test_what_cannot_be_used_is_a_dead_letter_that_says_why(tmp_path: Path, record: Raw, reason: str) -> None:
    """The dead letter is the record, whole, with its place; its neighbour is scored."""
    folded = World(tmp_path).pairs(record, raw(pair(query_id="good"), 101))
    (dead,) = folded.dead
    assert any(words in dead.reason for words in reason.split("|"))
    assert (dead.topic, dead.partition, dead.offset, dead.key, dead.value) == ("pairs", 3, 100, record.key, record.value)
    assert folded.counts == {"dead": 1, "pairs": 1}


def test_what_comes_after_the_end_is_counted_and_dropped(tmp_path: Path) -> None:
    """A pair of a migration that is over is neither evidence nor a fault."""
    folded = World(tmp_path).pairs(raw(pair(migration_id="m2")))
    assert (folded.entries, folded.dead, folded.counts) == ([], [], {"over": 1})


def test_a_vector_far_behind_its_migrations_clock_is_dropped(tmp_path: Path) -> None:
    """The clock is the greatest time asked in the partition; equal to the bound still counts."""
    world, hour = World(tmp_path), 60 * MINUTE
    at = [hour, hour - 15 * MINUTE, hour - 15 * MINUTE - 1, hour + 1]
    records = [raw(pair(query_id=f"q{i}", asked_at_ms=t), 100 + i, timestamp_ms=hour) for i, t in enumerate(at)]
    folded = world.pairs(*records)
    assert folded.entries[0].quality is not None
    assert folded.entries[0].quality.offset == [100, 101, 103]
    assert folded.counts == {"pairs": 3, "stale": 1}


def test_a_migration_over_its_dead_letter_budget_is_held_and_no_other(tmp_path: Path) -> None:
    """Past the budget its records are counted and neither diverted nor scored; its last dead letter says so."""
    world = World(tmp_path, DeadLetterBudget(least=2, share=0.0))
    bad = [Raw(100 + i, 0, b"m1/q", b"junk") for i in range(4)]
    folded = world.pairs(*bad, raw(pair(), 110), raw(pair(migration_id="m9"), 111))
    assert folded.counts == {"dead": 4, "held": 2}
    assert "3 of 3 records were unusable > 2 allowed" in folded.dead[2].reason
    assert folded.dead[3].migration_id == "m9"


def test_unpaired_become_coverage_and_a_late_answer_moves_no_clock(tmp_path: Path) -> None:
    """A late answer is dated by its record and counted; a lost query is checked like any other."""
    world = World(tmp_path)
    lost = Unpaired(migration_id="m1", query_id="q1", reason="no_challenger", silent_arm="challenger", query=pair().query)
    late = Unpaired(migration_id="m1", query_id="q2", reason="late", incumbent=response("incumbent", query_id="q2"))
    values = [Raw(100, 1_000, b"m1/q1", CODEC.encode(lost)), Raw(101, 9_000, b"m1/q2", CODEC.encode(late))]
    folded = world.logic.unpaired(ORIGIN, values, world.clocks)
    block = folded.entries[0].coverage
    assert block is not None
    assert (block.offset, block.reason, block.asked_at_ms) == ([100, 101], ["no_challenger", "late"], [1_000, 9_000])
    assert world.clocks.at == {"m1/2": 1_000}


def test_clocks_survive_as_offset_metadata() -> None:
    """A successor has the clocks of its predecessor; those of epochs that are gone are forgotten."""
    clocks = Clocks(10)
    for migration, epoch, at in (("a", 1, 500), ("a", 2, 400), ("b", 1, 300), ("a", 2, 395)):
        assert clocks.admits(migration, epoch, at)
    clocks.keep({"a": 2, "c": 1})
    again = decode_clocks(clocks.encode(), 10)
    assert again.at == {"a/2": 400}
    assert not again.admits("a", 2, 389)
    assert decode_clocks("", 10).at == {}


def test_metadata_that_is_not_ours_or_too_long_is_an_error() -> None:
    """A foreign group's metadata stops the worker, and so do more clocks than the broker keeps."""
    with pytest.raises(StateError, match="is not that of scoring"):
        decode_clocks("v1;17", 10)
    with pytest.raises(ConfigError, match="bytes > 4096 of offset metadata"):
        Clocks(10, {f"migration-with-a-long-name-{i}/1": 1_700_000_000_000 for i in range(100)}).encode()
