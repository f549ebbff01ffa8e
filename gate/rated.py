"""A rated correctness in the fold: what the rows of a block bring to the line, and which of them count at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from dualgate.gate import phases
from dualgate.gate.line import (
    BEFORE,
    CALIBRATING,
    DRAWN,
    HERE,
    KNOWN,
    LIVE_HERE,
    PROGRESS,
    SILENT,
    UNDRAWN,
    Line,
    Row,
    Taking,
)
from dualgate.gate.stats import ppi
from dualgate.gate.stats.block import Block
from dualgate.gate.stats.dimension import DimensionSpec
from dualgate.gate.stats.lattice import MISSING, IntArray, Lattice
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.stats.rated import RATED
from dualgate.schemas.duration import format_duration
from dualgate.schemas.limits import QUERY_HASH_BYTES
from dualgate.schemas.records import DimensionColumns, QualityBlock
from dualgate.schemas.scorers import Rater

if TYPE_CHECKING:
    from dualgate.gate.observations import Rows
    from dualgate.gate.state import MigrationState

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


def filled(state: "MigrationState", rows: "Rows", seen: BoolArray) -> "Rows":
    """Return the rows with the correctness that counts at once; the others have none yet.

    seen: which rows are observations of the phase.
    """
    if rows.rated is None or state.line is None:
        return rows
    counted = _taken(state, rows, seen).counted
    place = next(i for i, s in enumerate(state.specs) if s.measure == RATED)
    accept, worse = codes(state.specs[place].accept.lattice, _rater(state), state.line, counted)
    old = rows.blocks[place]
    blocks = (*rows.blocks[:place], Block(accept, worse, old.thousandths), *rows.blocks[place + 1 :])
    labelled = np.array([row is not None and row.drawn for row in counted], dtype=bool)
    # 0 is SCORED: a drawn pair is eligible, and it is scored once its label is there.
    fate = rows.fate | {DIMENSION: np.where(labelled & rows.rated.told, 0, rows.fate[DIMENSION])}
    taken = np.array([row is not None for row in counted], dtype=bool)
    return replace(rows, blocks=blocks, fate=fate, taken=taken)


def joined(state: "MigrationState", rows: "Rows", seen: BoolArray) -> tuple[Line | None, dict[str, int]]:
    """Return the line after the rows, and counters: pairs drawn, those counted with their labels, those not taken."""
    if rows.rated is None or state.line is None:
        return state.line, {}
    taking = _taken(state, rows, seen)
    had = [row for row in taking.counted if row is not None and row.drawn]
    agreed = sum(row.agrees for row in had)
    drawn = int((rows.rated.kind >= DRAWN).sum())
    more = {"labels.drawn": drawn, "labels.counted": len(had), "labels.agreed": agreed, "labels.not_taken": taking.refused}
    return taking.done(), more


def _taken(state: "MigrationState", rows: "Rows", seen: BoolArray) -> Taking:
    assert state.line is not None
    taking = Taking(state.line, _rater(state).labels_waiting)
    for row in _rows(state, rows, seen):
        taking.take(row)
    return taking


def _rater(state: "MigrationState") -> Rater:
    rater = state.spec.scoring.rater
    assert rater is not None
    return rater


def late(state: "MigrationState") -> int:
    """Return for how many pairs a label is wanted and its time is over."""
    if state.line is None:
        return 0
    due_ms = _rater(state).label_due_ms
    return sum(state.ledger_clock_ms - row.drawn_at_ms > due_ms for row in state.line.waiting)


def words(state: "MigrationState") -> list[str]:
    """Return in words, with the numbers, which labels are waited for."""
    if state.line is None or not (waiting := state.line.waiting):
        return []
    overdue, due = late(state), format_duration(_rater(state).label_due_ms)
    held = f", {overdue} of them for longer than scoring.rater.label_due {due}" if overdue else ""
    return [f"labels: {len(waiting)} pairs wait for people's verdicts{held} (dualgate label {state.migration_id} --wanted)"]


def _rows(state: "MigrationState", rows: "Rows", seen: BoolArray) -> Iterator[Row | None]:
    assert rows.rated is not None
    clock, given = state.ledger_clock_ms, rows.rated
    columns = zip(
        given.kind.tolist(), rows.thousandths.tolist(), given.query_hash, given.said.tolist(), seen.tolist(), strict=True
    )
    for kind, thousandths, query_hash, (incumbent, challenger), is_seen in columns:
        if kind == NONE:
            yield None
        elif kind < DRAWN:
            yield Row(kind, _stage(state, is_seen), thousandths)
        else:
            said = (None if incumbent < 0 else incumbent, None if challenger < 0 else challenger)
            yield Row(kind, _stage(state, is_seen), thousandths, query_hash, said, clock)


def _stage(state: "MigrationState", seen: bool) -> int:
    if state.phase == phases.CALIBRATING:
        return CALIBRATING
    if not phases.is_live(state.phase):
        return HERE if state.active else BEFORE
    return PROGRESS if seen and not state.reentry else LIVE_HERE


def codes(signal: Lattice, rater: Rater, line: Line, rows: Sequence[Row | None]) -> tuple[IntArray, IntArray]:
    """Return what rows observe for acceptance and for worse, in their order; the rater's weight comes from the labels before."""
    drawn = round(ppi.THOUSAND * rater.label_probability)
    accept, worse = np.full(len(rows), MISSING, dtype=np.int64), np.full(len(rows), MISSING, dtype=np.int64)
    for i, row in enumerate(rows):
        if row is None:
            continue
        accept[i], worse[i] = _observed(signal, line.weight, drawn, row.kind, row.label)
        if row.drawn:
            line = line.learnt([row])
    return accept, worse


@lru_cache(maxsize=4096)
def _observed(signal: Lattice, weight: int, drawn: int, kind: int, label: int | None) -> tuple[int, int]:
    """Return the places of z for acceptance (rounded down) and for worse (rounded up)."""
    if kind == SILENT:
        return ppi.position(signal, -ppi.THOUSAND), MISSING
    if kind < DRAWN and kind >= KNOWN:
        place = ppi.position(signal, ppi.THOUSAND * (kind - KNOWN - 1))
        return place, place
    rater = kind - (DRAWN if kind >= DRAWN else UNDRAWN) - 1
    down, up = (direction * ppi.corrected(rater, label, weight, drawn, direction) for direction in (1, -1))
    return ppi.position(signal, down), ppi.position(signal, up)
