"""Evidence into the state: each row of a block at most once, every rule after every unit, and block cuts change nothing."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dualgate.gate import incumbent, monitors, phases, queries, strata, watched
from dualgate.gate.calibration import calibrated, unfitted
from dualgate.gate.decide import At, Cause, Decided, Output, Place, command, enter, record
from dualgate.gate.evidence import SNAPSHOT_UNITS, snapshot
from dualgate.gate.observations import Frame, Rows, scored, units, unpaired
from dualgate.gate.paths import Paths, now
from dualgate.gate.rated_rows import neither_answered
from dualgate.gate.reasons import reason
from dualgate.gate.state import MigrationState, Source, counted
from dualgate.gate.stats import DimensionSpec
from dualgate.gate.stats.lattice import IntArray
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.walk import walk
from dualgate.schemas.limits import block_fault
from dualgate.schemas.records import CoverageBlock, DimensionStatus, QualityBlock
from dualgate.schemas.topics import EVIDENCE, PAIRS, UNPAIRED

LATELY_MS = 30_000
"""A source partition that had data within this time of the ledger clock takes part in the evidence clock."""

Encode = Callable[[Sequence[DimensionSpec]], Rows]


def take(
    state: MigrationState, block: QualityBlock | CoverageBlock, at: At, *, snapshots: bool = True, closed: bool = False
) -> Decided:
    """Apply the rows of a block that are new and this migration's; the others are counted by what they are.

    Without `snapshots` only decisions are told of: snapshots change no decision, and cost most of the time of a block.
    closed: the log has ended (a backtest), and the ledger's clock stands while it is read.
    """
    if fault := block_fault(block):
        raise ValueError(fault)
    n = len(block.offset)
    if (block.epoch, block.config_hash) != (state.migration.epoch, state.migration.config_hash):
        return replace(state, counters=counted(state.counters, {"other_version": n})), []
    name = f"{PAIRS if isinstance(block, QualityBlock) else UNPAIRED}/{block.partition}"
    source = state.sources.get(name)
    if block.lineage in state.gone:
        return replace(state, counters=counted(state.counters, {"other_lineage": n})), []
    # All partitions of a topic have its one id, also those of which nothing was heard yet.
    known = [each for each in state.sources if each.startswith(name.partition("/")[0] + "/")]
    if other := next((each for each in known if state.sources[each].lineage != block.lineage), None):
        return _hold(state, other, state.sources[other], block, at)
    offsets = _offsets(block)
    own = _own(state, block, offsets >= (source.next_offset if source else 0))
    asked = _asked(state, block, closed) if isinstance(block, QualityBlock) else np.zeros(n, dtype=np.int64)
    clock_ms = _clock(state, name, source, asked, own, at) if isinstance(block, QualityBlock) else _standing(state, n)
    which, ended, more = _counting(state, block, own)
    more |= _passed_over(source, offsets[~own.fresh])
    wanted = (stratum for stratum, counts in zip(block.stratum, which, strict=True) if counts)
    state = replace(state, counters=counted(state.counters, more), strata=strata.named(state.strata, wanted))
    if isinstance(block, QualityBlock):
        state = replace(state, scorer_versions=dict(sorted(block.scorer_versions.items())))
    frame = Frame(clock_ms, which, strata.codes(state.strata, block.stratum), state.phase == phases.CALIBRATING)
    state, outputs = follow(state, _encoder(state, block, frame), at, snapshots=snapshots)
    return _arrived(_read(state, name, source, block, asked[own.ours], clock_ms, at), block, ended), outputs


def _arrived(state: MigrationState, block: QualityBlock | CoverageBlock, ended: BoolArray) -> MigrationState:
    """Note by stratum what a command of this phase routed: a shed query did not arrive, one that was not answered did."""
    if not queries.compared(state):
        return state
    rows = zip(block.stratum, block.routing_sequence, ended, strict=True)
    return queries.arrived(
        state, Counter(stratum for stratum, sequence, there in rows if there and queries.of_phase(state, sequence))
    )


def _offsets(block: QualityBlock | CoverageBlock) -> IntArray:
    """Return the offsets of a block; ValueError unless they rise within its bounds: else a row could count twice."""
    offsets = np.array(block.offset, dtype=np.int64)
    bounded = not len(offsets) or (block.from_offset <= offsets[0] and offsets[-1] < block.to_offset)
    if not bounded or (np.diff(offsets) <= 0).any():
        raise ValueError(f"offsets must rise within {block.from_offset}..{block.to_offset - 1}")
    return offsets


def _hold(state: MigrationState, name: str, source: Source, block: QualityBlock | CoverageBlock, at: At) -> Decided:
    """Hold a migration whose source topic was made anew: its offsets mean other records now."""
    state = replace(state, counters=counted(state.counters, {"other_lineage": len(block.offset)}))
    if state.held or not state.active:
        return state, []
    words = f"{name} was topic {source.lineage} and is {block.lineage} now (made anew); an operator's retry goes on with it"
    return record(replace(state, held=words), Cause("lineage", words, "hold"), Place(at))


@dataclass(frozen=True, slots=True)
class _Own:
    """Which rows of a block are new, and which of these are of this migration's versions."""

    fresh: BoolArray
    ours: BoolArray


