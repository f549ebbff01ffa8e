"""One simulated migration from start to end: the gate's fold, every rule, monitor and check on, over a cheap stream of pairs.

Pairs are arrays, not records: they enter the fold where a block's rows do. Commands, ticks and acknowledgements are entries of
its ledger like any other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dualgate.gate import phases, queries, vigil
from dualgate.gate.decide import Output
from dualgate.gate.fold import At, step
from dualgate.gate.intake import follow
from dualgate.gate.observations import MISSING, NOT_ELIGIBLE, SCORED, SILENT, Rows
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import Block, DimensionSpec
from dualgate.gate.stats.lattice import MISSING as NO_CODE
from dualgate.gate.stats.lattice import BoolArray, IntArray
from dualgate.lab.simulate.pairs import Outcomes, blocks, draw, incumbent_codes
from dualgate.lab.simulate.scenario import Scenario
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import AckCount, Arm, Command, LedgerEntry, RoutingAck, Tick

BATCH = 1000
ASKED_MS = 45_000
"""A pair every 45 s: a day of them is 1,920, just under what a step asks for, so both kinds of minimum are walked."""
STRATA = ("easy", "middle", "hard")
LOST, SILENT_SHARE = 0.004, 0.0002
"""Shares of pairs lost whole by our own fault, and left unanswered by the challenger alone (the incumbent as often)."""
LIMIT = 60_000


@dataclass(frozen=True, slots=True)
class Life:
    """How a migration ended: its last phase and rule, the phases it entered, its units, and what held it at a batch's end."""

    phase: str
    rule: str
    entered: tuple[str, ...]
    units: int
    held: tuple[str, ...]


def live(config: MigrationConfig, scenario: Scenario, rng: np.random.Generator) -> Life:
    """Return a migration's life; it goes on to its end, or to LIMIT pairs."""
    name = config.spec.migration
    state, told = _begun(config)
    stream = draw(scenario, config.spec.shadow_sampling, config.spec.unit.by, rng, BATCH)
    held: set[str] = set()
    for i, batch in enumerate(stream):
        if not state.active or state.n_units >= LIMIT:
            break
        at = At(0, i + 1, 1000 * (i + 1))
        stratum, routed = rng.integers(0, len(STRATA), len(batch)), state.last_command.sequence
        state, outputs = follow(state, _encoder(state, batch, i, stratum, rng), at, snapshots=False)
        if queries.compared(state) and queries.of_phase(state, routed):
            state = queries.arrived(state, _by_name(stratum))
        told += outputs
        for entry in _beside(state, rng):
            after, outputs = step(state, name, entry, at)
            assert after is not None
            state, told = after, told + outputs
        held |= _holding(state)
    decisions = [o.record.decision for o in told if getattr(o.record, "decision", None)]
    entered = tuple(d.to_phase for d in decisions if d.to_phase != d.from_phase)
    return Life(state.phase, decisions[-1].rule, entered, state.n_units, tuple(sorted(held)))


def _begun(config: MigrationConfig) -> tuple[MigrationState, list[Output]]:
    name = config.spec.migration
    order = Command(command_id="c", migration_id=name, kind="start", actor="soak", config=config.to_json(), issued_at_ms=0)
    state, told = step(None, name, LedgerEntry(command=order), At(0, 0, 0))
    assert state is not None
    return replace(state, strata=STRATA), told


def _beside(state: MigrationState, rng: np.random.Generator) -> list[LedgerEntry]:
    """Return the tick and the acknowledgement of a router that shares out as it is told, of queries of its own."""
    name, last = state.migration_id, state.last_command
    entries = [LedgerEntry(tick=Tick(migration_id=name, issued_at_ms=0))]
    if state.active:
        arms = np.where(rng.random(BATCH) < last.live_share, 1, 0)
        strata, counts = rng.integers(0, len(STRATA), BATCH), list[AckCount]()
        served: tuple[tuple[Arm, int], ...] = (("challenger", 1), ("incumbent", 0))
        for arm, which in served:
            cells = _by_name(strata[arms == which]).items()
            counts += [AckCount(stratum=each, arm=arm, sampled=True, count=n) for each, n in cells]
        ack = RoutingAck(migration_id=name, router_id="r", epoch=last.epoch, sequence=last.sequence, counts=counts, sent_at_ms=0)
        entries.append(LedgerEntry(ack=ack))
    return entries


def _by_name(stratum: IntArray) -> dict[str, int]:
    return dict(zip(STRATA, np.bincount(stratum, minlength=len(STRATA)).tolist(), strict=True))


def _holding(state: MigrationState) -> set[str]:
    if not phases.is_live(state.phase):
        return set()
    stops = vigil.now(state)
    found = {f"budget of {name}" for name, path in stops.exhausted.items() if path[0]}
    found |= {f"burn rate of {name}" for name, path in stops.burning.items() if path[0]}
    found |= {f"check of {name.partition('.')[0]}" for name in vigil.holding(state)}
    return found if stops.covered[0] else found | {"coverage by stratum"}


def _encoder(
    state: MigrationState, batch: Outcomes, i: int, stratum: IntArray, rng: np.random.Generator
) -> Callable[[Sequence[DimensionSpec]], Rows]:
    n = len(batch)
    u, served = rng.random(n), rng.random(n) < state.last_command.live_share
    lost = u < LOST + SILENT_SHARE  # the incumbent's silence is no observation either
    silent = ~lost & (u < LOST + 2 * SILENT_SHARE)
    both = (batch.correct[0] == 1) & (batch.correct[1] == 1)
    late = np.where(served, batch.slow[0], -1)
    clock = ASKED_MS * (BATCH * i + np.arange(1, n + 1))
    sequence = np.full(n, state.last_command.sequence)
    calibrating, on = state.phase == phases.CALIBRATING, state.on

    def encode(specs: Sequence[DimensionSpec]) -> Rows:
        made = tuple(_lost(block, lost, silent) for block in blocks(tuple(specs), batch))
        fate = {name: np.where(lost, MISSING, np.where(silent, SILENT, SCORED)) for name in on}
        if "semantic" in fate:
            fate["semantic"] = np.where(lost | silent | both, fate["semantic"], NOT_ELIGIBLE)
        own = incumbent_codes(tuple(specs), batch) if calibrating else {}
        own = {name: np.where(lost | silent, NO_CODE, codes) for name, codes in own.items()}
        return Rows(np.arange(n), clock, sequence, made, fate, stratum, late, own)

    return encode


def _lost(block: Block, lost: BoolArray, silent: BoolArray) -> Block:
    """Return a block without what was lost; the challenger's silence is the worst value for acceptance, and none for worse."""
    accept = np.where(lost, NO_CODE, np.where(silent, 0, block.accept))
    return Block(accept, np.where(lost | silent, NO_CODE, block.worse), block.thousandths)
