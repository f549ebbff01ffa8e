"""What the rows of a block observe: one accept and one worse value for each hypothesis, by "what an answer counts".

Larger is better. A value that is missing because the challenger alone gave none is the worst there is for acceptance (unless
the file says hold) and nothing for "worse"; missing on both arms, or through our own fault, is no observation at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dualgate.gate import latency
from dualgate.gate.hypotheses import sampling_of
from dualgate.gate.rated_rows import DIMENSION, NONE, RatedRows, is_rated, rated_rows, silent_rows
from dualgate.gate.stats import Block, DimensionSpec, encode_block
from dualgate.gate.stats.lattice import FloatArray, IntArray
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.stats.rated import RATED
from dualgate.gate.stats.sampling import MAX_DRAWN_TURN, drawn_turn, quantised_probability
from dualgate.schemas.migration import MigrationSpec
from dualgate.schemas.records import CoverageBlock, DimensionColumns, QualityBlock

SCORED, NOT_ELIGIBLE, MISSING, SILENT = range(4)
"""What became of a dimension in a row; silent: missing, and only the challenger has no value."""
ABSOLUTE = ("exceedance", "median", "level", "rate")
"""Measures of the challenger alone, against a boundary that an incumbent may be beyond too."""
_STATES = {"scored": SCORED, "not_eligible": NOT_ELIGIBLE, "missing": MISSING}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a block that are units, in the order of the log; every array has one entry a row.

    clock_ms is the source's clock at the row; fate is one array of SCORED … SILENT a dimension that is on; stratum the query's
    place among the state's strata; late whether the challenger's live answer passed the SLA with queueing (-1: no live answer);
    incumbent, while calibrating, what its own answers observe of each absolute hypothesis and of a relative latency; rated what
    a rater said, taken which rows the line of a rated correctness has counted at once (None: it is not rated).
    """

    row: IntArray
    clock_ms: IntArray
    sequence: IntArray
    blocks: tuple[Block, ...]
    fate: dict[str, IntArray]
    stratum: IntArray
    late: IntArray
    incumbent: dict[str, IntArray]
    rated: RatedRows | None = None
    taken: BoolArray | None = None

    @property
    def thousandths(self) -> IntArray:
        """With what probability each row became a unit."""
        return self.blocks[0].thousandths

    def __len__(self) -> int:
        return len(self.row)

    def only(self, which: BoolArray) -> "Rows":
        """Return the rows of a mask."""
        blocks = tuple(Block(b.accept[which], b.worse[which], b.thousandths[which]) for b in self.blocks)
        return self._taken(which, blocks)

    def part(self, start: int, stop: int) -> "Rows":
        """Return the rows start..stop - 1."""
        return self._taken(slice(start, stop), tuple(b.part(start, stop) for b in self.blocks))

    def _taken(self, which: BoolArray | slice, blocks: tuple[Block, ...]) -> "Rows":
        return Rows(
            self.row[which], self.clock_ms[which], self.sequence[which], blocks,
            {name: values[which] for name, values in self.fate.items()}, self.stratum[which], self.late[which],
            {name: values[which] for name, values in self.incumbent.items()},
            self.rated and self.rated.taken(which), None if self.taken is None else self.taken[which],
        )  # fmt: skip


def observed(rows: Rows) -> BoolArray:
    """Return which rows are observations: pairs on which every dimension that is eligible is scored, and at least one is.

    What a rater has told is one too; its label, if one is wanted, is waited for in the line.
    """
    fates = np.array(list(rows.fate.values()))
    told = (fates == SCORED).any(axis=0) | (False if rows.rated is None else rows.rated.told)
    return np.asarray(((fates == SCORED) | (fates == NOT_ELIGIBLE)).all(axis=0) & told)


def units(block: QualityBlock | CoverageBlock, by: str) -> BoolArray:
    """Return which rows are units: all, the first turn of each session, or the turn that a session's hash draws."""
    if by == "first":
        return np.array([turn is None or turn == 1 for turn in block.session_turn], dtype=bool)
    if by == "drawn":
        sessions = zip(block.session_hash, block.session_turn, strict=True)
        return np.array([s is None or t is None or drawn_turn(s) == t for s, t in sessions], dtype=bool)
    return np.ones(len(block.offset), dtype=bool)


