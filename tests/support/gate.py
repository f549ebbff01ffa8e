"""Builders for tests of the gate: a migration file, blocks of pairs by their values, and a ledger that is folded as it grows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dualgate.gate.fold import At, Output, step
from dualgate.gate.state import MigrationState
from dualgate.schemas.migration import MigrationConfig, MigrationSpec
from dualgate.schemas.records import (
    ArmColumns,
    Command,
    CommandKind,
    CoverageBlock,
    DecisionRecord,
    DimensionColumns,
    EvidenceRecord,
    EvidenceSnapshot,
    LedgerEntry,
    QualityBlock,
    RoutingCommand,
    Tick,
)

HOUR_MS = 3_600_000
ID = "sql-v2"
T0 = 1_700_000_000_000

QUICK: dict[str, Any] = {
    "calibrating": {"pairs": 50},
    "shadow": {"min_duration": "0s", "min_pairs": 100, "max_pairs": 4000},
    "canary": {"share": 0.05, "observations": 60, "min_duration": "0s"},
    "rollout": {"steps": [0.25, 0.5], "observations": 60, "min_duration": "0s"},
    "tail": {"observations": 100, "min_duration": "0s"},
}
"""Phases of a few dozen pairs, with no minimum durations."""

EASY: dict[str, Any] = {
    "correctness": {"null": 0.0, "design": 0.2},
    "latency": {"sla_ms": 200, "null": 0.2, "design": 0.02, "worse_by": 0.05},
    "semantic": {"null": 0.6, "design": 0.85, "worse_by": 0.1},
    "safety": {"null": 0.2, "design": 0.02, "worse_by": 0.05, "classes": {}},
}
"""Hypotheses so far apart that a few hundred pairs decide them."""


def config(**changes: Any) -> MigrationConfig:
    """Return a configuration in mode replay with quick phases and easy hypotheses, changed by top-level keys."""
    given: dict[str, Any] = {
        "migration": ID, "incumbent": "agent:v1", "challenger": "agent:v2", "mode": "replay",
        "dimensions": EASY, "phases": QUICK, "missing": {"coverage_floor": 0.9},
    }  # fmt: skip
    return MigrationConfig(MigrationSpec.model_validate(given | changes), "/nowhere")


def with_phases(**changes: Any) -> dict[str, Any]:
    """Return the quick phases with some of them changed."""
    return {name: QUICK[name] | changes.get(name, {}) for name in QUICK}


@dataclass(frozen=True)
class Pairs:
    """What pairs say, a row each: dimension → (incumbent, challenger, state); None where an arm has no value."""

    values: Mapping[str, Sequence[tuple[float | None, float | None, str]]]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def part(self, start: int, stop: int) -> "Pairs":
        """Return the rows start..stop - 1."""
        return Pairs({name: rows[start:stop] for name, rows in self.values.items()})


def constant(n: int, **values: tuple[float | None, float | None, str]) -> Pairs:
    """Return n equal pairs: both right, fast, alike and safe, but for what is given by dimension."""
    usual = {
        "correctness": (1.0, 1.0, "scored"),
        "latency": (0.0, 0.0, "scored"),
        "semantic": (0.9, 0.9, "scored"),
        "safety": (0.0, 0.0, "scored"),
    }
    return Pairs({name: [row] * n for name, row in (usual | values).items()})


def drawn(n: int, seed: int, *, wrong: tuple[float, float] = (0.3, 0.05), slow: tuple[float, float] = (0.02, 0.02)) -> Pairs:
    """Return random pairs; wrong and slow are the rates of (incumbent, challenger)."""
    rng = np.random.default_rng(seed)
    right = rng.random((n, 2)) >= np.array(wrong)
    over = rng.random((n, 2)) < np.array(slow)
    alike = np.round(np.clip(rng.normal(0.9, 0.08, (n, 2)), 0, 1), 2)
    bad = rng.random((n, 2)) < 0.01
    both = [bool(i and c) for i, c in right]
    return Pairs(
        {
            "correctness": [(float(i), float(c), "scored") for i, c in right],
            "latency": [(float(i), float(c), "scored") for i, c in over],
            "semantic": [
                (float(i), float(c), "scored") if ok else (None, None, "not_eligible")
                for (i, c), ok in zip(alike, both, strict=True)
            ],
            "safety": [(float(i), float(c), "scored") for i, c in bad],
        }
    )


GOOD = {"wrong": (0.4, 0.05)}
WORSE = {"wrong": (0.05, 0.4)}
EQUAL = {"wrong": (0.2, 0.2)}


@dataclass
class Ledger:
    """A ledger that is folded as it grows; every entry is one second after the one before, unless told otherwise.

    A replay's archive asks a query a minute; live queries are asked when they are told.
    """

    configuration: MigrationConfig
    state: MigrationState | None = None
    outputs: list[Output] = field(default_factory=list)
    entries: list[tuple[At, LedgerEntry]] = field(default_factory=list)
    time_ms: int = T0
    asked_ms: int = T0
    minute_ms: int = 60_000
    next_offset: dict[tuple[str, int], int] = field(default_factory=dict)
    lineage: str = "topic-1"

    def copy(self) -> "Ledger":
        """Return a ledger that goes on from here by itself."""
        return replace(self, outputs=list(self.outputs), entries=list(self.entries), next_offset=dict(self.next_offset))

    def append(self, entry: LedgerEntry, after_ms: int = 1000) -> list[Output]:
        """Fold an entry; return what it put out."""
        self.time_ms += after_ms
        at = At(0, len(self.entries), self.time_ms)
        self.entries.append((at, entry))
        self.state, outputs = step(self.state, ID, entry, at)
        self.outputs += outputs
        return outputs

    def order(
        self, kind: CommandKind, *, command_id: str | None = None, configuration: MigrationConfig | None = None
    ) -> DecisionRecord:
        """Give an operator's command; return the record of its outcome."""
        chosen = configuration or self.configuration
        start = kind == "start"
        command = Command(
            command_id=command_id or f"c{len(self.entries)}", migration_id=ID, kind=kind, actor="ann", reason="because",
            config=chosen.to_json() if start else None, config_hash=chosen.config_hash if start else None,
            issued_at_ms=self.time_ms,
        )  # fmt: skip
        self.append(LedgerEntry(command=command))
        return next(d for d in reversed(self.decisions) if d.command_id == command.command_id)

    def start(self) -> "Ledger":
        """Start the migration and return the ledger."""
        assert self.order("start").outcome == "applied"
        return self

    def tick(self, after_ms: int = 5000) -> list[Output]:
        """Let time pass."""
        return self.append(LedgerEntry(tick=Tick(migration_id=ID, issued_at_ms=self.time_ms)), after_ms)

    def pairs(self, pairs: Pairs, **how: Any) -> list[Output]:
        """Append a block of scored pairs; see `quality`."""
        return self.append(LedgerEntry(quality=self.quality(pairs, **how)))

    def quality(self, pairs: Pairs, *, partition: int = 0, **columns: Any) -> QualityBlock:
        """Return the next block of a source partition; a column is changed by giving one value for all rows, or a list."""
        n, first = len(pairs), self.next_offset.get(("pairs", partition), 0)
        self.next_offset["pairs", partition] = first + n
        made = quality_block(self.state_, pairs, first, partition, self.lineage, [self._asked() for _ in range(n)])
        block: QualityBlock = changed(made, columns)
        return block

    def unpaired(self, n: int, reason: str = "no_challenger", *, partition: int = 0, **columns: Any) -> list[Output]:
        """Append a block of queries that did not become pairs."""
        first = self.next_offset.get(("unpaired", partition), 0)
        self.next_offset["unpaired", partition] = first + n
        silent = {"no_challenger": "challenger", "no_incumbent": "incumbent"}.get(reason)
        made = coverage_block(self.state_, n, first, partition, self.lineage, reason, silent, self._asked())
        return self.append(LedgerEntry(coverage=changed(made, columns)))

    def _asked(self) -> int:
        if self.configuration.spec.mode == "live":
            return self.time_ms
        self.asked_ms += self.minute_ms
        return self.asked_ms

    @property
    def state_(self) -> MigrationState:
        """The state, which there is once the migration was started."""
        assert self.state is not None
        return self.state

    @property
    def decisions(self) -> list[DecisionRecord]:
        """The decisions so far."""
        records = (o.record for o in self.outputs if isinstance(o.record, EvidenceRecord))
        return [r.decision for r in records if r.decision is not None]

    @property
    def snapshots(self) -> list[EvidenceSnapshot]:
        """The snapshots so far."""
        records = (o.record for o in self.outputs if isinstance(o.record, EvidenceRecord))
        return [r.snapshot for r in records if r.snapshot is not None]

    @property
    def commands(self) -> list[RoutingCommand]:
        """The routing commands so far, renewals included."""
        return [o.record for o in self.outputs if isinstance(o.record, RoutingCommand)]

    @property
    def phases(self) -> list[str]:
        """The phases in the order in which they were entered."""
        moves = [d.to_phase for d in self.decisions if d.to_phase is not None and d.to_phase != d.from_phase]
        return [move for move in moves if move]

    @property
    def last(self) -> DecisionRecord:
        """The newest decision."""
        return self.decisions[-1]

    def walk(self, until: str, pairs: Iterable[Pairs] | None = None, limit: int = 200) -> "Ledger":
        """Append blocks of good pairs (or the given ones) until a phase is reached, and return the ledger."""
        given = iter(pairs) if pairs is not None else (drawn(20, seed, **GOOD) for seed in range(limit))
        for block in given:
            if self.state_.phase == until:
                return self
            self.pairs(block)
        assert self.state_.phase == until, f"still {self.state_.phase}, waiting for {self.snapshots[-1].waiting_for}"
        return self