def _own(state: MigrationState, block: QualityBlock | CoverageBlock, fresh: BoolArray) -> _Own:
    if isinstance(block, CoverageBlock):
        return _Own(fresh, fresh)
    wanted = (state.spec.incumbent, state.spec.challenger)
    versions = zip(block.incumbent.version, block.challenger.version, strict=True)
    return _Own(fresh, fresh & np.array([pair == wanted for pair in versions], dtype=bool))


def _counting(
    state: MigrationState, block: QualityBlock | CoverageBlock, own: _Own
) -> tuple[BoolArray, BoolArray, dict[str, int]]:
    """Return which rows are units of this migration, which are queries of it that came to an end, and counts of the others."""
    fresh, ours = own.fresh, own.ours
    if isinstance(block, QualityBlock):
        # The shadow path may give a query up before the challenger saw it; a user's query that it sheds is one.
        lanes = zip(block.challenger.status, block.challenger.lane, strict=True)
        answered = np.array([status != "shed" or lane == "live" for status, lane in lanes], dtype=bool)
        more = {"pairs": int(fresh.sum()), "other_version": int((fresh & ~ours).sum()), "shed": int((ours & ~answered).sum())}
        more["neither_answered"] = int((ours & neither_answered(block)).sum())
    else:
        answered = np.array([why != "late" for why in block.reason], dtype=bool)
        more = {}
        for why, new in zip(block.reason, fresh, strict=True):
            more[f"unpaired.{why}"] = more.get(f"unpaired.{why}", 0) + int(new)
    turn = units(block, state.spec.unit.by)
    more["not_unit"] = int((ours & answered & ~turn).sum())
    return ours & answered & turn, ours & answered, more


def _passed_over(source: Source | None, offsets: IntArray) -> dict[str, int]:
    """Return how many rows below the next offset came again, and how many come late: decisions were made without these."""
    gaps = source.gaps if source else ()
    late = np.array([any(first <= each < end for first, end in gaps) for each in offsets.tolist()], dtype=bool)
    return {"late": int(late.sum()), "repeated": int((~late).sum())}


def _clock(state: MigrationState, name: str, source: Source | None, asked: IntArray, own: _Own, at: At) -> IntArray:
    """Return the evidence clock after each row: the least of the greatest times of the partitions that had data lately.

    Only new rows of this migration's own versions move it: those of others end no phase.
    """
    began = source.asked_at_ms if source and source.asked_at_ms is not None else -1
    path = np.maximum.accumulate(np.maximum(np.where(own.ours, asked, began), began))
    for other, seen in state.sources.items():
        lately = at.time_ms - seen.heard_ms <= LATELY_MS
        if other != name and lately and seen.asked_at_ms is not None:
            path = np.minimum(path, seen.asked_at_ms)
    return np.maximum(path, state.evidence_clock_ms if state.evidence_clock_ms is not None else -1)


def _asked(state: MigrationState, block: QualityBlock, closed: bool) -> IntArray:
    """Return when each row was asked; live not later than now on the ledger's clock, which no producer sets.

    A replay, and a log that has ended, asks at an archive's times, and its rows are told at another.
    """
    asked = np.array(block.asked_at_ms, dtype=np.int64)
    return asked if closed or state.spec.mode == "replay" else np.minimum(asked, state.ledger_clock_ms)


def _standing(state: MigrationState, n: int) -> IntArray:
    """Return the clock of rows that do not move it: what expired is told late."""
    return np.full(n, -1 if state.evidence_clock_ms is None else state.evidence_clock_ms, dtype=np.int64)


def _read(
    state: MigrationState, name: str, source: Source | None, block: QualityBlock | CoverageBlock, ours_asked: IntArray,
    clock_ms: IntArray, at: At,
) -> MigrationState:  # fmt: skip
    """Note how far a source was read, and what its rows, those of ours by when they were asked, did to the clock."""
    asked = source.asked_at_ms if source else None
    if isinstance(block, QualityBlock) and len(ours_asked):
        asked = max(int(ours_asked.max()), -1 if asked is None else asked)
        if clock_ms[-1] >= 0:
            state = replace(state, evidence_clock_ms=int(clock_ms[-1]))
    read = source or Source(block.lineage, 0, None, at.time_ms)
    next_offset, gaps = max(block.to_offset, read.next_offset), read.gaps_after(block.from_offset, block.to_offset)
    sources = {**state.sources, name: Source(block.lineage, next_offset, asked, at.time_ms, gaps)}
    return replace(state, sources=dict(sorted(sources.items())))


def _encoder(state: MigrationState, block: QualityBlock | CoverageBlock, frame: Frame) -> Encode:
    def encode(specs: Sequence[DimensionSpec]) -> Rows:
        if isinstance(block, QualityBlock):
            return scored(state.spec, specs, block, frame)
        return unpaired(state.spec, specs, block, frame)

    return encode


