"""Random ledgers for the gate: what an action of a test appends, and strategies of actions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from dualgate.gate.fold import Output
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import AckCount, Arm, LedgerEntry, RoutingAck, RoutingCommand
from support.gate import EQUAL, GOOD, ID, WORSE, Ledger, Pairs, config, constant, drawn, with_phases

Action = tuple[str, int, int]
WALK = settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])

DIMENSIONS = ("correctness", "latency", "semantic", "safety")
EVIDENCE: dict[str, Callable[[int, int], Pairs]] = {
    "good": lambda n, seed: drawn(n, seed, **GOOD),
    "equal": lambda n, seed: drawn(n, seed, **EQUAL),
    "worse": lambda n, seed: drawn(n, seed, **WORSE),
}
EMPTY: dict[str, Callable[[int, int], Pairs]] = {
    "missing": lambda n, _: constant(n, **dict.fromkeys(DIMENSIONS, (None, None, "missing"))),
    "one missing": lambda n, seed: constant(n, **{DIMENSIONS[seed % 4]: (None, None, "missing")}),
    "silent": lambda n, _: constant(n, **{d: (1.0 if d == "correctness" else 0.0, None, "missing") for d in DIMENSIONS}),
    "one silent": lambda n, seed: constant(n, **{DIMENSIONS[seed % 4]: (0.5, None, "missing")}),
    "not eligible": lambda n, _: constant(n, **dict.fromkeys(DIMENSIONS, (None, None, "not_eligible"))),
    "all wrong": lambda n, _: constant(n, correctness=(0.0, 0.0, "scored"), semantic=(None, None, "not_eligible")),
}
UNPAIRED = ("no_answer", "no_challenger", "no_incumbent", "late")
ORDERS = ("pause", "resume", "approve", "abort", "rollback", "retry")

blocks = st.tuples(st.sampled_from([*EVIDENCE, *EMPTY, *UNPAIRED]), st.integers(1, 30), st.integers(0, 10_000))
good = st.tuples(st.just("good"), st.integers(20, 30), st.integers(0, 10_000))
empty_blocks = st.tuples(st.sampled_from([*EMPTY, *UNPAIRED]), st.integers(1, 40), st.integers(0, 10_000))
oddities = st.tuples(st.sampled_from(["other version", "other lineage", "again"]), st.integers(1, 30), st.integers(0, 10_000))
ticks = st.tuples(st.just("tick"), st.sampled_from([1_000, 25_000, 90_000, 40 * 60_000, 7 * 3_600_000]), st.just(0))
acks = st.tuples(st.just("ack"), st.integers(0, 200), st.integers(0, 10_000))
orders = st.tuples(st.sampled_from(ORDERS), st.just(0), st.just(0))
anything = st.lists(st.one_of(blocks, blocks, blocks, oddities, ticks, acks, orders), min_size=5, max_size=18)
gentle = st.tuples(st.sampled_from(["pause", "resume", "resume", "approve"]), st.just(0), st.just(0))
onward = st.lists(
    st.one_of(good, good, good, good, blocks, st.tuples(st.just("tick"), st.sampled_from([1_000, 25_000]), st.just(0)), gentle),
    min_size=8,
    max_size=18,
)
"""Mostly good pairs and a gate that ticks: walks that climb."""
walks = st.one_of(anything, onward)
STRATA = ("easy", "middle", "hard")
LONG_SHADOW = {"min_pairs": 800, "max_pairs": 1000}
"""A shadow phase so long that a few silent pairs hardly move its overall coverage, with an end that walks can reach."""


def guarded(mode: str) -> MigrationConfig:
    """Return a configuration with a budget for every dimension, re-entries that last, and a rollback by budget and alarm."""
    lasts = "1h" if mode == "replay" else "5s"  # an hour of live entries would be a lapsed lease
    budgets = dict.fromkeys(DIMENSIONS, 0.2) | {"on_exhausted": "rollback_with_alarm"}
    return config(mode=mode, error_budget=budgets, phases=with_phases(shadow=LONG_SHADOW, canary={"min_duration": lasts}))


modes = st.sampled_from(["replay", "live"])


def act(ledger: Ledger, action: Action) -> list[Output]:
    """Append what an action stands for."""
    kind, n, seed = action
    partition = seed % 2
    if kind in EVIDENCE or kind in EMPTY:
        strata = [STRATA[(seed + i * i) % 3] for i in range(n)]
        return ledger.pairs((EVIDENCE | EMPTY)[kind](n, seed), partition=partition, stratum=strata)
    if kind in UNPAIRED:
        return ledger.unpaired(n, kind, partition=partition, stratum=STRATA[seed % 3])
    if kind == "ack":
        return ledger.append(LedgerEntry(ack=routed(ledger, n, seed % 101)))
    if kind == "tick":
        return ledger.tick(n)
    if kind == "other version":
        block = ledger.quality(drawn(n, seed, **GOOD), partition=partition)
        return ledger.append(LedgerEntry(quality=replace(block, challenger=changed_arm(block.challenger, "agent:v9"))))
    if kind == "other lineage":
        return ledger.append(
            LedgerEntry(quality=ledger.quality(drawn(n, seed, **GOOD), lineage="made anew", partition=partition))
        )
    if kind == "again":
        told = [entry for _, entry in ledger.entries if entry.quality or entry.coverage]
        return ledger.append(told[seed % len(told)]) if told else []
    before = len(ledger.outputs)
    ledger.order(kind)  # type: ignore[arg-type]
    return ledger.outputs[before:]


def routed(ledger: Ledger, n: int, percent: int) -> RoutingAck:
    """Return a router's acknowledgement of the present command, with a share of its queries on the challenger."""
    last, challenger = ledger.state_.last_command, n * percent // 100
    arms: tuple[tuple[Arm, int], ...] = (("challenger", challenger), ("incumbent", n - challenger))
    counts = [AckCount(stratum=STRATA[(percent + k) % 3], arm=arm, sampled=True, count=k) for arm, k in arms]
    return RoutingAck(migration_id=ID, router_id="r", epoch=last.epoch, sequence=last.sequence, counts=counts, sent_at_ms=0)


def changed_arm(arm: Any, version: str) -> Any:
    """Return an arm's columns with another version of the agent."""
    return replace(arm, version=[version] * len(arm.version))


def shares(outputs: Sequence[Output]) -> list[float]:
    """Return the shares that were commanded."""
    return [o.record.live_share for o in outputs if isinstance(o.record, RoutingCommand)]