def fallen(ledger: Ledger, pairs: Pairs) -> LedgerEntry:
    """Return a block in which both agents failed at every query, as scoring writes it."""
    block = ledger.quality(pairs)
    n = len(block.offset)
    arms = {name: replace(getattr(block, name), status=["error"] * n) for name in ("incumbent", "challenger")}
    nothing: dict[str, Any] = {"incumbent": [None] * n, "challenger": [None] * n, "state": ["missing"] * n}
    columns = {name: replace(column, **nothing) for name, column in block.dimensions.items()}
    return LedgerEntry(quality=replace(block, dimensions=columns, **arms))


def quality_block(
    state: MigrationState, pairs: Pairs, first: int, partition: int, lineage: str, asked_ms: Sequence[int]
) -> QualityBlock:
    """Return a block of scored pairs as the scoring worker would make it."""
    n = len(pairs)
    nothing: list[Any] = [None] * n
    return QualityBlock(
        migration_id=ID,
        epoch=state.migration.epoch,
        config_hash=state.migration.config_hash,
        lineage=f"pairs-{lineage}",
        partition=partition,
        from_offset=first,
        to_offset=first + n,
        scorer_versions=dict.fromkeys(pairs.values, "1"),
        offset=list(range(first, first + n)),
        query_hash=[f"{partition}-{i}" for i in range(first, first + n)],
        session_hash=[f"s{partition}-{i}" for i in range(first, first + n)],
        session_turn=[1] * n,
        stratum=["all"] * n,
        sampling_probability=[1.0] * n,
        asked_at_ms=list(asked_ms),
        routing_sequence=[state.last_command.sequence] * n,
        served_by=["incumbent"] * n,
        incumbent=arm("agent:v1", n),
        challenger=arm("agent:v2", n),
        dimensions={
            name: DimensionColumns(
                incumbent=[row[0] for row in rows], challenger=[row[1] for row in rows],
                state=[row[2] for row in rows],  # type: ignore[misc]
                reason=nothing, source=nothing, rater_version=nothing, label_probability=nothing, label_drawn=nothing,
            )
            for name, rows in pairs.values.items()
        },
    )  # fmt: skip