def follow(state: MigrationState, encode: Encode, at: At, *, snapshots: bool = True) -> Decided:
    """Apply units one segment after the other: up to the next decision or snapshot.

    encode gives the units as they are observed under the hypotheses of the moment; it is asked again where these change.
    """
    outputs: list[Output] = []
    start, specs = 0, state.specs
    rows = encode(specs)
    while start < len(rows):
        if not state.active:
            return replace(state, counters=counted(state.counters, {"after_end": len(rows) - start})), outputs
        state, taken, decided = _segment(state, rows.part(start, len(rows)), at, snapshots)
        outputs += decided
        start += taken
        if state.specs is not specs:
            specs = state.specs
            rows = encode(specs)
    return state, outputs


def _segment(state: MigrationState, rows: Rows, at: At, snapshots: bool) -> tuple[MigrationState, int, list[Output]]:
    """Apply units of one phase up to a decision, a snapshot or the end; return how many rows that took."""
    most = SNAPSHOT_UNITS - state.n_units % SNAPSHOT_UNITS if snapshots else len(rows)
    inside = np.flatnonzero(_in_phase(state, rows))[:most]
    if not len(inside):
        return replace(state, counters=counted(state.counters, {"off_phase": len(rows)})), len(rows), []
    mask = np.zeros(len(rows), dtype=bool)
    mask[inside] = True
    here = rows.only(mask)
    state, n, fired = walk(state, here)
    taken = int(inside[n - 1]) + 1
    state = replace(state, counters=counted(state.counters, {"off_phase": taken - n}))
    place = Place(at, int(here.row[n - 1]))
    if fired:
        state, outputs = transition(state, fired.name, fired.to_phase, place)
        return state, taken, outputs
    if state.n_units % SNAPSHOT_UNITS or not snapshots:
        return state, taken, []
    told = Output(EVIDENCE, state.migration_id, snapshot(state, at.partition, at.offset, place.row))
    return state, taken, [told]


def _in_phase(state: MigrationState, rows: Rows) -> BoolArray:
    """Return which rows were routed under a command of this phase; in a replay the archive obeyed other commands."""
    if state.spec.mode == "replay" or not phases.is_live(state.phase):
        return np.ones(len(rows), dtype=bool)
    return np.asarray((rows.sequence >= state.phase_sequence) & (rows.sequence <= state.last_command.sequence))


def transition(state: MigrationState, rule: str, to_phase: str, place: Place) -> Decided:
    """Enter the phase that a rule leads to, with what the rule says of the dimensions."""
    if rule == "calibrated" and (incumbent.beyond(state.specs, state.incumbents) or unfitted(state)):
        rule, to_phase = "incumbent", phases.INCONCLUSIVE
    words = reason(rule, state)
    if rule == "reentered":
        # What was routed at the share of the step before and is still under way is no progress of the phase.
        began = state.last_command.sequence + 1
        back = replace(state, reentry="", reentry_ms=None, mirrored={}, phase_began_ms=state.begins_ms, phase_sequence=began)
        return command(back, phases.live_share(state.spec, state.phase), Cause(rule, words), place)
    if rule == "calibrated":
        state = calibrated(state)
    if rule == "accepted":
        begun = watched.begun(state)
        if why := watched.watches_nothing(begun):
            held = f"{why}; shorter live phases, or less traffic and an operator's retry"
            return record(replace(state, held=held), Cause("unwatched", held, "hold"), place)
        state = begun
        words += watched.unwatched_words(state)
    if rule == "watched":
        state = replace(state, monitors=monitors.stepped(state, to_phase))
    return enter(_judged(state, rule), to_phase, Cause(rule, words), place)


def _judged(state: MigrationState, rule: str) -> MigrationState:
    """Latch what a rule found: who is worse, who is rejected, that all are accepted."""
    verdicts: dict[str, DimensionStatus] = dict(state.verdicts)
    paths = now(state)
    if rule == "accepted":
        verdicts |= dict.fromkeys(state.on, "accepted")
    if rule in ("alarm", "spent"):
        verdicts |= dict.fromkeys((name for name in state.on if name in paths.watch and paths.watch[name][0]), "worse")
    for i, spec in enumerate(state.specs):
        if rule == "worse" and spec.worse is not None and _alarming(paths, i):
            verdicts[spec.dimension] = "worse"
        if rule == "futile" and paths.futile[i, 0]:
            verdicts[spec.dimension] = "rejected"
    decided = dict(state.decided_at)
    if rule in ("worse", "alarm", "spent"):
        decided |= {name: state.n_units for name, said in verdicts.items() if said == "worse"}
    return replace(state, verdicts=dict(sorted(verdicts.items())), decided_at=dict(sorted(decided.items())))


def _alarming(paths: Paths, i: int) -> bool:
    """Tell whether a hypothesis has the evidence of the alarm: the greatest of all, or beyond the first step by itself."""
    tested = [path[0] for s, path in zip(paths.state.specs, paths.worse, strict=True) if s.worse]
    return bool(paths.worse[i][0] == max(tested))
