"""Strata of the pairs against strata of the queries: a challenger that only sees the easy ones must not pass."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from dualgate.gate import checks, queries
from dualgate.gate.state import MigrationState
from dualgate.gate.waiting import waiting_for
from dualgate.schemas.records import AckCount, LedgerEntry, RoutingAck
from support.gate import GOOD, ID, Ledger, config, constant, drawn, with_phases
from support.gate_starts import LIVE

MIX = {"easy": 0.6, "middle": 0.25, "hard": 0.15}


LONG = {name: {"observations": 300} for name in ("canary", "rollout", "tail")}


@cache
def walked(phase: str) -> Ledger:
    """Return a live ledger in a phase of three hundred observations or more."""
    ledger = Ledger(config(mode="live", phases=with_phases(shadow={"min_pairs": 600}, **LONG))).start()
    for seed in range(400):
        if ledger.state_.phase == phase:
            return ledger
        ledger.pairs(drawn(20, seed, **GOOD))
        ledger.tick(0)
    raise AssertionError(ledger.state_.phase)


def ready(phase: str) -> Ledger:
    """Return a live ledger in a phase, with a router that obeys its command."""
    ledger = walked(phase).copy()
    acknowledge(ledger, {})
    return ledger


def acknowledge(ledger: Ledger, told: Mapping[str, int], *, sampled: bool = True) -> None:
    """Append a router's acknowledgement of the present command with counts by stratum, shared out as it commands."""
    last = ledger.state_.last_command
    parts = [(name, round(n * last.live_share), n) for name, n in told.items()]
    counts = [AckCount(stratum=name, arm="challenger", sampled=sampled, count=n) for name, n, _ in parts]
    counts += [AckCount(stratum=name, arm="incumbent", sampled=sampled, count=n - own) for name, own, n in parts]
    ack = RoutingAck(
        migration_id=ID, router_id="r", epoch=last.epoch, sequence=last.sequence, counts=counts, sent_at_ms=ledger.time_ms
    )
    ledger.append(LedgerEntry(ack=ack))


def follow(ledger: Ledger, seed: int, arriving: Mapping[str, float], n: int = 40, **how: Any) -> None:
    """Append n queries of the mix that a router mirrored, and pairs of those that arrive: with what probability, by stratum."""
    rng = np.random.default_rng(seed)
    asked = rng.choice(list(MIX), n, p=list(MIX.values())).tolist()
    came = [name for name in asked if rng.random() < arriving.get(name, 1.0)]
    acknowledge(ledger, {name: asked.count(name) for name in set(asked)}, **how)
    ledger.pairs(drawn(len(came), seed, **GOOD), stratum=came)
    ledger.tick(0)


@pytest.mark.parametrize("phase", ["SHADOW", *LIVE])
def test_a_stratum_that_never_becomes_a_pair_holds_every_phase(phase: str) -> None:
    """Routers tell of hard queries and no pair of one comes: the phase is held with both numbers, and goes on once they come."""
    ledger = ready(phase)
    for seed in range(16):
        follow(ledger, seed, {"hard": 0.0})
    assert ledger.state_.phase == phase
    assert "rows of hard: 0 of " in waiting_for(ledger.state_)
    assert "check of queries: log e " in waiting_for(ledger.state_)
    for seed in range(16, 60):
        follow(ledger, seed, {})
        if ledger.state_.phase != phase:
            break
    assert ledger.state_.phase != phase


@pytest.mark.parametrize("phase", ["SHADOW", "CANARY", "TAIL"])
def test_queries_that_arrive_alike_hold_nothing(phase: str) -> None:
    """Where a third of the mirrored queries is under way or lost in each stratum alike, phases are walked as before."""
    ledger = ready(phase)
    for seed in range(60):
        follow(ledger, seed, dict.fromkeys(MIX, 0.67))
        if ledger.state_.phase != phase:
            break
    assert ledger.state_.phase != phase


def test_a_stratum_that_arrives_too_seldom_is_found() -> None:
    """Of the hard queries one in five arrives: no row is lost where it can be seen, and yet the step is held."""
    ledger = ready("CANARY")
    ledger.order("pause")
    for seed in range(30):
        follow(ledger, seed, {"hard": 0.2})
    ledger.order("resume")
    assert ledger.state_.phase == "CANARY"
    assert "of its queries" in waiting_for(ledger.state_)


