"""A decision as a proof: the rule, both numbers of every condition, where in the ledger, and by whose configuration."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from dualgate.cli.operate.view import dimension
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import DecisionRecord, DimensionEvidence


def choose(decisions: Sequence[DecisionRecord], migration_id: str, sequence: int | None, epoch: int | None) -> DecisionRecord:
    """Return the decision that caused a routing command, or else the last decision; ConfigError names the sequences there are.

    Without an epoch, that of the last decision that has one.
    """
    if not decisions:
        raise ConfigError(f"{migration_id}: no decision has been recorded")
    if sequence is None and epoch is None:
        return decisions[-1]
    wanted = max(d.epoch for d in decisions) if epoch is None else epoch
    own = [d for d in decisions if d.epoch == wanted]
    if sequence is None and own:
        return own[-1]
    for each in own:
        if each.routing_command is not None and each.routing_command.sequence == sequence:
            return each
    if not own:
        epochs = ", ".join(map(str, sorted({d.epoch for d in decisions})))
        raise ConfigError(f"{migration_id}: no decision is of epoch {wanted}; there are decisions of {epochs}")
    known = ", ".join(str(d.routing_command.sequence) for d in own if d.routing_command) or "none"
    raise ConfigError(f"{migration_id}: epoch {wanted} has no sequence {sequence}; it has {known}")


def document(decision: DecisionRecord) -> dict[str, Any]:
    """Return what `explain --json` prints: the record whole, and the proof as lines."""
    plain = to_plain(decision)
    told = {name: dimension(each) for name, each in decision.dimensions.items()}
    return plain | {"dimensions": told, "proof": list(proof(decision))}


def what(decision: DecisionRecord) -> str:
    """Return the decision in one line."""
    name = f"{decision.migration_id}, epoch {decision.epoch}"
    sequence = f", sequence {decision.sequence}" if decision.sequence is not None else ""
    outcome = f" was {decision.outcome}" if decision.outcome else ""
    if decision.from_phase != decision.to_phase and decision.from_phase:
        return f"{name}{sequence}: {decision.from_phase} → {decision.to_phase} by {decision.rule}{outcome}"
    stays = f"; the phase is {decision.to_phase}" if decision.to_phase else ""
    return f"{name}{sequence}: {decision.rule}{outcome}{stays}"


def lines(decision: DecisionRecord) -> Iterator[tuple[str, str]]:
    """Yield the circumstances of a decision, each with its name."""
    yield "because", decision.reason
    yield "rule", f"{decision.rule} ({decision.kind})"
    if decision.actor:
        yield "by", f"{decision.actor}, command {decision.command_id}"
    clock = f", evidence clock {moment(decision.evidence_clock_ms)}" if decision.evidence_clock_ms is not None else ""
    yield "when", f"pair {decision.n_pairs:,}{clock}, ledger clock {moment(decision.ledger_clock_ms)}"
    row = f", row {decision.ledger_row} of the block" if decision.ledger_row is not None else ""
    yield "where", f"ledger partition {decision.ledger_partition}, offset {decision.ledger_offset}{row}"
    yield "configuration", decision.config_hash or "(none)"
    yield "scorers", ", ".join(f"{name} {version}" for name, version in decision.scorer_versions.items()) or "(no evidence yet)"
    counters = ", ".join(f"{name} {n:,}" for name, n in decision.counters.items() if n)
    yield "counted", counters or "nothing"
    yield "routers", _routing(decision)
    if decision.epoch:  # what was refused before any start is of no migration
        yield "recompute", f"dualgate verify {decision.migration_id}"


def _routing(decision: DecisionRecord) -> str:
    command = decision.routing_command
    if command is None:
        return "no new command"
    mirrored = ", ".join(f"{name} {share:.0%}" for name, share in command.shadow_share.items())
    lease = "no lease" if command.lease_ms is None else f"lease {command.lease_ms / 1000:g} s"
    versions = f"{command.challenger_version} serves {command.live_share:.0%}, {command.incumbent_version} the others"
    return f"command {command.epoch}/{command.sequence}: {versions}; mirrored: {mirrored}; {lease}"


def proof(decision: DecisionRecord) -> Iterator[str]:
    """Yield for each dimension the comparisons that hold at the decision, both numbers of each."""
    for name, each in decision.dimensions.items():
        if each.status == "off":
            yield f"{name}: off, not measured at all"
            continue
        crossed = f"; its own condition first held at pair {each.pairs_to_decision:,}" if each.pairs_to_decision else ""
        yield (
            f"{name}: {each.status}; good enough: {_against(each.log_e, each.threshold)}; "
            f"below its design: {_against(each.log_e_futility, each.futility_threshold)}; "
            f"worse: {_against(each.log_e_worse, each.worse_threshold)}; {_coverage(each)}{crossed}"
        )


def _against(log_e: float, threshold: float) -> str:
    return f"log e {log_e:.4f} {'≥' if log_e >= threshold else '<'} {threshold:.4f}"


def _coverage(each: DimensionEvidence) -> str:
    seen = each.n + each.n_missing
    missing = f", {each.n_missing:,} missing ({each.n_missing / seen:.1%})" if each.n_missing else ", none missing"
    return f"{each.n:,} units{missing}"


def history(decisions: Iterable[DecisionRecord]) -> Iterator[str]:
    """Yield a line for each decision: when, who (the gate where no operator did), what, and why."""
    for each in decisions:
        who = each.actor or "the gate"
        yield f"{moment(each.ledger_clock_ms)}  {who}: {what(each).partition(', ')[2]}\n    {each.reason}"


def moment(ms: int) -> str:
    """Return a time in milliseconds as UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"
