"""What the rows of a block bring to the line of a rated correctness, before labels are looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualgate.gate.line import DRAWN, KNOWN, SILENT, UNDRAWN
from dualgate.gate.stats.dimension import DimensionSpec
from dualgate.gate.stats.lattice import IntArray
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.stats.rated import RATED
from dualgate.schemas.limits import QUERY_HASH_BYTES
from dualgate.schemas.records import DimensionColumns, QualityBlock
from dualgate.schemas.scorers import Rater

NONE = -1
DIMENSION = "correctness"
_SETTLED = ("error", "timeout", "refused")
"""Answers that nobody has to look at: without a golden answer that says otherwise they are wrong."""


@dataclass(frozen=True, slots=True)
class RatedRows:
    """What rows bring to the line: their kind (NONE: nothing), who they are, and what is known of each arm (-1: to be asked).

    told: where the rater spoke, so that the row is an observation though its label is not there.
    """

    kind: IntArray
    query_hash: Any
    said: IntArray
    told: BoolArray

    def taken(self, which: BoolArray | slice) -> "RatedRows":
        """Return some of the rows."""
        return RatedRows(self.kind[which], self.query_hash[which], self.said[which], self.told[which])


def is_rated(specs: Sequence[DimensionSpec]) -> bool:
    """Tell whether a migration's correctness is rated."""
    return any(s.measure == RATED for s in specs)


def rated_rows(rater: Rater, block: QualityBlock, scored: BoolArray, silent: BoolArray, usable: BoolArray) -> RatedRows:
    """Return what the rows of a block of pairs bring; scored, silent: by the dimension's state, before labels are looked at.

    A row whose label probability is not the file's has no weight, and one to which neither agent answered compares nothing:
    they bring nothing.
    """
    if long := [name for name in block.query_hash if len(name) > QUERY_HASH_BYTES or not name.isascii()]:
        # A pair that is drawn is remembered by it.
        raise ValueError(f"query_hash={long[0][:40]!r}… of {len(long[0]):,} characters, accepted: {QUERY_HASH_BYTES} of ASCII")
    n, columns, arms = len(block.offset), block.dimensions.get(DIMENSION), (block.incumbent.status, block.challenger.status)
    kind = np.where(silent & usable, SILENT, NONE)
    told = np.zeros(n, dtype=bool)
    if columns is not None:
        for i in np.flatnonzero(usable & ~silent & ~neither_answered(block)).tolist():
            kind[i] = _kind(rater, columns, i, bool(scored[i]))
            told[i] = bool(scored[i]) and kind[i] != NONE and not KNOWN <= kind[i] < SILENT
    said = np.array([[0 if s in _SETTLED else -1 for s in arm] for arm in arms], dtype=np.int64).T
    return RatedRows(kind, np.array(block.query_hash, dtype=object), said, told)


def neither_answered(block: QualityBlock) -> BoolArray:
    """Return to which pairs both agents gave an error or a time-out."""
    arms = zip(block.incumbent.status, block.challenger.status, strict=True)
    return np.array([all(status in ("error", "timeout") for status in pair) for pair in arms], dtype=bool)


def _kind(rater: Rater, columns: DimensionColumns, i: int, scored: bool) -> int:
    incumbent, challenger = columns.incumbent[i], columns.challenger[i]
    difference = 1 if not scored or incumbent is None or challenger is None else round(challenger - incumbent) + 1
    if columns.source[i] != "rater":
        return KNOWN + difference if scored else NONE
    if columns.label_probability[i] != rater.label_probability:
        return NONE
    return difference + (DRAWN if columns.label_drawn[i] else UNDRAWN)


def silent_rows(query_hash: Sequence[str], silent: BoolArray) -> RatedRows:
    """Return what queries without a pair bring: a silence of the challenger alone."""
    n = len(query_hash)
    nothing = np.zeros(n, dtype=bool)
    return RatedRows(np.where(silent, SILENT, NONE), np.array(query_hash, dtype=object), np.full((n, 2), -1), nothing)
