"""A rated correctness in the fold: which rows of a block count at once and which wait in the line, and what is waited for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

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
from dualgate.gate.observations import SCORED, Rows
from dualgate.gate.rated_rows import DIMENSION, NONE, RatedRows
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import ppi
from dualgate.gate.stats.block import Block
from dualgate.gate.stats.lattice import MISSING, IntArray, Lattice
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.stats.rated import RATED
from dualgate.schemas.duration import format_duration
from dualgate.schemas.scorers import Rater


def taken(state: MigrationState, rows: Rows, seen: BoolArray) -> Taking | None:
    """Return what the line takes of the rows, None where correctness is not rated; seen: the observations of the phase."""
    if rows.rated is None or state.line is None:
        return None
    taking = Taking(state.line, _rater(state).labels_waiting)
    for row in _rows(state, rows.rated, rows.thousandths, seen):
        taking.take(row)
    return taking


def filled(state: MigrationState, rows: Rows, taking: Taking | None) -> Rows:
    """Return the rows with the correctness that counts at once; the others have none yet."""
    if taking is None or rows.rated is None:
        return rows
    counted, place = taking.counted, next(i for i, s in enumerate(state.specs) if s.measure == RATED)
    accept, worse = codes(state.specs[place].accept.lattice, _rater(state), taking.line, counted)
    old = rows.blocks[place]
    blocks = (*rows.blocks[:place], Block(accept, worse, old.thousandths), *rows.blocks[place + 1 :])
    labelled = np.array([row is not None and row.drawn for row in counted], dtype=bool)
    # A drawn pair is eligible, and it is scored once its label is there.
    fate = rows.fate | {DIMENSION: np.where(labelled & rows.rated.told, SCORED, rows.fate[DIMENSION])}
    return replace(rows, blocks=blocks, fate=fate, taken=np.array([row is not None for row in counted], dtype=bool))


def joined(state: MigrationState, rows: Rows, taking: Taking | None) -> tuple[Line | None, dict[str, int]]:
    """Return the line after the rows, and counters: pairs drawn, those counted with their labels, those not taken."""
    if taking is None or rows.rated is None:
        return state.line, {}
    had = [row for row in taking.counted if row is not None and row.drawn]
    agreed = sum(row.agrees for row in had)
    drawn = int((rows.rated.kind >= DRAWN).sum())
    more = {"labels.drawn": drawn, "labels.counted": len(had), "labels.agreed": agreed, "labels.not_taken": taking.refused}
    return taking.done(), more


def _rater(state: MigrationState) -> Rater:
    rater = state.spec.scoring.rater
    assert rater is not None
    return rater


def late(state: MigrationState) -> int:
    """Return for how many pairs a label is wanted and its time is over."""
    if state.line is None:
        return 0
    due_ms = _rater(state).label_due_ms
    return sum(state.ledger_clock_ms - row.drawn_at_ms > due_ms for row in state.line.waiting)


def words(state: MigrationState) -> list[str]:
    """Return in words, with the numbers, which labels are waited for."""
    if state.line is None or not (waiting := state.line.waiting):
        return []
    overdue, due = late(state), format_duration(_rater(state).label_due_ms)
    held = f", {overdue} of them for longer than scoring.rater.label_due {due}" if overdue else ""
    return [f"labels: {len(waiting)} pairs wait for people's verdicts{held} (dualgate label {state.migration_id} --wanted)"]


def _rows(state: MigrationState, given: RatedRows, thousandths: IntArray, seen: BoolArray) -> Iterator[Row | None]:
    clock = state.ledger_clock_ms
    columns = zip(given.kind.tolist(), thousandths.tolist(), given.query_hash, given.said.tolist(), seen.tolist(), strict=True)
    for kind, weight, query_hash, (incumbent, challenger), is_seen in columns:
        if kind == NONE:
            yield None
        elif kind < DRAWN:
            yield Row(kind, _stage(state, is_seen), weight)
        else:
            said = (None if incumbent < 0 else incumbent, None if challenger < 0 else challenger)
            yield Row(kind, _stage(state, is_seen), weight, query_hash, said, clock)


def _stage(state: MigrationState, seen: bool) -> int:
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
