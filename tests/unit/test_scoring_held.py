"""What a scorer returns is held to what the ledger takes: else its words would stop the worker, and its siblings with it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualgate.processors.scoring.block import Source
from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.logic import MAX_WORDS, score_pairs
from dualgate.processors.scoring.protocol import Columns, Score, missing
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import LedgerEntry, Pair, QualityBlock
from support.scoring import pair, scoring, shop


class Says:
    """A scorer that returns something for the pair that is asked about, and 1 for the others."""

    name, version, columns = "latency", "x", ("latency",)

    def __init__(self, score: Any) -> None:
        self._score = score

    def score(self, pairs: Sequence[Pair], _context: ScoringContext, _earlier: Columns) -> Columns:
        return {"latency": [self._score if pair.query.query_id == "odd" else Score(1.0, 1.0) for pair in pairs]}


def block(folder: Path, score: Any) -> QualityBlock:
    known = scoring(shop(folder, {"g1": "SELECT 1"}))
    scorers = tuple(Says(score) if scorer.name == "latency" else scorer for scorer in known.scorers)
    pairs = [pair(query_id="q1"), pair(query_id="odd"), pair(query_id="q2")]
    found = score_pairs(replace(known, scorers=scorers), Source("l", 0, 0, 3), [0, 1, 2], pairs)
    Codec().encode(LedgerEntry(quality=found))
    return found


ODD: Any = Score


@pytest.mark.parametrize(
    "score",
    [
        None,
        (1.0, 1.0),
        Score(1.0, float("nan")),
        Score(1.0, 1.5),
        ODD(1.0, True),
        ODD(1.0, "1"),
        ODD(1.0, 1.0, "maybe"),
        ODD(1.0, 1.0, reason=5),
        ODD(1.0, 1.0, source=["rater"]),
        Score(1.0, 1.0, "missing"),
        Score(1.0, 1.0, "not_eligible"),
        Score(1.0, 1.0, label_probability=float("nan")),
        ODD(1.0, 1.0, label_drawn="yes"),
    ],
    ids=repr,
)
def test_what_is_no_score_is_missing_with_a_reason(tmp_path: Path, score: Any) -> None:
    """The pair's score alone is missing; the block can be written, and the other pairs and dimensions have theirs."""
    found = block(tmp_path, score).dimensions
    assert found["latency"].state == ["scored", "missing", "scored"]
    assert (found["latency"].reason[1] or "").startswith("scorer latency x: ")
    assert found["correctness"].state == ["scored"] * 3


def test_words_are_cut_to_what_a_block_can_hold(tmp_path: Path) -> None:
    """A reason of ten million characters, or with what UTF-8 has not, is written as far as it goes."""
    long = block(tmp_path, missing("x" * 10_000_000)).dimensions["latency"]
    assert long.reason[1] == "x" * MAX_WORDS
    assert block(tmp_path, missing("a\ud800b")).dimensions["latency"].reason[1] == "a?b"
