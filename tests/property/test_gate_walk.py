"""The gate's fold walked by random ledgers: what no order of events may ever do."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from dualgate.gate import phases
from dualgate.gate.fold import At, Output, fold_ledger, step
from dualgate.gate.state import MigrationState
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import DecisionRecord, EvidenceRecord, LedgerEntry, Migration
from support.gate import ID, Ledger, changed, config
from support.gate_walks import LIVE, WALK, Action, act, anything, blocks, good, guarded, in_phase, modes, oddities, shares, ticks


@WALK
@given(modes, anything)
def test_a_larger_share_follows_a_positive_verdict_and_the_observations_of_its_phase(mode: str, actions: list[Action]) -> None:
    """A share rises only by accepted or watched to the next phase, by returned and reentered to none later; never while held."""
    ledger = Ledger(guarded(mode)).start()
    way, share = phases.order(ledger.state_.spec), 0.0
    for action in actions:
        outputs = act(ledger, action)
        for decision in (o.record.decision for o in outputs if isinstance(o.record, EvidenceRecord)):
            if decision is None or decision.routing_command is None:
                continue
            if decision.routing_command.live_share > share:
                assert decision.rule in ("accepted", "watched", "returned", "reentered", "lapsed")
                climbed = way.index(decision.to_phase) - way.index(decision.from_phase)
                assert climbed == 1 if decision.rule in ("accepted", "watched") else climbed <= 0
                assert not ledger.state_.paused
                assert not ledger.state_.held
            share = decision.routing_command.live_share


@WALK
@given(modes, st.sampled_from(LIVE), st.lists(st.one_of(good, good, good, blocks), min_size=6, max_size=10))
def test_a_paused_migration_makes_no_step_up(mode: str, phase: str, actions: list[Action]) -> None:
    """From a pause in a live phase on no evidence commands a larger share, though it is enough for the next step."""
    ledger = in_phase(phase, mode)
    ledger.order("pause")
    for action in actions:
        before = ledger.state_.last_command.live_share
        assert all(share <= before for share in shares(act(ledger, action)))
        assert ledger.state_.phase in (phase, *phases.TERMINAL - {phases.COMPLETED})


@WALK
@given(anything, st.lists(st.one_of(blocks, oddities, ticks), min_size=1, max_size=10))
def test_an_end_is_a_latch(actions: list[Action], more: list[Action]) -> None:
    """Once over, a migration makes no decision and commands nothing, whatever evidence and time bring."""
    ledger = Ledger(config()).start()
    for action in actions:
        act(ledger, action)
    ledger.order("abort")
    ended = ledger.state_.phase
    assert ended in phases.TERMINAL
    for action in more:
        outputs = act(ledger, action)
        assert not shares(outputs)
        assert ledger.state_.phase == ended


@WALK
@given(modes, anything)
def test_abort_always_wins_and_does_nothing_twice(mode: str, actions: list[Action]) -> None:
    """After abort nobody is on the challenger, unless everyone was by then; an abort after the end changes nothing."""
    ledger = Ledger(guarded(mode)).start()
    for action in actions:
        act(ledger, action)
    ran, before = ledger.state_.active, ledger.state_.phase
    first = ledger.order("abort")
    assert first.outcome == ("applied" if ran else "unchanged")
    assert ledger.state_.phase == (phases.ABORTED if ran else before)
    assert ledger.state_.last_command.live_share == (1.0 if before == phases.COMPLETED else 0.0)
    told = [o.record for o in ledger.outputs if isinstance(o.record, Migration)]
    assert not told[-1].active  # by this record the workers know that it is over
    commands = len(ledger.commands)
    assert ledger.order("abort").outcome == "unchanged"
    assert len(ledger.commands) == commands


@WALK
@given(modes, anything)
def test_a_state_that_was_written_and_read_goes_on_the_same(mode: str, actions: list[Action]) -> None:
    """Every state survives JSON unchanged, stays far below a record's limit, and folds on to the same outputs."""
    ledger = Ledger(guarded(mode)).start()
    for action in actions:
        act(ledger, action)
    again: MigrationState | None = None
    outputs: list[Output] = []
    for at, entry in ledger.entries:
        again, made = step(again, ID, entry, at)
        outputs += made
        assert again is not None
        written = orjson.dumps(again.to_json())
        assert len(written) < 200_000
        again = MigrationState.from_json(orjson.loads(written))
    assert again == ledger.state
    assert outputs == ledger.outputs
    assert list(fold_ledger(ledger.entries)) == ledger.outputs


