"""What silence, failure and waiting may never do: raise a share, or keep a worse challenger from being turned away."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualgate.gate import phases
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import log_e_accept
from dualgate.gate.waiting import waiting_for
from support.gate import GOOD, drawn
from support.gate_starts import FLAGS, LATE_SHADOW, LIVE, RUNNING, in_phase, note, standing
from support.gate_walks import DIMENSIONS, WALK, Action, acks, act, empty_blocks, modes, oddities, orders, shares, ticks

# A block of a partition never heard before is evidence, and so is one of a new topic after retry: neither is empty.
HOLLOW = st.one_of(oddities, orders).filter(lambda action: action[0] not in ("other lineage", "retry"))
UNSCORED = empty_blocks.filter(lambda action: action[0] != "all wrong")  # two wrong answers are an observation
EMPTY = st.lists(st.one_of(UNSCORED, UNSCORED, HOLLOW, ticks, acks), max_size=18)


# Where SHADOW is at its end the verdict is there, and min_pairs counts units, scored or not: no evidence is wanted any more.
WANTING = st.sampled_from([phase for phase in RUNNING if phase != LATE_SHADOW])


@pytest.mark.parametrize("flag", FLAGS)
@settings(WALK, max_examples=8)
@given(phase=WANTING, mode=modes, actions=EMPTY)
def test_no_order_of_empty_or_failing_evidence_leads_to_a_larger_share(
    flag: str, phase: str, mode: str, actions: list[Action]
) -> None:
    """Missing, silent, unscored, foreign or repeated evidence, time, acknowledgements and commands raise no share alone.

    Nor do they raise the evidence of a hypothesis: silence is never the better answer.
    """
    ledger = standing((mode, phase, flag))
    reached = ledger.state_.last_command.live_share
    for action in actions:
        before = ledger.state_
        for share in shares(act(ledger, action)):
            assert share <= reached, (action, ledger.last.reason)
            reached = share
        assert gained(action, ledger.state_, before) <= 0, action


def gained(action: Action, state: MigrationState, before: MigrationState) -> float:
    """Return by how much the log e-value of a hypothesis has risen, the most of those of which nothing is scored."""
    kind, _, seed = action
    silent = DIMENSIONS[seed % 4 :][:1] if kind.startswith("one ") else DIMENSIONS
    if state.specs != before.specs or state.migration.epoch != before.migration.epoch:
        return 0.0
    dims = zip(state.specs, state.dims, before.dims, strict=True)
    return max(log_e_accept(s, d) - log_e_accept(s, b) for s, d, b in dims if s.dimension in silent)


WAITS = ("pause", "tick", "silence", "lapse", "lineage", "missing", "ack")


@WALK
@given(st.sampled_from(["SHADOW", *LIVE]), modes, st.lists(st.sampled_from(WAITS), max_size=4))
def test_every_waiting_state_can_still_turn_a_worse_challenger_away(phase: str, mode: str, waits: list[str]) -> None:
    """Paused, silent, held, retreated, lapsed, uncovered or misrouted: a worse challenger ends the migration all the same."""
    ledger = in_phase(phase, mode)
    doing: dict[str, Callable[[], Any]] = {
        "pause": lambda: ledger.order("pause"),
        "tick": lambda: ledger.tick(),
        "silence": lambda: ledger.tick(7 * 3_600_000),
        "lapse": lambda: ledger.tick(61_000),
        "missing": lambda: act(ledger, ("one missing", 30, 3)),
        "ack": lambda: [act(ledger, ("ack", 200, 100)) for _ in range(3)],
        "lineage": lambda: act(ledger, ("other lineage", 3, 0)),
    }
    for wait in waits:
        doing[wait]()
    note(ledger, "waits in")
    for seed in range(120):
        ledger.pairs(drawn(20, seed, wrong=(0.02, 0.6)), partition=0)
        if not ledger.state_.active:
            break
    ends = (phases.ROLLED_BACK,) if phase in LIVE else (phases.REJECTED_WORSE, phases.REJECTED_FUTILE)
    assert ledger.state_.phase in ends
    assert ledger.state_.last_command.live_share == 0.0


@WALK
@given(st.sampled_from(LIVE), modes, st.sampled_from(["paused", "silent", "retreated", "lapsed", "back after a lapse"]))
def test_every_waiting_state_can_still_go_on(phase: str, mode: str, flag: str) -> None:
    """Resumed where an operator paused it, each of them comes to its end by good pairs and a gate that ticks."""
    ledger = in_phase(phase, mode, flag)
    ledger.order("resume")
    for seed in range(60):
        if not ledger.state_.active:
            break
        ledger.pairs(drawn(20, seed + 5000, **GOOD))
        ledger.tick(1000)
    assert ledger.state_.phase == phases.COMPLETED, waiting_for(ledger.state_)


@pytest.mark.parametrize("stop", ["paused", "held"])
@pytest.mark.parametrize("phase", ["SHADOW", *LIVE])
def test_no_evidence_however_good_leads_on_while_stopped(stop: str, phase: str) -> None:
    """Paused or held, a migration takes in all the good pairs that its next phase asks for and raises no share."""
    ledger = in_phase(phase, flag=stop)
    reached = ledger.state_.last_command.live_share
    for seed in range(6):
        assert not [share for share in shares(ledger.pairs(drawn(40, seed, **GOOD))) if share > reached]
    assert (ledger.state_.phase, ledger.state_.last_command.live_share) == (phase, reached)
