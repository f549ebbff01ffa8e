"""This gate: the real fold on blocks as scoring would write them, in shadow and (with the paired live signal) until the end."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dualgate.gate import phases
from dualgate.gate.fold import At, Output, step
from dualgate.gate.intake import take
from dualgate.gate.state import MigrationState
from dualgate.lab.evaluate.strategies.base import Ended, Verdict, finish
from dualgate.lab.evaluate.strategies.blocks import coverage_block, quality_block
from dualgate.lab.evaluate.traffic import Mirrored, Traffic
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import Command, CoverageBlock, DecisionRecord, LedgerEntry, QualityBlock

BLOCK = 2_000
"""Pairs at a time; where blocks are cut changes no decision."""
TOLD = 50
"""Queries after which a silence among them is known for one: pairing waits for an answer before it gives one up."""


class Dualgate:
    """The gate as a migration file sets it; every query is answered by both arms until the migration is over."""

    source = "this project: the gate's fold (gate.intake), as live"

    def __init__(self, name: str, config: MigrationConfig) -> None:
        self.name = name
        errors = config.spec.errors
        self.settings = f"the migration file's: gate {errors.gate}, promote {errors.promote:g}, rollback {errors.rollback:g}"
        self._began = started(config)

    def run(self, traffic: Traffic) -> Ended:
        """Fold mirrored pairs block by block, and route as the gate commands."""
        gate = Gate(self._began, traffic)
        while not traffic.over and gate.state.active:
            gate.fold(traffic.mirror(BLOCK))
        share = 1.0 if gate.state.phase == phases.COMPLETED else gate.share
        if not traffic.over:
            finish(traffic, share)
        return gate.ended()


class Gate:
    """One migration's state and what it decided, fed from a traffic; `until` is the rule at which pairs are no longer made."""

    def __init__(self, state: MigrationState, traffic: Traffic, until: str | None = None) -> None:
        self.state, self._traffic, self._until = state, traffic, until
        self.decisions: list[tuple[DecisionRecord, int]] = []
        self._offset = self._n_quality = self._n_coverage = 0
        self._open = True

    @property
    def share(self) -> float:
        """The share that was commanded last."""
        return self.state.last_command.live_share

    def fold(self, pairs: Mirrored) -> None:
        """Take in pairs, and what the challenger did not answer; route where a decision says so."""
        alone = pairs.incumbent.answered & ~pairs.challenger.answered
        for start in range(0, len(pairs), TOLD if alone.any() else max(1, len(pairs))):
            rows = np.arange(start, min(start + TOLD, len(pairs)) if alone.any() else len(pairs))
            whole, silent = rows[~alone[rows]], rows[alone[rows]]
            if len(whole) and self._open:
                block = quality_block(self.state, pairs, whole, self._n_quality)
                self._n_quality += len(whole)
                self._take(block, pairs, whole)
            if len(silent) and self._open:
                lost = coverage_block(self.state, pairs, silent, self._n_coverage)
                self._n_coverage += len(silent)
                self._take(lost, pairs, np.full(len(silent), rows[-1]))

    def _take(self, block: QualityBlock | CoverageBlock, pairs: Mirrored, rows: npt.NDArray[np.int64]) -> None:
        """Fold a block; `rows` says by which row of the pairs each of its rows was known."""
        self._offset += 1
        self.state, outputs = take(self.state, block, At(0, self._offset, self._offset), snapshots=False)
        for made in _decisions(outputs):
            at = int(rows[made.ledger_row or 0])
            self.decisions.append((made, int(pairs.at_ms[at])))
            if made.routing_command is not None:
                self._traffic.route(int(pairs.row[at]) + 1, made.routing_command.live_share)
            if made.to_phase in phases.TERMINAL or made.rule == self._until:
                self._open = False
                self._traffic.halt(int(pairs.row[at]) + 1)
                return

    @property
    def admitted(self) -> bool:
        """Whether the shadow phase accepted the challenger."""
        return self._decision("accepted") is not None

    def _decision(self, rule: str) -> tuple[DecisionRecord, int] | None:
        return next((d for d in self.decisions if d[0].rule == rule), None)

    def ended(self) -> Ended:
        """Return how the migration stands."""
        admitted = self._decision("accepted")
        over = next((d for d in self.decisions if d[0].to_phase in phases.TERMINAL), None)
        chosen = admitted or over
        phase, decided = self.state.phase, dict(self.state.decided_at)
        at_ms, pairs = (None, None) if chosen is None else (chosen[1], chosen[0].n_pairs)
        return Ended(_verdict(phase), over[0].rule if over else phase, at_ms, pairs, _claims_worse(phase), decided)


def _verdict(phase: str) -> Verdict:
    if phase in (phases.COMPLETED, phases.TAIL):
        return "promoted"
    return "stopped" if phase in phases.TERMINAL and phase != phases.INCONCLUSIVE else "open"


def _claims_worse(phase: str) -> bool:
    return phase in (phases.REJECTED_WORSE, phases.ROLLED_BACK)


def started(config: MigrationConfig) -> MigrationState:
    """Return the state of a migration that was just started; ConfigError where the gate refuses it."""
    command = Command(
        command_id="evaluate", migration_id=config.spec.migration, kind="start", actor="evaluate", reason="evaluation",
        config=config.to_json(), config_hash=config.config_hash, issued_at_ms=0,
    )  # fmt: skip
    state, outputs = step(None, config.spec.migration, LedgerEntry(command=command), At(0, 0, 0))
    if state is None:
        raise ConfigError("; ".join(made.reason for made in _decisions(outputs)))
    return state


def with_gate(config: MigrationConfig, gate: str) -> MigrationConfig:
    """Return the configuration with another rule of acceptance, as an archive's replay (the archive obeyed other commands)."""
    spec = config.spec
    errors = spec.errors.model_copy(update={"gate": gate})
    return replace(config, spec=spec.model_copy(update={"errors": errors, "mode": "replay"}))


def _decisions(outputs: Sequence[Output]) -> list[DecisionRecord]:
    found = [getattr(output.record, "decision", None) for output in outputs]
    return [made for made in found if isinstance(made, DecisionRecord)]
