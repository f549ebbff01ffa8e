"""Random ledgers for the gate: what an action of a test appends, and strategies of actions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from dualgate.gate.fold import Output
from dualgate.schemas.records import LedgerEntry, RoutingCommand
from support.gate import GOOD, WORSE, Ledger, Pairs, config, constant, drawn, with_phases

Action = tuple[str, int, int]
WALK = settings(max_examples=15, deadline=None)

DIMENSIONS = ("correctness", "latency", "semantic", "safety")
EVIDENCE: dict[str, Callable[[int, int], Pairs]] = {
    "good": lambda n, seed: drawn(n, seed, **GOOD),
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
empty_blocks = st.tuples(st.sampled_from([*EMPTY, *UNPAIRED]), st.integers(1, 40), st.integers(0, 10_000))
oddities = st.tuples(st.sampled_from(["other version", "other lineage", "again"]), st.integers(1, 30), st.integers(0, 10_000))
ticks = st.tuples(st.just("tick"), st.sampled_from([1_000, 25_000, 90_000, 40 * 60_000, 7 * 3_600_000]), st.just(0))
orders = st.tuples(st.sampled_from(ORDERS), st.just(0), st.just(0))
anything = st.lists(st.one_of(blocks, blocks, blocks, oddities, ticks, orders), max_size=18)


def act(ledger: Ledger, action: Action) -> list[Output]:
    """Append what an action stands for."""
    kind, n, seed = action
    partition = seed % 2
    if kind in EVIDENCE or kind in EMPTY:
        return ledger.pairs((EVIDENCE | EMPTY)[kind](n, seed), partition=partition)
    if kind in UNPAIRED:
        return ledger.unpaired(n, kind, partition=partition)
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


def changed_arm(arm: Any, version: str) -> Any:
    """Return an arm's columns with another version of the agent."""
    return replace(arm, version=[version] * len(arm.version))


@cache
def walked(phase: str) -> Ledger:
    """Return a ledger in a phase, after a shadow phase so long that a few silent pairs hardly move its overall coverage."""
    return Ledger(config(phases=with_phases(shadow={"min_pairs": 800}))).start().walk(phase)


def in_phase(phase: str) -> Ledger:
    """Return a copy of a ledger in a phase."""
    return walked(phase).copy()


def shares(outputs: Sequence[Output]) -> list[float]:
    """Return the shares that were commanded."""
    return [o.record.live_share for o in outputs if isinstance(o.record, RoutingCommand)]


LIVE = ("CANARY", "ROLLOUT(0.25)", "ROLLOUT(0.5)", "TAIL")
