"""A person's verdict into the state: it frees the pairs that waited for it, and every rule is evaluated after each of them."""

from dataclasses import replace

import numpy as np

from dualgate.gate import rated, vigil, wanted
from dualgate.gate.decide import At, Decided, Output, Place
from dualgate.gate.evidence import snapshot
from dualgate.gate.intake import transition
from dualgate.gate.line import CALIBRATING, DRAWN, HERE, LIVE_BEFORE, LIVE_HERE, PROGRESS, Row
from dualgate.gate.monitors import Monitors
from dualgate.gate.paths import Paths, coverage_with, now
from dualgate.gate.rated_rows import DIMENSION
from dualgate.gate.rules import Rule, first, rules
from dualgate.gate.state import PHASE, MigrationState, counted
from dualgate.gate.stats import Trace, update_many
from dualgate.gate.stats.block import Block
from dualgate.gate.stats.lattice import MISSING, FloatArray, IntArray
from dualgate.gate.stats.monitor import update_monitor_many
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.stats.rated import RATED
from dualgate.gate.vigil import Stops
from dualgate.gate.walk import decided
from dualgate.schemas.errors import RecordError
from dualgate.schemas.limits import query_hash_fault
from dualgate.schemas.records import Label
from dualgate.schemas.topics import EVIDENCE


def epoch_of(label: Label) -> int:
    """Return the epoch whose answer was judged: the first where the verdict names none, since its writer knew of no other."""
    return 1 if label.epoch is None else label.epoch


def take_label(state: MigrationState, label: Label, at: At) -> Decided:
    """Apply a verdict: 1 right, 0 wrong; the first on an answer stands. RecordError for any other number.

    A verdict on an answer of another epoch is left out and counted: the same query may have been answered by other versions.
    """
    if fault := query_hash_fault(label.query_hash):
        raise RecordError(f"label: {fault}")
    if label.verdict not in (0, 1):
        raise RecordError(
            f"label of {label.query_hash} by {label.who} has verdict={label.verdict}; accepted: 1 (right), 0 (wrong)"
        )
    if epoch_of(label) != state.migration.epoch:
        return replace(state, counters=counted(state.counters, {"labels.other_epoch": 1})), []
    if state.line is None or not state.active:
        return replace(state, counters=counted(state.counters, {"labels.not_wanted": 1})), []
    line, became = state.line.labelled(label.query_hash, label.arm == "challenger", int(label.verdict))
    state = replace(state, line=line, counters=counted(state.counters, {f"labels.{became}": 1}))
    if became != "had" or any(row.query_hash == label.query_hash for row in line.waiting):
        return state, []
    outputs: list[Output] = []
    while state.active and state.line is not None and (ready := state.line.ready()):
        state, more = _counted(state, ready, at)
        outputs += more
    told = Output(EVIDENCE, state.migration_id, snapshot(state, at.partition, at.offset, None))
    return state, [*outputs, told]


def _counted(state: MigrationState, ready: list[Row], at: At) -> Decided:
    """Count pairs of the line up to the first at which a rule fires; calibrating ones by themselves."""
    calibrating = ready[0].stage == CALIBRATING
    rows = [row for row in ready if (row.stage == CALIBRATING) == calibrating]
    place = next(i for i, s in enumerate(state.specs) if s.measure == RATED)
    block = _block(state, place, rows)
    trace = update_many(state.specs[place], state.dims[place], block, counted=not calibrating)
    held, watch = _monitored(state, rows, block)
    paths = _along(state, place, rows, block, trace, watch)
    hit = first(rules(paths))
    n = hit[0] + 1 if hit else len(rows)
    if n < len(rows):
        held, _ = _monitored(state, rows[:n], block.part(0, n))
    state = replace(_after(state, place, rows[:n], block.part(0, n), trace, paths), monitors=held)
    if hit is None:
        return state, []
    rule: Rule = hit[1]
    return transition(state, rule.name, rule.to_phase, Place(at))


def _block(state: MigrationState, place: int, rows: list[Row]) -> Block:
    rater, line = state.spec.scoring.rater, state.line
    assert rater is not None
    assert line is not None
    accept, worse = rated.codes(state.specs[place].accept.lattice, rater, line, rows)
    return Block(accept, worse, np.array([row.thousandths for row in rows], dtype=np.int64))


