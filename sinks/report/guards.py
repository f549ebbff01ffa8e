"""What guards the users beside the evidence, in words: error budgets in an SRE's units, monitors, strata and checks."""

from collections.abc import Iterable, Iterator, Mapping

from dualgate.schemas.records import BudgetEvidence, EvidenceSnapshot, MonitorEvidence, StratumEvidence

MANY = 5
"""So many strata are named; the others are counted."""


def guard_lines(shot: EvidenceSnapshot) -> list[str]:
    """Return what stands guard at a snapshot, a line each."""
    lines = [f"error budget of {name}: {budget_words(each)}" for name, each in (shot.budgets or {}).items()]
    lines += [f"monitor of {name}: {monitor_words(each)}" for name, each in (shot.monitors or {}).items()]
    lines += [f"coverage by stratum: {words}" for words in [strata_words(shot.strata or {})] if words]
    checks = [
        f"{name} log e {c.log_e:.2f} {'≥' if c.holds else '<'} {c.threshold:.2f}" for name, c in (shot.checks or {}).items()
    ]
    return lines + ([f"checks: {', '.join(checks)}"] if checks else []) + label_lines(shot.counters)


def label_lines(counters: Mapping[str, int]) -> list[str]:
    """Return how people's labels stand beside a rater's word; nothing where nothing was drawn or left out."""
    drawn, counted = counters.get("labels.drawn", 0), counters.get("labels.counted", 0)
    other, again = counters.get("labels.other_epoch", 0), counters.get("labels.repeated", 0)
    left_out = [f"{other:,} verdicts on answers of another epoch left out"] if other else []
    left_out += [f"{again:,} repeated verdicts left out, the first on an answer stands"] if again else []
    if not drawn:
        return [f"labels: {'; '.join(left_out)}"] if left_out else []
    told = f"labels: {counted:,} of {drawn:,} drawn pairs counted"
    if counted:
        agreed = counters.get("labels.agreed", 0)
        told += f", rater and people agree on {agreed:,} ({agreed / counted:.0%})"
    left = counters.get("labels.not_taken", 0)
    told += f"; {left:,} pairs not taken while labels were waited for" if left else ""
    return ["; ".join([told, *left_out])]


def budget_words(each: BudgetEvidence) -> str:
    """Return a budget: bad answers allowed, used and left, how fast it goes, and when it is gone."""
    used = f"{each.used:.2f} of {each.allowed:.2f} extra bad answers used"
    if each.used < 0:
        used = f"none of {each.allowed:.2f} extra bad answers used, {-each.used:.2f} fewer than the incumbent's"
    told = f"{used}, {each.left:.2f} left"
    told += (
        f" ({each.n:,} of {each.planned:,} observations)"
        if each.n
        else f" (nothing counted yet of {each.planned:,} observations)"
    )
    if each.burn_long is not None and each.burn_short is not None:
        told += f"; burn rate {each.burn_long:.1f}, lately {each.burn_short:.1f}"
    if each.burning:
        told += ", burn-rate ALARM"
    if each.exhausted:
        return told + "; EXHAUSTED"
    if each.exhausted_in_ms is None:
        return told
    return f"{told}; gone in {each.exhausted_in_ms / 3_600_000:.1f} h at this pace"


def monitor_words(each: MonitorEvidence) -> str:
    """Return a monitor's numbers beside their limits, or why there is none."""
    if each.unwatched is not None:
        return f"none: {each.unwatched}"
    return (
        f"CUSUM {each.cusum:.2f} of h {each.cusum_threshold:.2f}, log e-SR {each.log_esr:.2f} of {each.esr_threshold:.2f} "
        f"after {each.n:,} paired observations"
    )


def strata_words(strata: dict[str, StratumEvidence]) -> str:
    """Return the least coverage of the strata, the worst first; nothing where there is only one and all of it was scored."""
    found = sorted(_least(strata))
    if len(found) < 2 and all(share == 1 for share, _, _, _, _ in found):
        return ""
    told = [f"{stratum} {scored} of {eligible} ({dimension})" for _, stratum, dimension, scored, eligible in found[:MANY]]
    return ", ".join(told) + (f" and {len(found) - MANY} more" if len(found) > MANY else "")


def _least(strata: dict[str, StratumEvidence]) -> Iterator[tuple[float, str, str, int, int]]:
    for stratum, each in strata.items():
        shares = [(each.scored[name] / n, stratum, name, each.scored[name], n) for name, n in each.eligible.items() if n]
        if shares:
            yield min(shares)


def budget_rows(snapshots: Iterable[EvidenceSnapshot]) -> list[tuple[str, str, str]]:
    """Return each live phase's budgets as they last stood: phase, dimension, words."""
    last = {(shot.phase, name): each for shot in snapshots for name, each in (shot.budgets or {}).items()}
    return [(phase, name, budget_words(each)) for (phase, name), each in last.items()]


def strata_rows(snapshots: Iterable[EvidenceSnapshot]) -> list[tuple[str, str, str]]:
    """Return each phase's coverage by stratum as it last stood: phase, stratum, scored of eligible for each dimension."""
    rows = []
    for shot in {shot.phase: shot for shot in snapshots if shot.strata}.values():
        found = sorted((shot.strata or {}).items())
        rows += [(shot.phase, name, _coverage(each)) for name, each in found[:MANY]]
        rows += [(shot.phase, f"and {len(found) - MANY} more", "")] if len(found) > MANY else []
    return rows


def _coverage(each: StratumEvidence) -> str:
    return ", ".join(f"{name} {each.scored[name]:,} of {n:,}" for name, n in each.eligible.items() if n) or "nothing eligible"


def check_rows(snapshots: Iterable[EvidenceSnapshot]) -> list[tuple[str, str, str]]:
    """Return each phase's checks as they last stood: phase, check, both numbers and what follows."""
    last = {(shot.phase, name): each for shot in snapshots for name, each in (shot.checks or {}).items()}
    return [
        (
            phase,
            name,
            f"log e {c.log_e:.2f} {'≥' if c.holds else '<'} {c.threshold:.2f}: {'HOLDS the step' if c.holds else 'passed'}",
        )
        for (phase, name), c in last.items()
    ]


def assignment_words(mode: str, snapshots: Iterable[EvidenceSnapshot]) -> str:
    """Return why the share of queries that routers report was never held against the commanded one; nothing where it was."""
    if mode == "replay":
        return "off in mode replay: the archive obeyed other commands"
    told = any("assignment" in (shot.checks or {}) for shot in snapshots)
    return "" if told else "no router has told of a query under a live share"