@WALK
@given(modes, anything, st.data())
def test_block_cuts_change_nothing(mode: str, actions: list[Action], data: st.DataObject) -> None:
    """The same rows in blocks that are cut elsewhere give the same decisions, budgets, strata and checks, at the same pairs."""
    ledger = Ledger(guarded(mode)).start()
    for action in actions:
        act(ledger, action)
    entries: list[tuple[At, LedgerEntry]] = []
    for at, entry in ledger.entries:
        n = len((entry.quality or entry.coverage).offset) if entry.quality or entry.coverage else 0  # type: ignore[union-attr]
        cut = data.draw(st.integers(0, n)) if n > 1 else 0
        parts = cut_at(entry, cut) if 0 < cut < n else [entry]
        entries += [(At(0, len(entries) + i, at.time_ms), part) for i, part in enumerate(parts)]
    assert told(list(fold_ledger(entries))) == told(ledger.outputs)


def cut_at(entry: LedgerEntry, cut: int) -> list[LedgerEntry]:
    """Return a block as two, the second overlapping the first by a row, as a zombie's batch may."""
    name = "quality" if entry.quality else "coverage"
    block = entry.quality or entry.coverage
    assert block is not None
    return [
        replace(entry, **{name: part_of(block, 0, cut)}),
        replace(entry, **{name: part_of(block, cut - 1, len(block.offset))}),
    ]


def part_of(block: Any, start: int, stop: int) -> Any:
    """Return the rows start..stop - 1 of a block."""

    def sliced(value: Any) -> Any:
        if isinstance(value, list):
            return value[start:stop]
        if isinstance(value, dict):
            return {key: sliced(each) for key, each in value.items()}
        if hasattr(value, "__dataclass_fields__"):
            return replace(value, **{name: sliced(getattr(value, name)) for name in value.__dataclass_fields__})
        return value

    kept = {name: getattr(block, name) for name in ("scorer_versions",) if hasattr(block, name)}
    bounds = {"from_offset": block.offset[start], "to_offset": block.offset[stop - 1] + 1}
    return changed(replace(sliced(block), **kept), bounds)


PLACES = ("ledger_offset", "ledger_row")
REPEATS = ("repeated", "late", "other_lineage", "after_end", "off_phase", "pairs")
"""Counts of what did not count: a row that comes twice is counted twice there."""


def told(outputs: Sequence[Output]) -> list[Any]:
    """Return decisions and snapshots without their places in the ledger."""
    records = [o.record for o in outputs if isinstance(o.record, EvidenceRecord)]
    return [without_places(to_plain(r)) for r in records]


def without_places(plain: Any) -> Any:
    """Return a plain record without coordinates, and without counts of what did not count."""
    if isinstance(plain, dict):
        gone = PLACES + REPEATS
        return {k: without_places(v) for k, v in plain.items() if k not in gone and not str(k).startswith("unpaired.")}
    return [without_places(v) for v in plain] if isinstance(plain, list) else plain


@WALK
@given(anything)
def test_a_decision_carries_everything_in_order(actions: list[Action]) -> None:
    """Decision ids are unique, sequences rise by one within an epoch, and a command's coordinates are its decision's."""
    ledger = Ledger(config()).start()
    for action in actions:
        act(ledger, action)
    decisions: list[DecisionRecord] = ledger.decisions
    assert len({d.decision_id for d in decisions}) == len(decisions)
    commanded = [d.routing_command for d in decisions if d.routing_command]
    for before, after in pairwise(commanded):
        if before.epoch == after.epoch:
            assert after.sequence == before.sequence + 1
        else:
            assert (after.epoch, after.sequence) == (before.epoch + 1, 1)
    for decision in decisions:
        if decision.routing_command:
            assert decision.routing_command.ledger_offset == decision.ledger_offset
            assert decision.routing_command.phase == decision.to_phase