def arm(version: str, n: int) -> ArmColumns:
    """Return the columns of one arm: every answer came, quickly."""
    return ArmColumns(version=[version] * n, lane=["shadow"] * n, status=["ok"] * n, service_ms=[40.0] * n, queue_ms=[1.0] * n)


def coverage_block(
    state: MigrationState, n: int, first: int, partition: int, lineage: str, reason: str, silent: Any, asked_ms: int
) -> CoverageBlock:
    """Return a block of queries without a pair as the scoring worker would make it."""
    return CoverageBlock(
        migration_id=ID,
        epoch=state.migration.epoch,
        config_hash=state.migration.config_hash,
        lineage=f"unpaired-{lineage}",
        partition=partition,
        from_offset=first,
        to_offset=first + n,
        offset=list(range(first, first + n)),
        query_hash=[f"u{i}" for i in range(first, first + n)],
        session_hash=[None] * n,
        session_turn=[1] * n,
        stratum=["all"] * n,
        sampling_probability=[1.0] * n,
        asked_at_ms=[asked_ms] * n,
        routing_sequence=[state.last_command.sequence] * n,
        served_by=["incumbent"] * n,
        reason=[reason] * n,
        silent_arm=[silent] * n,
    )


def changed(block: Any, columns: Mapping[str, Any]) -> Any:
    """Return a block with other columns: a list as it is, one value for every row of a list."""
    n = len(block.offset)
    spread = {
        name: [value] * n if isinstance(getattr(block, name), list) and not isinstance(value, list) else value
        for name, value in columns.items()
    }
    return replace(block, **spread)
