"""What is known of a migration from the gate's topics: a fold of `migrations`, `decisions` and `evidence`, and its documents."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from dualgate.gate.withdrawal import ACK_MS
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import (
    DecisionRecord,
    DimensionEvidence,
    EvidenceRecord,
    EvidenceSnapshot,
    Migration,
    RouterBehind,
    Routers,
    RoutingCommand,
)
from dualgate.sinks.report.guards import guard_lines
from dualgate.sinks.report.summary import VERDICTS, verdict_of

RECENT = 3
"""So many of the last commands are shown; `explain ID --history` has all."""

Told = Migration | RoutingCommand | EvidenceRecord


@dataclass(slots=True)
class View:
    """One migration as the gate last told it; heard_ms is the time of the newest record, commanded_ms of the command's newest."""

    migration_id: str
    migration: Migration | None = None
    command: RoutingCommand | None = None
    snapshot: EvidenceSnapshot | None = None
    decisions: list[DecisionRecord] = field(default_factory=list)
    paused: bool = False
    heard_ms: int = 0
    commanded_ms: int = 0

    def take(self, record: Told, timestamp_ms: int) -> None:
        """Take in a record; of commands the highest (epoch, sequence) counts, and of one the newest lease."""
        self.heard_ms = max(self.heard_ms, timestamp_ms)
        if isinstance(record, Migration):
            self.migration = record
        elif isinstance(record, RoutingCommand):
            if self.command is None or _rank(record) >= _rank(self.command):
                self.command, self.commanded_ms = record, timestamp_ms
        else:
            self.snapshot = record.snapshot or self.snapshot
            if record.decision is not None and record.decision.kind != "renewal":
                self._decided(record.decision)

    def _decided(self, decision: DecisionRecord) -> None:
        if any(decision.decision_id == each.decision_id for each in self.decisions[-50:]):
            return  # a gate that was killed publishes once more what it had published
        if decision.outcome == "applied":
            self.paused = decision.rule == "pause" or (self.paused and decision.rule != "resume")
        self.decisions.append(decision)

    @property
    def phase(self) -> str:
        """Return the present phase, as the newest of command and snapshot says; empty where no gate has accepted it."""
        if self.command is not None:
            return self.command.phase
        return self.snapshot.phase if self.snapshot else ""

    @property
    def rolling_back(self) -> bool:
        """Tell whether users are taken back and a router has not let go of the challenger yet."""
        return bool(self.snapshot and self.snapshot.routers and self.snapshot.routers.rolling_back)

    @property
    def terminal(self) -> bool:
        """Tell whether nothing but an operator can change the phase, and every router follows."""
        return self.phase.startswith(tuple(VERDICTS)) and not self.rolling_back

    def lease_left_ms(self, now_ms: int) -> int | None:
        """Return how long routers still obey the command (negative: they serve the incumbent); None where for ever.

        No router obeys for longer than a lease from when it hears a command, though it is issued by a clock that is ahead.
        """
        if self.command is None or self.command.lease_ms is None:
            return None
        return min(self.command.issued_at_ms, self.commanded_ms) + self.command.lease_ms - now_ms

    def clock_ahead_ms(self, now_ms: int) -> int:
        """Return how far the ledger's clock is ahead, where by more than a lease: nothing is renewed before it is reached."""
        if self.command is None or self.command.lease_ms is None:
            return 0
        ahead_ms = self.command.issued_at_ms - now_ms
        return ahead_ms if ahead_ms > self.command.lease_ms else 0

    def routers(self, now_ms: int) -> Routers | None:
        """Return who follows, as of now: who has been silent beyond the lease of the command that it obeys serves the incumbent.

        The gate tells it at its next snapshot, and none comes after an end. While a share is withdrawn its word stands.
        """
        told = self.snapshot.routers if self.snapshot else None
        if told is None or told.rolling_back:
            return told
        behind = [each for each in told.behind if not self._gone(each, now_ms)]
        n_gone = len(told.behind) - len(behind)
        return replace(told, silent=told.silent + n_gone, n_behind=told.n_behind - n_gone, behind=behind)

    def _gone(self, router: RouterBehind, now_ms: int) -> bool:
        """Tell whether a router has no user on the challenger any more, since its lease is over or it never had one there."""
        lease_ms = 0 if router.sequence == 0 else self._lease_ms(router)  # 0: the command before the first of an epoch
        return lease_ms is not None and now_ms - router.heard_ms > max(lease_ms, 2 * ACK_MS)

    def _lease_ms(self, router: RouterBehind) -> int | None:
        """Return how long a router obeys its command in silence; None where for ever, or where the command is not known."""
        given = (each.routing_command for each in self.decisions if each.routing_command is not None)
        for command in given:
            if (command.epoch, command.sequence) == (router.epoch, router.sequence):
                return 0 if command.live_share == 0 else command.lease_ms
        return None

    def document(self, now_ms: int) -> dict[str, Any]:
        """Return what `status --json` prints."""
        command, shot, migration, routers = self.command, self.snapshot, self.migration, self.routers(now_ms)
        last = self.decisions[-1] if self.decisions else None
        return {
            "migration_id": self.migration_id,
            "verdict": verdict_of(self.phase),
            "phase": self.phase or None,
            "epoch": command.epoch if command else None,
            "sequence": command.sequence if command else None,
            "live_share": command.live_share if command else 0.0,
            "shadow_share": command.shadow_share if command else {},
            "incumbent": migration.incumbent_version if migration else None,
            "challenger": migration.challenger_version if migration else None,
            "config_hash": migration.config_hash if migration else None,
            "paused": self.paused,
            "waiting_for": shot.waiting_for if shot else None,
            "n_pairs": shot.n_pairs if shot else 0,
            "dimensions": {name: dimension(each) for name, each in shot.dimensions.items()} if shot else {},
            "counters": shot.counters if shot else {},
            **_guarded(shot),
            "rolling_back": self.rolling_back,
            "routers": to_plain(routers) if routers else None,
            "decisions": dict(sorted(Counter(each.rule for each in self.decisions).items())),
            "operators": [brief(each) for each in self.decisions if each.actor][-RECENT:],
            "mode": _mode(migration),
            "lease_left_ms": self.lease_left_ms(now_ms),
            "clock_ahead_ms": self.clock_ahead_ms(now_ms),
            "last_decision": None if last is None else brief(last),
            "last_update_ms": self.heard_ms,
            "age_ms": max(0, now_ms - self.heard_ms),
        }


