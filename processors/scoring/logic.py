"""Score batches of pairs: every dimension that is on, in order, none able to stop another.

What is computed depends on the pairs and the migration's files alone, so a batch that is scored again after a crash, or cut
elsewhere, gives the same vectors. Databases are read through a snapshot that lasts for one batch.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import get_args

from dualgate.processors.scoring.block import Identity, Source, coverage_block, quality_block
from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.deadline import processor_seconds
from dualgate.processors.scoring.protocol import Columns, Score, Scorer, missing
from dualgate.schemas.records import Pair, QualityBlock, ScoreState

BATCH_SECONDS, PAIR_SECONDS = 120.0, 20.0
"""Processor time of a scorer, far above what the slowest batch takes: the last of the limits, where no other holds."""
MAX_WORDS = 2_000
"""Characters of a reason or a source: a block is one record, and one that the broker refuses would stop the worker."""
_STATES = get_args(ScoreState)


@dataclass(frozen=True, slots=True)
class MigrationScoring:
    """One migration's scorers, its rules and its identity on the ledger; `timed` is entered around each scorer's batch."""

    identity: Identity
    context: ScoringContext
    scorers: tuple[Scorer, ...]
    hidden: frozenset[str] = frozenset()
    timed: Callable[[str], AbstractContextManager[object]] = nullcontext

    @property
    def versions(self) -> dict[str, str]:
        """Return the version of each scorer that feeds a column of the block."""
        return {s.name: s.version for s in self.scorers if s.name not in self.hidden}


def score_pairs(scoring: MigrationScoring, source: Source, offsets: Sequence[int], pairs: Sequence[Pair]) -> QualityBlock:
    """Return the block of a batch of one migration's pairs from one source partition, in the order of their offsets."""
    scores = score_batch(scoring, pairs)
    return quality_block(scoring.identity, source, offsets, pairs, scores, scoring.versions)


cover_unpaired = coverage_block
"""What did not become a pair needs no scorer: identity, source, offsets, records and their timestamps make the block."""


def score_batch(scoring: MigrationScoring, pairs: Sequence[Pair]) -> dict[str, Sequence[Score]]:
    """Return the scores of a batch by column, without those that are only needed by others."""
    if scoring.context.databases is not None:
        scoring.context.databases.begin_batch()
    columns: dict[str, Sequence[Score]] = {}
    for scorer in scoring.scorers:
        with scoring.timed(scorer.name):
            columns.update(_guarded(scorer, pairs, scoring.context, columns))
    fell = [neither_answered(pair) for pair in pairs]
    return {name: _without(column, fell) for name, column in columns.items() if name not in scoring.hidden}


def neither_answered(pair: Pair) -> bool:
    """Tell whether both agents ended in an error or a time-out: what befell both compares neither with the other."""
    return all(response.status in ("error", "timeout") for response in (pair.incumbent, pair.challenger))


def _without(column: Sequence[Score], fell: Sequence[bool]) -> Sequence[Score]:
    """Make missing on both arms what was scored of pairs to which neither agent had an answer."""
    return [_nothing(score) if gone and score.state == "scored" else score for score, gone in zip(column, fell, strict=True)]


def _nothing(score: Score) -> Score:
    return replace(score, incumbent=None, challenger=None, state="missing", reason="neither agent answered")


def _guarded(scorer: Scorer, pairs: Sequence[Pair], context: ScoringContext, earlier: Columns) -> Columns:
    """Score a batch; where that raises, score pair by pair, so that only the pair at fault is missing."""
    try:
        with processor_seconds(BATCH_SECONDS if len(pairs) > 1 else PAIR_SECONDS):
            return _checked(scorer, scorer.score(pairs, context, earlier), len(pairs))
    except Exception as error:
        if len(pairs) == 1:
            failed = missing(f"scorer {scorer.name} {scorer.version}: {type(error).__name__}: {error}"[:300])
            return {name: [failed] for name in scorer.columns}
    rows = [
        _guarded(scorer, [pair], context, {name: column[i : i + 1] for name, column in earlier.items()})
        for i, pair in enumerate(pairs)
    ]
    return {name: [row[name][0] for row in rows] for name in scorer.columns}


def _checked(scorer: Scorer, columns: Columns, n_pairs: int) -> Mapping[str, Sequence[Score]]:
    """Hold a scorer to its word; a third party's may break it."""
    if set(columns) != set(scorer.columns):
        raise ValueError(f"returned the columns {sorted(columns)} instead of {sorted(scorer.columns)}")
    for name, column in columns.items():
        if len(column) != n_pairs:
            raise ValueError(f"{name} has {len(column)} scores for {n_pairs} pairs")
    return {name: [_held(name, score) for score in column] for name, column in columns.items()}


def _held(name: str, score: Score) -> Score:
    """Hold a score to what the ledger takes: one that does not fit its schema would stop the worker, not the scorer."""
    for value in (score.incumbent, score.challenger):
        if value is not None and (value.__class__ is bool or not (math.isfinite(value) and 0.0 <= value <= 1.0)):
            raise ValueError(f"{name}={value} is not between 0 and 1")
    if score.state not in _STATES:
        raise ValueError(f"{name} is {score.state!r}; accepted: {', '.join(_STATES)}")
    if score.state == "scored" and score.challenger is None:
        raise ValueError(f"{name} is scored without a value of the challenger")
    if score.state != "scored" and score.incumbent is not None and score.challenger is not None:
        raise ValueError(f"{name} is {score.state} with a value of both arms")
    probability, drawn = score.label_probability, score.label_drawn
    if drawn not in (None, True, False) or not (probability is None or 0 < probability <= 1):
        raise ValueError(f"{name} has label_probability={probability}, label_drawn={drawn}")
    if score.reason is score.source is score.rater_version is None:
        return score
    reason, source, rater = (_fitting(name, key, getattr(score, key)) for key in ("reason", "source", "rater_version"))
    return replace(score, reason=reason, source=source, rater_version=rater)


def _fitting(name: str, key: str, words: object) -> str | None:
    """Return words as they may stand on the ledger: cut, since a block is one record, and such as UTF-8 has."""
    if words is None or isinstance(words, str):
        return None if words is None else words[:MAX_WORDS].encode("utf-8", "replace").decode()
    raise ValueError(f"{name} has {key}={str(words)[:50]}, which is no text")
