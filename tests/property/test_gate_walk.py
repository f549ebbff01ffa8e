"""The gate's fold walked by random ledgers: what no order of events may ever do."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dualgate.gate import phases
from dualgate.gate.fold import At, Output, fold_ledger, step
from dualgate.gate.state import MigrationState
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import DecisionRecord, EvidenceRecord, LedgerEntry, Migration
from support.gate import ID, changed
from support.gate_starts import Start, live_starts, note, over, standing, starts
from support.gate_walks import WALK, Action, act, blocks, good, modes, oddities, orders, shares, ticks, walks

stays = orders.filter(lambda order: order[0] not in ("retry", "rollback"))


@settings(WALK, max_examples=60)
@given(starts, walks)
def test_a_larger_share_follows_a_positive_verdict_and_the_observations_of_its_phase(start: Start, actions: list[Action]) -> None:
    """A share rises only by accepted or watched to the next phase, by returned and reentered to none later; never while held.

    What was taken back, by silence or a lapsed lease, is first commanded again as it was: no step is made from there.
    """
    ledger = standing(start)
    way, share = phases.order(ledger.state_.spec), ledger.state_.last_command.live_share
    for action in actions:
        away = ledger.state_.retreated or bool(ledger.state_.reentry)
        outputs, passed = act(ledger, action), ""
        for decision in (o.record.decision for o in outputs if isinstance(o.record, EvidenceRecord)):
            if decision is None or decision.routing_command is None:
                continue
            away = away and decision.rule not in ("returned", "reentered")
            if decision.routing_command.live_share > share:
                assert not (away and decision.rule in ("accepted", "watched"))
                assert decision.rule in ("accepted", "watched", "returned", "reentered", "lapsed")
                climbed = way.index(decision.to_phase) - way.index(decision.from_phase)
                assert climbed == 1 if decision.rule in ("accepted", "watched") else climbed <= 0
                assert not ledger.state_.paused
                assert not ledger.state_.held
                passed = decision.rule
            share = decision.routing_command.live_share
        note(ledger, "meets")
        event(f"rises by {passed or 'nothing'}")
    note(ledger, "ends in")


@WALK
@given(live_starts, st.lists(st.one_of(good, good, good, blocks), min_size=6, max_size=10))
def test_a_paused_migration_makes_no_step_up(start: Start, actions: list[Action]) -> None:
    """From a pause in a live phase on no evidence commands a larger share, though it is enough for the next step."""
    ledger = standing(start)
    ledger.order("pause")
    phase = ledger.state_.phase
    for action in actions:
        before = ledger.state_.last_command.live_share
        assert all(share <= before for share in shares(act(ledger, action)))
        assert ledger.state_.phase in (phase, *phases.TERMINAL - {phases.COMPLETED})


@pytest.mark.parametrize("end", sorted(phases.TERMINAL))
@settings(WALK, max_examples=8)
@given(modes, st.lists(st.one_of(blocks, good, oddities, ticks, stays), min_size=4, max_size=12))
def test_an_end_is_a_latch(end: str, mode: str, more: list[Action]) -> None:
    """Once over, a migration makes no decision and commands nothing, whatever evidence, time, and commands but retry bring."""
    ledger = over(end, mode)
    for action in more:
        assert not shares(act(ledger, action))
        assert ledger.state_.phase == end
    told = ledger.decisions[len(over(end, mode).decisions) :]
    assert {d.outcome for d in told if d.rule != "followed"} <= {"unchanged", "refused"}


@WALK
@given(starts, walks)
def test_abort_always_wins_and_does_nothing_twice(start: Start, actions: list[Action]) -> None:
    """After abort nobody is on the challenger, unless everyone was by then; an abort after the end changes nothing."""
    ledger = standing(start)
    for action in actions:
        act(ledger, action)
    note(ledger, "is aborted in")
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
@given(starts, walks)
def test_a_state_that_was_written_and_read_goes_on_the_same(start: Start, actions: list[Action]) -> None:
    """Every state survives JSON unchanged, stays far below a record's limit, and folds on to the same outputs."""
    ledger = standing(start)
    again, first = ledger.state, len(ledger.entries)
    outputs = list(ledger.outputs)
    for action in actions:
        act(ledger, action)
    for at, entry in ledger.entries[first:]:
        again, made = step(again, ID, entry, at)
        outputs += made
        assert again is not None
        written = orjson.dumps(again.to_json())
        assert len(written) < 200_000
        again = MigrationState.from_json(orjson.loads(written))
    assert again == ledger.state
    assert outputs == ledger.outputs


@settings(WALK, max_examples=4)
@given(starts, walks)
def test_the_whole_ledger_folds_to_the_same_outputs(start: Start, actions: list[Action]) -> None:
    """Who has only the ledger finds every output of the gate that lived through it."""
    ledger = standing(start)
    for action in actions:
        act(ledger, action)
    assert list(fold_ledger(ledger.entries)) == ledger.outputs


@WALK
@given(starts, walks, st.data())
def test_block_cuts_change_nothing(start: Start, actions: list[Action], data: st.DataObject) -> None:
    """The same rows in blocks that are cut elsewhere give the same decisions, budgets, strata and checks, at the same pairs."""
    ledger = standing(start)
    state, first, before = ledger.state, len(ledger.entries), len(ledger.outputs)
    for action in actions:
        act(ledger, action)
    entries: list[tuple[At, LedgerEntry]] = []
    for at, entry in ledger.entries[first:]:
        n = len((entry.quality or entry.coverage).offset) if entry.quality or entry.coverage else 0  # type: ignore[union-attr]
        cut = data.draw(st.integers(0, n)) if n > 1 else 0
        parts = cut_at(entry, cut) if 0 < cut < n else [entry]
        entries += [(At(0, first + len(entries) + i, at.time_ms), part) for i, part in enumerate(parts)]
    outputs: list[Output] = []
    for at, entry in entries:
        state, made = step(state, ID, entry, at)
        outputs += made
    assert told(outputs) == told(ledger.outputs[before:])


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
REPEATS = ("repeated", "late", "other_lineage", "other_version", "after_end", "off_phase", "pairs")
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
@given(starts, walks)
def test_a_decision_carries_everything_in_order(start: Start, actions: list[Action]) -> None:
    """Decision ids are unique, sequences rise by one within an epoch, and a command's coordinates are its decision's."""
    ledger = standing(start)
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