def test_a_challenger_that_sheds_the_hard_queries_does_not_pass() -> None:
    """Pairs that the shadow path shed leave no unit; that they are all of one stratum is found by the routers' counts."""
    ledger = ready("CANARY")
    for seed in range(10):
        acknowledge(ledger, {"easy": 30, "hard": 10})
        ledger.pairs(drawn(30, seed, **GOOD), stratum="easy")
        block = ledger.quality(constant(10), stratum="hard")
        block.challenger.status[:] = ["shed"] * 10
        ledger.append(LedgerEntry(quality=block))
    assert (ledger.state_.phase, ledger.state_.counters["shed"]) == ("CANARY", 100)
    assert "rows of hard: 0 of " in waiting_for(ledger.state_)


def test_small_strata_that_never_come_are_judged_together() -> None:
    """Ten strata of four queries each, of which none came, are as many as one of forty."""
    state = queries.arrived(ready("CANARY").state_, {"easy": 100})
    for i in range(10):
        state = queries.told(state, [AckCount(stratum=f"s{i}", arm="incumbent", sampled=True, count=4)])
    state = queries.told(queries.arrived(state, {"easy": 1}), [AckCount(stratum="easy", arm="incumbent", sampled=True, count=90)])
    assert queries.absent(state) == [("the small strata together", 40)]
    assert queries.holds(state)


@pytest.mark.parametrize(("told", "sampled"), [({"all": 400}, True), ({"easy": 340, "hard": 60}, False)])
def test_what_was_not_mirrored_or_has_no_stratum_is_not_waited_for(told: dict[str, int], sampled: bool) -> None:
    """Queries that were not drawn for pairs, and those of routers that know no strata, are compared with none."""
    ledger = ready("CANARY")
    acknowledge(ledger, told, sampled=sampled)
    ledger.pairs(drawn(100, 1, **GOOD), stratum="easy")
    acknowledge(ledger, told, sampled=sampled)
    assert not queries.holds(ledger.state_)
    assert checks.QUERIES not in ledger.state_.checks


def test_faultless_phases_are_held_with_at_most_their_level() -> None:
    """Queries and rows of one law, told and arrived apart, hold at most LEVEL of the phases at any of forty acknowledgements."""
    rng, begun = np.random.default_rng(11), ready("CANARY").state_
    held = sum(_ever_held(begun, rng) for _ in range(150))
    assert held <= 3  # at a true rate of 1/300 more than 3 of 150 have a probability of 2e-3


def _ever_held(state: MigrationState, rng: np.random.Generator) -> bool:
    for _ in range(40):
        asked, came = rng.multinomial(25, list(MIX.values())), rng.multinomial(20, list(MIX.values()))
        state = queries.arrived(state, dict(zip(MIX, came.tolist(), strict=True)))
        cells = zip(MIX, asked.tolist(), strict=True)
        state = queries.told(state, [AckCount(stratum=s, arm="incumbent", sampled=True, count=n) for s, n in cells])
        if checks.log_e(state.checks.get(checks.QUERIES, ())) >= checks.threshold():
            return True
    return False


def test_counts_begin_anew_with_a_phase_and_survive_json() -> None:
    """What was told and arrived in one phase is not held against the next, and a state with counts is read back equal."""
    ledger = ready("CANARY")
    follow(ledger, 1, {})
    assert ledger.state_.mirrored
    assert MigrationState.from_json(ledger.state_.to_json()) == ledger.state_
    for seed in range(2, 11):
        follow(ledger, seed, {})
    assert ledger.state_.phase == "ROLLOUT(0.25)"
    assert sum(row[0] + row[2] for row in ledger.state_.mirrored.values()) <= 120


def test_rows_that_an_earlier_command_routed_are_held_against_nothing() -> None:
    """What was asked before the phase and arrives in it, and what no command routed, are not of the queries it was told."""
    ledger = ready("ROLLOUT(0.25)")
    before = ledger.state_.mirrored
    for sequence in (ledger.state_.phase_sequence - 1, None):
        ledger.pairs(drawn(10, 1, **GOOD), stratum="hard", routing_sequence=sequence)
    assert ledger.state_.mirrored == before
    ledger.pairs(drawn(10, 1, **GOOD), stratum="hard")
    assert ledger.state_.mirrored["hard"] == (0, 0, 0, 10)
