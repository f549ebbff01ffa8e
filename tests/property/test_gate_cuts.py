"""Random ledgers through the gate: cuts change nothing, and nothing but evidence and operators ever raises a share."""

import json
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dualgate.gate.fold import At, Output
from dualgate.gate.intake import take
from dualgate.gate.phases import TERMINAL
from dualgate.gate.state import MigrationState
from dualgate.schemas.records import EvidenceRecord
from support.ledgers import EASY, GOOD, HEAD, MISSING, SHORT, SILENT, Ledger, mixed, quality


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 399), max_size=12))
def test_block_cuts_change_nothing(seed: int, cuts: list[int]) -> None:
    """However the pairs are cut into blocks, the phases, the evidence and the units of every decision are the same."""
    rng = np.random.default_rng(seed)
    pairs = [GOOD] * 150 + mixed(rng, 250) if seed % 2 else mixed(rng, 400)
    whole, cut = Ledger.started(), Ledger.started()
    whole.append(quality(pairs, 0, whole.identity))
    ends = [*sorted(set(cuts)), 400]
    for first, last in pairwise([0, *ends]):
        cut.append(quality(pairs[first:last], first, cut.identity))
    assert whole.state is not None
    assert cut.state is not None
    assert cut.state.dims == whole.state.dims
    assert cut.walked == whole.walked
    assert [(d.rule, d.n_pairs, d.reason, d.dimensions) for d in cut.decisions] == [
        (d.rule, d.n_pairs, d.reason, d.dimensions) for d in whole.decisions
    ]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_decisions_do_not_depend_on_snapshots(seed: int) -> None:
    """Taken in without snapshots, a block leads to the same state and to the same decisions in the same order."""
    rng = np.random.default_rng(seed)
    ledger = Ledger.started()
    assert ledger.state is not None
    block = quality([GOOD] * 150 + mixed(rng, 250), 0, ledger.identity).quality
    assert block is not None
    at = At(0, 1, ledger.time_ms)
    told, quiet = take(ledger.state, block, at), take(ledger.state, block, at, snapshots=False)
    assert quiet[0] == told[0]
    assert _decisions(quiet[1]) == _decisions(told[1])
    assert len(quiet[1]) < len(told[1])


def _decisions(outputs: list[Output]) -> list[Output]:
    """Leave out the snapshots."""
    return [o for o in outputs if not (isinstance(o.record, EvidenceRecord) and o.record.snapshot is not None)]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_mix_of_missing_and_failing_reaches_a_larger_share(seed: int) -> None:
    """No order of missing, silent and failing evidence, ticks and pauses promotes: without scored good pairs no share rises."""
    rng = np.random.default_rng(seed)
    ledger = Ledger.started()
    for _ in range(12):
        ledger.pairs(*mixed(rng, int(rng.integers(1, 80)), (MISSING, SILENT)))
        if rng.random() < 0.3:
            ledger.command(("pause", "resume", "approve", "start")[int(rng.integers(0, 4))])
        if rng.random() < 0.3:
            ledger.tick(int(rng.integers(0, 8 * 3_600_000)))
    assert max(c.live_share for c in ledger.commands) == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_shares_rise_only_by_the_ladder_and_terminal_is_a_latch(seed: int) -> None:
    """A share rises only to the next phase's on its rule or after silence; out of a terminal phase only a command leads."""
    rng = np.random.default_rng(seed)
    ledger = Ledger.started(HEAD + SHORT + EASY)
    for _ in range(15):
        ledger.pairs(*([GOOD] * int(rng.integers(1, 120)) if rng.random() < 0.7 else mixed(rng, 40)))
        ledger.tick(int(rng.integers(0, 3_600_000)))
        before = ledger.phase
        if rng.random() < 0.1:
            ledger.command(("pause", "resume", "abort", "rollback", "retry")[int(rng.integers(0, 5))])
        elif before in TERMINAL:
            ledger.pairs(*mixed(rng, 30))
            assert ledger.phase == before
    routed = [d.routing_command for d in ledger.decisions]
    commands = [c for c in routed if c is not None]
    rules = {d.routing_command.sequence: d.rule for d in ledger.decisions if d.routing_command and d.epoch == 1}
    for earlier, later in pairwise(commands):
        if later.epoch == earlier.epoch == 1 and later.live_share > earlier.live_share:
            assert rules[later.sequence] in ("accepted", "watched", "returned")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_state_survives_json(seed: int) -> None:
    """A gate that restarts from its table anywhere goes on as if it had not."""
    rng = np.random.default_rng(seed)
    steady, restarted = Ledger.started(), Ledger.started()
    for _ in range(6):
        pairs = mixed(rng, 60, (GOOD,)) if rng.random() < 0.6 else mixed(rng, 60)
        steady.pairs(*pairs)
        assert restarted.state is not None
        restarted.state = MigrationState.from_json(json.loads(json.dumps(restarted.state.to_json())))
        restarted.pairs(*pairs)
    assert restarted.state == steady.state
    assert restarted.outputs == steady.outputs
