"""Ledgers for tests of the gate: pairs with chosen outcomes as blocks, and the fold over them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dualgate.gate.fold import At, Output, step
from dualgate.gate.state import MigrationState
from dualgate.schemas.migration import MigrationConfig, parse_migration
from dualgate.schemas.records import (
    ArmColumns,
    Command,
    CommandKind,
    CoverageBlock,
    DecisionRecord,
    DimensionColumns,
    LedgerEntry,
    QualityBlock,
    RoutingCommand,
    Tick,
)

HEAD = "migration: m\nincumbent: a:1\nchallenger: a:2\nmode: replay\n"
SHORT = """
phases:
  calibrating: {pairs: 20}
  shadow: {min_duration: 1m, min_pairs: 50, max_pairs: 2000}
  canary: {share: 0.05, observations: 40, min_duration: 1m}
  rollout: {steps: [0.5], observations: 40, min_duration: 1m}
  tail: {observations: 40, min_duration: 1m}
"""
EASY = """
dimensions:
  correctness: {null: -0.5, design: -0.01, worse_by: 0.0}
  latency: {null: 0.5, design: 0.05, worse_by: 0.01}
  semantic: {null: 0.3, design: 0.8, worse_by: 0.05}
  safety: {null: 0.5, design: 0.05, worse_by: 0.01, classes: {}}
