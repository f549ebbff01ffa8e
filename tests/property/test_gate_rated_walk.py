"""A rated migration walked by random ledgers: what no order of pairs, verdicts, time and commands may ever do."""

from typing import Any

import orjson
from hypothesis import event, given, settings

from dualgate.gate.fold import Output, step
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import EvidenceRecord
from support.gate import HOUR_MS, ID
from support.gate_starts import note
from support.gate_walks import WALK, Action, shares
from support.rated_walks import RatedWalk, rated_standing, rated_starts, rated_walks

Start = tuple[str, str, str, bool]
DUE_MS = HOUR_MS // 6


@settings(WALK, max_examples=40)
@given(rated_starts, rated_walks)
def test_each_drawn_pair_counts_once_when_people_have_judged_it_and_all_before_it(start: Start, actions: list[Action]) -> None:
    """As many labels count as a count of our own says, whatever comes early, late, again, or for another epoch or pair."""
    walk = rated_standing(start)
    note(walk.ledger, "begins in")
    for action in actions:
        walk.act(action)
        note(walk.ledger, "meets")
        if walk.ledger.state_.active:
            assert walk.ledger.state_.counters.get("labels.counted", 0) == walk.countable, action


@settings(WALK, max_examples=40)
@given(rated_starts, rated_walks)
def test_a_larger_share_waits_for_no_label_that_is_late(start: Start, actions: list[Action]) -> None:
    """A share rises only by the ladder's rules, not while paused or held, and a step only while no label is past its time."""
    walk = rated_standing(start)
    share = walk.ledger.state_.last_command.live_share
    for action in actions:
        late = _late(walk)
        outputs, state = walk.act(action), walk.ledger.state_
        for decision in (o.record.decision for o in outputs if isinstance(o.record, EvidenceRecord)):
            if decision is None or decision.routing_command is None:
                continue
            if decision.routing_command.live_share > share:
                assert decision.rule in ("accepted", "watched", "returned", "reentered", "lapsed")
                assert not state.paused
                assert not state.held
                event(f"rises by {decision.rule}")
                if decision.rule in ("accepted", "watched", "reentered"):
                    assert not late & {pair.name for pair in walk.wanted}
            share = decision.routing_command.live_share
    note(walk.ledger, "ends in")


def _late(walk: RatedWalk) -> set[str]:
    """Return the pairs whose labels are past their time, before the pairs that are sent next."""
    return {pair.name for pair in walk.wanted if walk.ledger.time_ms - walk.sent_ms[pair.name] > DUE_MS}


@settings(WALK, max_examples=40)
@given(rated_starts, rated_walks)
def test_verdicts_that_nobody_asked_for_change_nothing(start: Start, actions: list[Action]) -> None:
    """Without the repeated verdicts and those of another epoch or of nobody's pair, every decision is made all the same."""
    walk = rated_standing(start)
    state, first, before = walk.ledger.state, len(walk.ledger.entries), len(walk.ledger.outputs)
    for action in actions:
        walk.act(action)
    outputs: list[Output] = []
    for i, (at, entry) in enumerate(walk.ledger.entries[first:], first):
        if i not in walk.noise:
            state, made = step(state, ID, entry, at)
            outputs += made
    event(f"disturbed: {bool(walk.noise)}")
    assert state is not None
    assert state.dims == walk.ledger.state_.dims
    assert _told(outputs) == _told(walk.ledger.outputs[before:])


def _told(outputs: list[Output]) -> list[Any]:
    """Return decisions and commands without the counts of labels, in which disturbance is told."""
    records = [o.record for o in outputs if not isinstance(o.record, EvidenceRecord) or o.record.decision is not None]
    return [_without_labels(to_plain(record)) for record in records]


def _without_labels(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {name: _without_labels(value) for name, value in plain.items() if not name.startswith("labels.")}
    return plain


@settings(WALK, max_examples=30)
@given(rated_starts, rated_walks)
def test_a_rated_migration_that_was_written_and_read_goes_on_the_same(start: Start, actions: list[Action]) -> None:
    """Its state with the line survives JSON after every action, and an end is a latch for verdicts too."""
    walk = rated_standing(start)
    for action in actions:
        active, phase = walk.ledger.state_.active, walk.ledger.state_.phase
        outputs, state = walk.act(action), walk.ledger.state_
        assert type(state).from_json(orjson.loads(orjson.dumps(state.to_json()))) == state
        if not active and action[0] not in ("retry", "rollback"):
            assert state.phase == phase
            assert not shares(outputs)
