"""What a report tells: the configuration of a migration, its evidence over time and its decisions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import DecisionRecord, DimensionEvidence, EvidenceRecord, EvidenceSnapshot

TURNED_AWAY = ("REJECTED", "ROLLED_BACK", "ABORTED", "INCONCLUSIVE")
LIVE = ("CANARY", "ROLLOUT", "TAIL")
SHADOW = ("CALIBRATING", "SHADOW")


@dataclass(frozen=True, slots=True)
class Story:
    """One epoch of a migration, from its start to where the log ends; snapshots and decisions in ledger order.

    `n_pairs` is how many pairs the log holds, None where only what the gate saw is known. `notes` are remarks for the
    reader, such as what in the data was composed. `commands` are the decisions on operators' commands, of every epoch.
    """

    config: MigrationConfig
    snapshots: tuple[EvidenceSnapshot, ...]
    decisions: tuple[DecisionRecord, ...]
    n_pairs: int | None = None
    notes: tuple[str, ...] = field(default=())
    commands: tuple[DecisionRecord, ...] = ()

    @classmethod
    def of(
        cls, config: MigrationConfig, evidence: Iterable[EvidenceRecord], n_pairs: int | None = None, notes: Sequence[str] = ()
    ) -> "Story":
        """Take the newest epoch's snapshots and decisions out of the records of `evidence`; repeats are dropped."""
        records = [each for each in evidence if _migration(each) == config.spec.migration]
        epoch = max((_epoch(each) for each in records), default=0)
        kept = [each for each in records if _epoch(each) == epoch]
        snapshots = {(s.ledger_offset, s.ledger_row, s.n_pairs): s for each in kept if (s := each.snapshot)}
        decisions = {d.decision_id: d for each in kept if (d := each.decision)}
        commands = {d.decision_id: d for each in records if (d := each.decision) and d.actor}
        told = tuple(snapshots.values()), tuple(decisions.values())
        return cls(config, *told, n_pairs, tuple(notes), tuple(commands.values()))

    @property
    def epoch(self) -> int:
        """Return the epoch that is told of; 0 where nothing is known of any."""
        return max([s.epoch for s in self.snapshots] + [d.epoch for d in self.decisions], default=0)

    @property
    def phase(self) -> str:
        """Return the phase in which the log ends."""
        moves = [d.to_phase for d in self.transitions if d.to_phase]
        if moves:
            return moves[-1]
        return self.snapshots[-1].phase if self.snapshots else "CALIBRATING"

    @property
    def transitions(self) -> tuple[DecisionRecord, ...]:
        """Return the decisions that changed the phase or the share."""
        return tuple(d for d in self.decisions if d.to_phase is not None and (d.to_phase != d.from_phase or d.routing_command))

    @property
    def decision(self) -> DecisionRecord | None:
        """Return the decision that the verdict rests on: what turned the challenger away, else what accepted it."""
        moves = [made for made in self.transitions if made.to_phase != made.from_phase]
        if self.phase.startswith(TURNED_AWAY):
            return moves[-1] if moves else None
        if self.phase.startswith(SHADOW):
            return None
        accepted = [made for made in moves if (made.from_phase or "").startswith(SHADOW) and made.to_phase not in SHADOW]
        return accepted[-1] if accepted else None

    @property
    def seen_pairs(self) -> int:
        """Return how many pairs the gate had counted when the log ended."""
        return max([s.n_pairs for s in self.snapshots] + [d.n_pairs for d in self.decisions], default=0)

    @property
    def total_pairs(self) -> int:
        """Return how many pairs the log holds."""
        return self.seen_pairs if self.n_pairs is None else self.n_pairs

    @property
    def evidence(self) -> dict[str, DimensionEvidence]:
        """Return each dimension's evidence as of the decision, else as of the end of the log."""
        if self.decision is not None:
            return self.decision.dimensions
        latest = self.latest
        return {} if latest is None else latest.dimensions

    @property
    def latest(self) -> EvidenceSnapshot | DecisionRecord | None:
        """Return what was told last."""
        both: list[EvidenceSnapshot | DecisionRecord] = [*self.snapshots, *self.decisions]
        return max(both, key=lambda each: (each.ledger_offset, each.ledger_row or 0, each.n_pairs), default=None)


def _migration(record: EvidenceRecord) -> str | None:
    told = record.snapshot or record.decision
    return None if told is None else told.migration_id


def _epoch(record: EvidenceRecord) -> int:
    told = record.snapshot or record.decision
    return 0 if told is None else told.epoch