"""
VALUES = {"correctness": (1.0, 1.0), "latency": (0.0, 0.0), "semantic": (0.9, 0.9), "safety": (0.0, 0.0)}
"""(incumbent, challenger) of a pair where both are good."""
SAFETY_CLASSES = ("safety.authorization", "safety.hallucination", "safety.unsafe_code")


def config(text: str = HEAD + SHORT + EASY) -> MigrationConfig:
    """Return a configuration from the text of a migration file."""
    return MigrationConfig(parse_migration(text), "/nowhere")


@dataclass(frozen=True)
class Pair:
    """What one pair is like; values by dimension as (incumbent, challenger), None for no value."""

    values: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    turn: int | None = None
    sequence: int | None = None
    versions: tuple[str, str] = ("a:1", "a:2")
    probability: float = 1.0


GOOD = Pair()
WORSE = Pair(values={"correctness": (1.0, 0.0)})
BETTER = Pair(values={"correctness": (0.0, 1.0)})
SILENT = Pair(values=dict.fromkeys(VALUES, (1.0, None)), state=dict.fromkeys(VALUES, "missing"))
MISSING = Pair(values=dict.fromkeys(VALUES, (None, None)), state=dict.fromkeys(VALUES, "missing"))


def columns(pairs: Sequence[Pair], name: str) -> DimensionColumns:
    """Return the columns of one dimension."""
    given = [p.values.get(name, VALUES.get(name, (0.0, 0.0))) for p in pairs]
    n = len(pairs)
    return DimensionColumns(
        incumbent=[i for i, _ in given],
        challenger=[c for _, c in given],
        state=[p.state.get(name, "scored") for p in pairs],
        reason=[None] * n,
        source=["golden"] * n,
        rater_version=[None] * n,
        label_probability=[None] * n,
        label_drawn=[None] * n,
    )


def _arm(versions: list[str]) -> ArmColumns:
    n = len(versions)
    return ArmColumns(version=versions, lane=["shadow"] * n, status=["ok"] * n, service_ms=[1.0] * n, queue_ms=[0.0] * n)


def _common(pairs: Sequence[Pair], first: int, identity: tuple[int, str], partition: int, lineage: str) -> dict[str, Any]:
    offsets = list(range(first, first + len(pairs)))
    return {
        "migration_id": "m",
        "epoch": identity[0],
        "config_hash": identity[1],
        "lineage": lineage,
        "partition": partition,
        "from_offset": first,
        "to_offset": first + len(pairs),
        "offset": offsets,
        "query_hash": [f"{i:016x}" for i in offsets],
        "session_hash": [f"{i:016x}" for i in offsets],
        "session_turn": [p.turn for p in pairs],
        "stratum": ["all"] * len(pairs),
        "sampling_probability": [p.probability for p in pairs],
        "asked_at_ms": [60_000 * (i + 1) for i in offsets],
        "routing_sequence": [p.sequence for p in pairs],
        "served_by": ["incumbent"] * len(pairs),
    }


def quality(pairs: Sequence[Pair], first: int, identity: tuple[int, str], partition: int = 0, lineage: str = "t1") -> LedgerEntry:
    """Return a block of pairs from an offset on; pair i is asked in minute i."""
    return LedgerEntry(
        quality=QualityBlock(
            **_common(pairs, first, identity, partition, lineage),
            scorer_versions={"correctness": "1"},
            incumbent=_arm([p.versions[0] for p in pairs]),
            challenger=_arm([p.versions[1] for p in pairs]),
            dimensions={name: columns(pairs, name) for name in (*VALUES, *SAFETY_CLASSES)},
        )
    )


def coverage(reasons: Sequence[tuple[str, Any]], first: int, identity: tuple[int, str], lineage: str = "u1") -> LedgerEntry:
    """Return a block of queries without a pair: (reason, silent arm) each."""
    pairs = [GOOD] * len(reasons)
    return LedgerEntry(
        coverage=CoverageBlock(
            **_common(pairs, first, identity, 0, lineage), reason=[r for r, _ in reasons], silent_arm=[s for _, s in reasons]
        )
    )


@dataclass
class Ledger:
    """A ledger under construction with its fold; entry i is appended at second i unless told otherwise."""

    config: MigrationConfig = field(default_factory=config)
    state: MigrationState | None = None
    outputs: list[Output] = field(default_factory=list)
    entries: list[tuple[At, LedgerEntry]] = field(default_factory=list)
    next_offset: int = 0
    time_ms: int = 0

    @classmethod
    def started(cls, text: str = HEAD + SHORT + EASY) -> "Ledger":
        """Return a ledger whose migration has been started."""
        ledger = cls(config(text))
        ledger.command("start")
        return ledger

    def append(self, entry: LedgerEntry) -> list[Output]:
        """Append an entry and return what the gate publishes for it."""
        self.time_ms += 1000
        at = At(0, len(self.entries), self.time_ms)
        self.entries.append((at, entry))
        self.state, outputs = step(self.state, "m", entry, at)
        self.outputs += outputs
        return outputs

    def command(self, kind: CommandKind, text: str | None = None, command_id: str | None = None) -> DecisionRecord:
        """Append an operator's command and return its decision record."""
        chosen = self.config if text is None else config(text)
        order = Command(
            command_id=command_id or f"c{len(self.entries)}",
            migration_id="m",
            kind=kind,
            actor="ann",
            reason="because",
            config=chosen.to_json() if kind == "start" else None,
            config_hash=chosen.config_hash,
            issued_at_ms=self.time_ms,
        )
        self.append(LedgerEntry(command=order))
        return next(d for d in reversed(self.decisions) if d.command_id == order.command_id)

    def pairs(self, *pairs: Pair, block: int = 50, lineage: str = "t1") -> None:
        """Append pairs in blocks."""
        for start in range(0, len(pairs), block):
            part = pairs[start : start + block]
            self.append(quality(part, self.next_offset, self.identity, lineage=lineage))
            self.next_offset += len(part)

    def tick(self, after_ms: int) -> list[Output]:
        """Let time pass on the ledger clock."""
        self.time_ms += after_ms
        return self.append(LedgerEntry(tick=Tick(migration_id="m", issued_at_ms=0)))

    @property
    def identity(self) -> tuple[int, str]:
        """Epoch and hash of the present configuration."""
        assert self.state is not None
        return self.state.migration.epoch, self.state.migration.config_hash

    @property
    def phase(self) -> str:
        """The present phase."""
        assert self.state is not None
        return self.state.phase

    @property
    def decisions(self) -> list[DecisionRecord]:
        """All decision records."""
        return [o.record.decision for o in self.outputs if o.topic == "evidence" and o.record.decision]

    @property
    def commands(self) -> list[RoutingCommand]:
        """All routing commands, renewals included."""
        return [o.record for o in self.outputs if o.topic == "decisions"]

    @property
    def walked(self) -> list[str]:
        """The phases in the order in which they were entered."""
        return list(dict.fromkeys(c.phase for c in self.commands))


def mixed(rng: np.random.Generator, n: int, kinds: Iterable[Pair] = (GOOD, BETTER, WORSE, SILENT, MISSING)) -> list[Pair]:
    """Return pairs of random kinds."""
    choice = list(kinds)
    return [choice[i] for i in rng.integers(0, len(choice), n)]
