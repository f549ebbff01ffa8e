"""Blocks and isolation: columns of equal length, hashed ids, and scorers that cannot stop one another."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import pytest

from dualgate.processors.scoring.block import Identity, Source, coverage_block, hash_of
from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.logic import MigrationScoring, score_batch, score_pairs
from dualgate.processors.scoring.protocol import Columns, Score
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import ArmColumns, DimensionColumns, LedgerEntry, Pair, Unpaired
from support.scoring import pair, response, scoring, shop

SOURCE = Source("topic-id", 2, 10, 20)


def test_a_block_has_a_row_a_pair_in_every_column_and_survives_the_codec(tmp_path: Path) -> None:
    """All columns are as long as the offsets; ids are hashed; the sampling probability is quantised and never 0."""
    config = shop(tmp_path, {"g1": "SELECT 1"})
    pairs = [pair(query_id=f"q{i}", session_id="s1", session_turn=i, sampling_probability=0.00001) for i in (1, 2)]
    block = score_pairs(scoring(config, epoch=4), SOURCE, [11, 15], pairs)
    assert (block.epoch, block.lineage, block.partition, block.from_offset, block.to_offset) == (4, "topic-id", 2, 10, 20)
    assert block.query_hash == [hash_of("m1", "q1"), hash_of("m1", "q2")]
    assert block.session_hash == [hash_of("m1", "s1")] * 2
    assert block.sampling_probability == [0.001, 0.001]
    assert set(block.scorer_versions) == {"correctness", "latency", "semantic", "safety"}
    every: list[ArmColumns | DimensionColumns] = [block.incumbent, block.challenger, *block.dimensions.values()]
    for column in every:
        assert {len(getattr(column, f.name)) for f in fields(column)} == {2}
    codec = Codec()
    assert codec.decode(LedgerEntry, codec.encode(LedgerEntry(quality=block))).quality == block


def test_hashes_are_sixteen_hex_digits_that_differ_between_migrations() -> None:
    """The ledger names no query, and two migrations do not share a hash."""
    assert len(hash_of("m1", "q1")) == 16
    assert len({hash_of("m1", "q1"), hash_of("m2", "q1"), hash_of("m1", "q2")}) == 3


def test_a_dimension_that_is_off_has_no_column(tmp_path: Path) -> None:
    """What another dimension needs is computed and left out of the block."""
    config = shop(tmp_path, {"g1": "SELECT 1"}, "dimensions: {correctness: off, latency: off, safety: off}\n")
    block = score_pairs(scoring(config), SOURCE, [11], [pair()])
    assert list(block.dimensions) == ["semantic"]
    assert list(block.scorer_versions) == ["semantic"]
    assert block.dimensions["semantic"].challenger == [1.0]


def test_blocks_do_not_depend_on_where_batches_are_cut(tmp_path: Path) -> None:
    """The same pairs scored in one batch, in two, or again by another process give the same vectors."""
    config = shop(tmp_path, {"g1": "SELECT count(*) FROM ads"})
    pairs = [pair("SELECT 4", sql, query_id=sql) for sql in ("SELECT 4", "SELECT 3", "SELECT * FROM ads", "DROP TABLE ads")]
    whole = score_batch(scoring(config), pairs)
    cut = scoring(config)
    parts = [score_batch(cut, pairs[:1]), score_batch(cut, pairs[1:])]
    assert whole == {name: [*parts[0][name], *parts[1][name]] for name in whole}


def test_unpaired_become_a_coverage_block_with_their_reasons() -> None:
    """A late answer has no query: it is dated by its record and counted by its reason."""
    lost = Unpaired(migration_id="m1", query_id="q1", reason="no_challenger", silent_arm="challenger", query=pair().query)
    late = Unpaired(migration_id="m1", query_id="q9", reason="late", challenger=response("challenger"))
    block = coverage_block(Identity("m1", 1, "hash"), SOURCE, [12, 13], [lost, late], [1_000, 5_000])
    assert block.reason == ["no_challenger", "late"]
    assert block.silent_arm == ["challenger", None]
    assert block.asked_at_ms == [1_000, 5_000]
    assert block.query_hash[1] == hash_of("m1", "q9")


class Moody:
    """A scorer of a third party that fails as it is told."""

    name = "moody"
    version = "0"
    columns = ("moody",)

    def __init__(self, how: str) -> None:
        self._how = how

    def score(self, pairs: Sequence[Pair], _context: ScoringContext, _earlier: Columns) -> Columns:
        if self._how == "raise" and any(p.query.query_id == "bad" for p in pairs):
            raise RuntimeError("no idea")
        if self._how == "short":
            return {"moody": []}
        if self._how == "name":
            return {"other": [Score(1.0, 1.0)] * len(pairs)}
        value = {"nan": float("nan"), "big": 1.5}.get(self._how, 1.0)
        return {"moody": [Score(value, value)] * len(pairs)}


def with_scorer(base: MigrationScoring, how: str) -> MigrationScoring:
    return replace(base, scorers=(Moody(how), *base.scorers))


def test_a_scorer_that_raises_is_missing_for_that_pair_alone(tmp_path: Path) -> None:
    """One pair's failure is missing with a reason; its neighbours and the other dimensions are scored."""
    base = scoring(shop(tmp_path, {"g1": "SELECT 1"}))
    columns = score_batch(with_scorer(base, "raise"), [pair(), pair(query_id="bad"), pair()])
    assert [s.state for s in columns["moody"]] == ["scored", "missing", "scored"]
    assert columns["moody"][1].reason == "scorer moody 0: RuntimeError: no idea"
    assert (columns["moody"][1].incumbent, columns["moody"][1].challenger) == (None, None)
    assert [s.state for s in columns["correctness"]] == ["scored"] * 3


@pytest.mark.parametrize("how", ["short", "name", "nan", "big"])
def test_a_scorer_that_breaks_its_word_is_missing(tmp_path: Path, how: str) -> None:
    """Too few scores, another column, or a value that is no value never reach the ledger as evidence."""
    base = scoring(shop(tmp_path, {"g1": "SELECT 1"}))
    columns = score_batch(with_scorer(base, how), [pair(), pair()])
    assert [s.state for s in columns["moody"]] == ["missing", "missing"]
