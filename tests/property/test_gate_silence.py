"""What silence, failure and waiting may never do: raise a share, or keep a worse challenger from being turned away."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dualgate.gate import phases
from support.gate import drawn
from support.gate_walks import LIVE, WALK, Action, act, empty_blocks, in_phase, oddities, shares, ticks


@WALK
@given(st.sampled_from(["CALIBRATING", "SHADOW", *LIVE]), st.lists(st.one_of(empty_blocks, oddities, ticks), max_size=18))
def test_no_order_of_empty_or_failing_evidence_leads_to_a_larger_share(phase: str, actions: list[Action]) -> None:
    """Missing, silent, unscored, foreign, repeated evidence and time alone never raise the challenger's share."""
    ledger = in_phase(phase)
    reached = ledger.state_.last_command.live_share
    for action in actions:
        outputs = act(ledger, action)
        assert all(share <= reached for share in shares(outputs)), (action, ledger.last.reason)


@WALK
@given(st.sampled_from(["SHADOW", *LIVE]), st.lists(st.sampled_from(["pause", "tick", "silence", "lineage"]), max_size=4))
def test_every_waiting_state_can_still_turn_a_worse_challenger_away(phase: str, waits: list[str]) -> None:
    """Paused, silent, held or retreated: evidence that the challenger is worse ends the migration all the same."""
    ledger = in_phase(phase)
    doing: dict[str, Callable[[], Any]] = {
        "pause": lambda: ledger.order("pause"),
        "tick": lambda: ledger.tick(),
        "silence": lambda: ledger.tick(7 * 3_600_000),
        "lineage": lambda: act(ledger, ("other lineage", 3, 0)),
    }
    for wait in waits:
        doing[wait]()
    for seed in range(120):
        ledger.pairs(drawn(20, seed, wrong=(0.02, 0.6)), partition=0)
        if not ledger.state_.active:
            break
    ends = (phases.ROLLED_BACK,) if phase in LIVE else (phases.REJECTED_WORSE, phases.REJECTED_FUTILE)
    assert ledger.state_.phase in ends
    assert ledger.state_.last_command.live_share == 0.0
