"""The summary that scripts read: verdict, phase, pairs, and each dimension's evidence."""

from typing import Any

from dualgate.schemas.dimensions import DIMENSIONS
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import DimensionEvidence
from dualgate.sinks.report.story import LIVE, Story

VERDICTS = {
    "COMPLETED": "completed",
    "REJECTED": "rejected",
    "ROLLED_BACK": "rolled_back",
    "ABORTED": "aborted",
    "INCONCLUSIVE": "inconclusive",
}
EXIT_CODES = {
    "completed": 0,
    "promoted": 0,
    "rejected": 3,
    "rolled_back": 3,
    "aborted": 3,
    "inconclusive": 4,
    "undecided": 4,
}
"""The exit code of each verdict."""


def verdict_of(phase: str) -> str:
    """Return the verdict of the phase in which a log ends; a live phase means that the shadow phase has accepted."""
    for prefix, verdict in VERDICTS.items():
        if phase.startswith(prefix):
            return verdict
    return "promoted" if phase.startswith(LIVE) else "undecided"


def summary(story: Story) -> dict[str, Any]:
    """Return what `backtest --json` prints: evidence as of the decision, or else the end of the log."""
    decision = story.decision
    return {
        "migration": story.config.spec.migration,
        "verdict": verdict_of(story.phase),
        "phase": story.phase,
        "pairs": story.seen_pairs if decision is None else decision.n_pairs,
        "n_pairs": story.total_pairs,
        "coverage": coverage(story),
        "dimensions": {name: _dimension(story, name) for name in DIMENSIONS},
        "decisions": [to_plain(d.routing_command) for d in story.decisions if d.routing_command and d.kind != "renewal"],
        "reasons": [_reason(d) for d in story.transitions],
        "config_hash": story.config.config_hash,
        "notes": list(story.notes),
    }


def coverage(story: Story) -> float | None:
    """Return the least scored / eligible of the dimensions that are on; None before the first pair."""
    known = [share for name in story.config.spec.dimensions.on if (share := covered(story.evidence.get(name))) is not None]
    return min(known, default=None)


def covered(evidence: DimensionEvidence | None) -> float | None:
    """Return scored / eligible of one dimension."""
    if evidence is None or evidence.n + evidence.n_missing == 0:
        return None
    return evidence.n / (evidence.n + evidence.n_missing)


def _dimension(story: Story, name: str) -> dict[str, Any]:
    evidence = story.evidence.get(name)
    if evidence is None or name not in story.config.spec.dimensions.on:
        status = "missing" if name in story.config.spec.dimensions.on else "off"
        empty = ("estimate", "interval", "log_e", "threshold", "p_value", "pairs_to_decision", "coverage")
        return {"status": status, "n": 0} | dict.fromkeys(empty)
    low, high = evidence.interval_low, evidence.interval_high
    return {
        "status": evidence.status,
        "n": evidence.n,
        "estimate": evidence.estimate,
        "interval": None if low is None or high is None else [low, high],
        "log_e": evidence.log_e,
        "threshold": evidence.threshold,
        "p_value": evidence.p_value,
        "pairs_to_decision": evidence.pairs_to_decision,
        "coverage": covered(evidence),
        "n_missing": evidence.n_missing,
        "n_not_eligible": evidence.n_not_eligible,
        "log_e_futility": evidence.log_e_futility,
        "futility_threshold": evidence.futility_threshold,
        "log_e_worse": evidence.log_e_worse,
        "worse_threshold": evidence.worse_threshold,
    }


def _reason(decision: Any) -> dict[str, Any]:
    return {
        "n_pairs": decision.n_pairs,
        "from_phase": decision.from_phase,
        "to_phase": decision.to_phase,
        "rule": decision.rule,
        "reason": decision.reason,
    }