def weighed(spec: MigrationSpec, block: QualityBlock | CoverageBlock, which: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Return with what probability each row became a unit, and which of the rows can be weighed with it.

    A row below the least probability of the file has no weight (the bets are bounded by it): 1 stands in its place, and it is
    missing through our own fault. So are rows that are not asked for: nothing in them may spoil the rest of the block.
    """
    turns, least = MAX_DRAWN_TURN if spec.unit.by == "drawn" else 1, sampling_of(spec).least
    given = [p if 0 < p <= 1 else 0.0 for p in block.sampling_probability]
    weights = np.array([quantised_probability(p / turns) if p else 0.0 for p in given])
    usable = np.asarray(which & (weights >= least))
    return np.where(usable, weights, 1.0), usable


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds the rows of a block: the clock after each, which of them are wanted, each one's stratum, and the phase."""

    clock_ms: IntArray
    which: BoolArray
    stratum: IntArray
    calibrating: bool


def scored(spec: MigrationSpec, specs: Sequence[DimensionSpec], block: QualityBlock, frame: Frame) -> Rows:
    """Return what the wanted rows of a block of pairs observe."""
    weights, usable = weighed(spec, block, frame.which)
    alone = {s.dimension for s in specs if s.measure == "level"}
    fate = {
        name: np.where(usable, _fates(block.dimensions.get(name), len(usable), paired=name not in alone), MISSING)
        for name in spec.dimensions.on
    }
    rated = None
    if spec.scoring.rater is not None and is_rated(specs):
        own = fate[DIMENSION]
        rated = rated_rows(spec.scoring.rater, block, own == SCORED, _silences(spec, own), usable)
        fate[DIMENSION] = _until_labelled(rated, own)
    blocks = tuple(_encoded(spec, s, block, fate[s.dimension], weights, usable) for s in specs)
    absolute = [s for s in specs if s.measure in (*ABSOLUTE, latency.RELATIVE) and frame.calibrating]
    incumbent = {s.name: _incumbents(spec, s, block, usable & (fate[s.dimension] == SCORED)) for s in absolute}
    return _rows(block, frame, blocks, _with_classes(specs, block, fate), _late(spec, block), incumbent, rated)


def _silences(spec: MigrationSpec, fate: IntArray) -> BoolArray:
    """Return where a silence of the challenger alone counts as a wrong answer."""
    part = spec.dimensions.correctness
    return np.asarray((fate == SILENT) & (part is not None and part.missing == "worst"))


def _until_labelled(rated: RatedRows, fate: IntArray) -> IntArray:
    """Return what became of a rated correctness: only a label makes a pair eligible, and what has no weight is lost."""
    lost = (fate == SCORED) & (rated.kind == NONE)
    return np.asarray(np.where(lost, MISSING, np.where(rated.told, NOT_ELIGIBLE, fate)))


def _with_classes(specs: Sequence[DimensionSpec], block: QualityBlock, fate: dict[str, IntArray]) -> dict[str, IntArray]:
    """Return what became of each dimension where safety is only scored if each of its classes that has a ceiling is."""
    told = dict(fate)
    for name in (s.name for s in specs if s.name.startswith("safety.")):
        own = _fates(block.dimensions.get(name), len(block.offset), paired=True)
        lost = (own == MISSING) | (own == SILENT)
        told["safety"] = np.where((told["safety"] == SCORED) & lost, MISSING, told["safety"])
    return told


def unpaired(spec: MigrationSpec, specs: Sequence[DimensionSpec], block: CoverageBlock, frame: Frame) -> Rows:
    """Return what queries without a pair observe: a challenger's silence is the worst value, any other silence is none."""
    weights, usable = weighed(spec, block, frame.which)
    silent = np.array([arm == "challenger" for arm in block.silent_arm], dtype=bool) & usable
    fate = {name: np.where(silent, SILENT, MISSING) for name in spec.dimensions.on}
    nothing = np.full(len(silent), np.nan)
    blocks = []
    for hypothesis in specs:
        accept = _worst_where_silent(spec, hypothesis, fate[hypothesis.dimension], nothing.copy())
        if hypothesis.measure == RATED:
            accept = nothing
        blocks.append(encode_block(hypothesis, accept, nothing, weights))
    late = np.full(len(silent), -1, dtype=np.int64)
    rated = silent_rows(block.query_hash, _silences(spec, fate[DIMENSION])) if is_rated(specs) else None
    return _rows(block, frame, tuple(blocks), fate, late, {}, rated)


def _rows(
    block: QualityBlock | CoverageBlock, frame: Frame, blocks: tuple[Block, ...], fate: dict[str, IntArray], late: IntArray,
    incumbent: dict[str, IntArray], rated: RatedRows | None,
) -> Rows:  # fmt: skip
    sequence = np.array([-1 if s is None else s for s in block.routing_sequence], dtype=np.int64)
    rows = Rows(np.arange(len(block.offset)), frame.clock_ms, sequence, blocks, fate, frame.stratum, late, incumbent, rated)
    return rows.only(frame.which)


def _late(spec: MigrationSpec, block: QualityBlock) -> IntArray:
    """Return where the challenger's answer to a user passed the SLA, queueing included; -1 where it was no live answer."""
    if not spec.dimensions.latency or "live" not in block.challenger.lane:
        return np.full(len(block.offset), -1, dtype=np.int64)
    arm, sla = block.challenger, spec.dimensions.latency.sla_ms
    columns = zip(arm.lane, arm.status, arm.queue_ms, arm.service_ms, strict=True)
    return np.array(
        [-1 if lane != "live" else int(s in ("error", "timeout", "shed") or not q + t <= sla) for lane, s, q, t in columns],
        dtype=np.int64,
    )


def _incumbents(spec: MigrationSpec, hypothesis: DimensionSpec, block: QualityBlock, there: BoolArray) -> IntArray:
    """Return what the incumbent's own answers observe of a rate or a level; of a relative latency how long they took."""
    if hypothesis.measure == latency.RELATIVE:
        return np.where(there, latency.cells(latency.answered_ms(block.incumbent)), -1)
    own = _arms(spec, hypothesis, block)[1]
    values = own if hypothesis.measure == "level" else 1 - own
    return hypothesis.accept.lattice.encode_many(np.where(there, values, np.nan))


def _fates(columns: DimensionColumns | None, n: int, *, paired: bool) -> IntArray:
    """Return what became of a dimension in each row; a dimension that the block does not have is missing.

    paired: a score is of both arms. A semantic level is the challenger's alone where the incumbent is not asked twice.
    """
    if columns is None:
        return np.full(n, MISSING, dtype=np.int64)
    fate = np.array([_STATES[state] for state in columns.state], dtype=np.int64)
    challenger, incumbent = (np.isnan(_floats(arm)) for arm in (columns.challenger, columns.incumbent))
    # Whatever is said of it: without a value nothing was scored.
    fate = np.where((fate == SCORED) & (challenger | (incumbent & paired)), MISSING, fate)
    return np.where((fate == MISSING) & challenger & ~incumbent, SILENT, fate)


def _encoded(
    spec: MigrationSpec, hypothesis: DimensionSpec, block: QualityBlock, fate: IntArray, weights: FloatArray, usable: BoolArray
) -> Block:
    if hypothesis.measure == RATED:  # the line tells what is observed
        nothing = np.full(len(fate), np.nan)
        return encode_block(hypothesis, nothing, nothing, weights)
    own = fate
    if hypothesis.name.startswith("safety."):
        own = np.where(usable, _fates(block.dimensions.get(hypothesis.name), len(fate), paired=True), MISSING)
    if hypothesis.measure == latency.RELATIVE:
        accept, worse = latency.differences(hypothesis, *(latency.answered_ms(a) for a in (block.challenger, block.incumbent)))
    else:
        challenger, incumbent = _arms(spec, hypothesis, block)
        accept, worse = _values(hypothesis, challenger, incumbent)
    unseen = own != SCORED
    accept[unseen], worse[unseen] = np.nan, np.nan
    return encode_block(hypothesis, _worst_where_silent(spec, hypothesis, own, accept), worse, weights)


def _worst_where_silent(spec: MigrationSpec, hypothesis: DimensionSpec, fate: IntArray, accept: FloatArray) -> FloatArray:
    unfitted = hypothesis.measure == latency.RELATIVE and not hypothesis.scores
    if getattr(spec.dimensions, hypothesis.dimension).missing == "worst" and not unfitted:
        accept[fate == SILENT] = hypothesis.accept.lattice.low
    return accept


def _arms(spec: MigrationSpec, hypothesis: DimensionSpec, block: QualityBlock) -> tuple[FloatArray, FloatArray]:
    """Return the challenger's and the incumbent's values of a hypothesis, NaN where there is none."""
    if hypothesis.name == "latency.median" and spec.dimensions.latency and spec.dimensions.latency.median_sla_ms:
        limit = spec.dimensions.latency.median_sla_ms
        pair = (block.challenger, block.incumbent)
        slow = [
            [float(s in ("error", "timeout") or not ms <= limit) for ms, s in zip(arm.service_ms, arm.status, strict=True)]
            for arm in pair
        ]
        return np.array(slow[0]), np.array(slow[1])
    columns = block.dimensions.get(hypothesis.name)
    if columns is None:
        return np.full(len(block.offset), np.nan), np.full(len(block.offset), np.nan)
    return _floats(columns.challenger), _floats(columns.incumbent)


def _floats(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _values(hypothesis: DimensionSpec, challenger: FloatArray, incumbent: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the accept and the worse observations; larger is better in both."""
    if hypothesis.dimension in ("latency", "safety"):  # 1 is bad: over the SLA, or a violation
        difference = incumbent - challenger
        accept = difference if hypothesis.measure == "difference" else 1 - challenger
        return accept.copy(), difference
    difference = challenger - incumbent
    if hypothesis.measure == "level":
        alone = hypothesis.worse is not None and hypothesis.worse.lattice == hypothesis.accept.lattice  # no re-runs
        return challenger.copy(), challenger.copy() if alone else np.round(difference, 3)
    return np.round(difference, 3), np.round(difference, 3)