def _along(state: MigrationState, place: int, rows: list[Row], block: Block, trace: Trace, watch: dict[str, BoolArray]) -> Paths:
    """Return the paths over freed pairs: correctness moves, everything else stands still."""
    n, still = len(rows), now(state)
    stages = np.array([row.stage for row in rows])
    covered = {name: np.repeat(path, n) for name, path in still.coverage.items()}
    covered[DIMENSION] = coverage_with(state, DIMENSION, np.cumsum(_labelled(rows)))
    return replace(
        still,
        accept=_moved(still.accept, place, trace.log_e_accept),
        futility=_moved(still.futility, place, trace.log_e_futility),
        worse=_moved(still.worse, place, trace.log_e_worse),
        n_counted=state.n_counted + np.cumsum(stages != CALIBRATING),
        n_phase=state.n_phase + np.cumsum(stages == PROGRESS),
        n_seen=np.zeros(n, dtype=np.int64),
        observed={name: np.repeat(path, n) for name, path in still.observed.items()} | _observed(state, rows, block),
        clock_ms=np.repeat(still.clock_ms, n),
        coverage=covered,
        watch={name: np.repeat(path, n) for name, path in still.watch.items()} | watch,
        stops=_stops(vigil.now(state), n),
    )


def _observed(state: MigrationState, rows: list[Row], block: Block) -> dict[str, IntArray]:
    """Return the observations of correctness that count for the phase after each pair, and those with a paired difference."""
    own = np.array([row.stage in (HERE, PROGRESS) for row in rows], dtype=bool)
    moved = {DIMENSION: own}
    if DIMENSION in state.monitors:
        moved[f"{DIMENSION}{wanted.PAIRED}"] = own & (block.worse != MISSING)
    return {name: np.asarray(wanted.seen(state, name) + np.cumsum(each)) for name, each in moved.items()}


def _moved(paths: list[FloatArray], place: int, moved: FloatArray) -> list[FloatArray]:
    """Return paths as long as the one that moves."""
    return [moved if i == place else np.repeat(path, len(moved)) for i, path in enumerate(paths)]


def _labelled(rows: list[Row]) -> BoolArray:
    """Return which pairs were drawn in this phase, and are scored now that they have their labels."""
    return np.array([row.kind >= DRAWN and row.stage in (HERE, LIVE_HERE, PROGRESS) for row in rows], dtype=bool)


def _stops(still: Stops, n: int) -> Stops:
    exhausted, burning = ({name: np.repeat(path, n) for name, path in each.items()} for each in (still.exhausted, still.burning))
    return Stops(np.repeat(still.covered, n), exhausted, burning, np.repeat(still.checked, n))


def _monitored(state: MigrationState, rows: list[Row], block: Block) -> tuple[Monitors, dict[str, BoolArray]]:
    """Return the monitors after freed pairs, and after which of these the one of correctness is in alarm.

    It reads the pairs that were observed in a live phase.
    """
    if DIMENSION not in state.monitors:
        return state.monitors, {}
    spec, before = state.monitors[DIMENSION]
    codes = np.where(np.array([row.stage >= LIVE_BEFORE for row in rows]), block.worse, MISSING)
    after, trace = update_monitor_many(spec, before, codes, block.thousandths / 1000)
    return {**state.monitors, DIMENSION: (spec, after)}, {DIMENSION: trace.alarmed}


def _after(state: MigrationState, place: int, rows: list[Row], block: Block, trace: Trace, paths: Paths) -> MigrationState:
    n, drawn, here = len(rows), sum(row.drawn for row in rows), int(_labelled(rows).sum())
    agreed = sum(row.agrees for row in rows)
    more = {
        "labels.counted": drawn,
        "labels.agreed": agreed,
        f"scored.{DIMENSION}": drawn,
        f"{PHASE}scored.{DIMENSION}": here,
    }
    more |= {wanted.SEEN + name: int(path[-1]) - wanted.seen(state, name) for name, path in _observed(state, rows, block).items()}
    assert state.line is not None
    return replace(
        state,
        dims=(*state.dims[:place], trace.state_at(n), *state.dims[place + 1 :]),
        n_counted=int(paths.n_counted[n - 1]),
        n_phase=int(paths.n_phase[n - 1]),
        counters=counted(state.counters, more),
        decided_at=state.decided_at if rows[0].stage == CALIBRATING else decided(state, paths, np.full(n, state.n_units)),
        line=state.line.after(rows),
    )
