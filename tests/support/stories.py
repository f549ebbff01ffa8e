"""A made-up migration for the report: its evidence grows as told, its decisions are those of a whole rollout."""

from typing import Any

from dualgate.schemas.migration import MigrationConfig, MigrationSpec
from dualgate.schemas.records import DecisionRecord, DimensionEvidence, EvidenceRecord, EvidenceSnapshot
from dualgate.sinks.report import Story
from support.routing import MIGRATION, command

DAY_MS = 86_400_000
START_MS = 1_700_000_000_000
GROWTH = {"correctness": 0.0016, "latency": 0.0011, "semantic": 0.0040, "safety": 0.0009}
ESTIMATES = {"correctness": 0.052, "latency": 0.0072, "semantic": 0.882, "safety": 0.003}
ROLLOUT = (
    (4_800, "SHADOW", "CANARY", 0.05),
    (6_000, "CANARY", "ROLLOUT(0.25)", 0.25),
    (7_500, "ROLLOUT(0.25)", "ROLLOUT(0.5)", 0.5),
    (9_000, "ROLLOUT(0.5)", "TAIL", 1.0),
    (11_000, "TAIL", "COMPLETED", 1.0),
)


def config(**changes: Any) -> MigrationConfig:
    """Return a configuration; name what matters to the test."""
    given = {"migration": MIGRATION, "incumbent": "sql-agent:v6", "challenger": "sql-agent:v7"} | changes
    return MigrationConfig(MigrationSpec.model_validate(given), "/nowhere")


def evidence(name: str, n: int, **changes: Any) -> DimensionEvidence:
    """Return one dimension's evidence after n pairs."""
    log_e, width = GROWTH[name] * n, 0.6 / max(n, 1) ** 0.5
    values: dict[str, Any] = {
        "status": "accepted" if log_e >= 4.0 else "collecting",
        "n": n,
        "n_missing": n // 50,
        "n_not_eligible": 0,
        "estimate": ESTIMATES[name],
        "interval_low": ESTIMATES[name] - width,
        "interval_high": ESTIMATES[name] + width,
        "log_e": log_e,
        "threshold": 4.38 if n < 3_000 else 3.0,
        "p_value": min(1.0, 2.718**-log_e),
        "log_e_futility": -0.001 * n,
        "futility_threshold": 3.69,
        "log_e_worse": -0.0006 * n,
        "worse_threshold": 5.99,
        "pairs_to_decision": int(4.0 / GROWTH[name]) if log_e >= 4.0 else None,
    }
    return DimensionEvidence(**(values | changes))


def _common(n: int, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "migration_id": MIGRATION,
        "epoch": 1,
        "n_pairs": n,
        "evidence_clock_ms": START_MS + n * 45 * DAY_MS // 12_000,
        "ledger_clock_ms": START_MS + n,
        "ledger_partition": 0,
        "ledger_offset": n,
        "dimensions": {name: evidence(name, n) for name in GROWTH},
        "counters": {"other_version": 0, "unpaired": 12},
    }
    return values | changes


def snapshot(n: int, phase: str = "SHADOW", share: float = 0.0, **changes: Any) -> EvidenceRecord:
    """Return the snapshot after n pairs."""
    told = {"phase": phase, "live_share": share, "waiting_for": "evidence"}
    return EvidenceRecord(snapshot=EvidenceSnapshot(**(_common(n) | told | changes)))


def decision(n: int, before: str, after: str, share: float, sequence: int = 2, **changes: Any) -> EvidenceRecord:
    """Return a transition after n pairs, with its routing command."""
    reason = f"all four dimensions accepted: correctness log e {GROWTH['correctness'] * n:.2f} ≥ 3.00"
    told = {
        "decision_id": f"1-{sequence}",
        "sequence": sequence,
        "kind": "transition",
        "from_phase": before,
        "to_phase": after,
        "rule": "gate",
        "reason": reason,
        "config_hash": "0123456789abcdef",
        "scorer_versions": {"correctness": "1"},
        "routing_command": command(sequence, share, phase=after, reason=reason),
    }
    return EvidenceRecord(decision=DecisionRecord(**(_common(n) | told | changes)))


def rollout(upto: int = len(ROLLOUT), step: int = 100) -> list[EvidenceRecord]:
    """Return the evidence of a migration that goes the first `upto` steps of the rollout and then ends."""
    moves = [decision(*move, sequence=i) for i, move in enumerate(ROLLOUT[:upto], 2)]
    end = 12_000 if upto == len(ROLLOUT) else ROLLOUT[upto][0] - 1
    phases = [(0, "SHADOW", 0.0), *((n, after, share) for n, _, after, share in ROLLOUT[:upto])]
    snaps = [
        snapshot(n, *next((phase, share) for at, phase, share in reversed(phases) if at <= n)) for n in range(step, end + 1, step)
    ]
    return sorted(moves + snaps, key=lambda r: (r.snapshot or r.decision).n_pairs)  # type: ignore[union-attr]


def story(upto: int = len(ROLLOUT), **changes: Any) -> Story:
    """Return the story of such a migration."""
    return Story.of(config(**changes), rollout(upto), 12_000)