GUARDS = ("budgets", "monitors", "strata", "checks")


def _guarded(shot: EvidenceSnapshot | None) -> dict[str, Any]:
    """Return what guards the users beside the evidence, as data and in words."""
    if shot is None:
        return dict.fromkeys(GUARDS, None) | {"guards": []}
    plain = to_plain(shot)
    return {name: plain[name] for name in GUARDS} | {"guards": guard_lines(shot)}


def _mode(migration: Migration | None) -> str | None:
    """Return whether traffic is live or an archive's; None where no gate has accepted the migration."""
    try:
        return None if migration is None else MigrationConfig.from_json(migration.config).spec.mode
    except ConfigError:  # another version of Dualgate accepted it
        return None


def _rank(command: RoutingCommand) -> tuple[int, int, int]:
    return command.epoch, command.sequence, command.issued_at_ms


def dimension(evidence: DimensionEvidence) -> dict[str, Any]:
    """Return one dimension with its interval as a pair, as `backtest --json` has it."""
    plain = to_plain(evidence)
    low, high = plain.pop("interval_low"), plain.pop("interval_high")
    return plain | {"interval": None if low is None or high is None else [low, high]}


def brief(decision: DecisionRecord) -> dict[str, Any]:
    """Return what names and explains a decision in few words."""
    names = ("decision_id", "kind", "rule", "reason", "outcome", "actor", "from_phase", "to_phase", "sequence", "n_pairs")
    return {name: getattr(decision, name) for name in (*names, "ledger_clock_ms")}
