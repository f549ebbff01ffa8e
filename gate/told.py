"""What a snapshot tells beside the dimensions: budgets in an SRE's units, monitors, strata and checks."""

from decimal import Decimal

from dualgate.gate import checks, vigil
from dualgate.gate.budget import HUNDRED, LONG, SHORT, Budget, Spent, given, time_left_ms
from dualgate.gate.state import MigrationState, Monitored
from dualgate.gate.stats.fixed_point import MICRO, log_micro
from dualgate.gate.stats.shiryaev_roberts import log_esr
from dualgate.gate.watched import unwatched
from dualgate.schemas.records import BudgetEvidence, CheckEvidence, MonitorEvidence, StratumEvidence


def budgets(state: MigrationState) -> dict[str, BudgetEvidence] | None:
    """Return each error budget of the phase: bad answers allowed, used and left, the pace, and when it is gone.

    One towards which nothing counts is told too, over no observations.
    """
    found = given(state.spec, state.phase, state.planned)
    return {name: _budget(state, each, state.spent.get(name, Spent())) for name, each in found.items()} or None


def _budget(state: MigrationState, budget: Budget, spent: Spent) -> BudgetEvidence:
    allowed, used = budget.allowed(spent.n) / HUNDRED, spent.used / HUNDRED
    lasted_ms = (state.evidence_clock_ms or 0) - (state.phase_began_ms or 0)
    return BudgetEvidence(
        allowed=allowed,
        used=used,
        left=round(allowed - used, 2),
        n=spent.n,
        planned=budget.planned,
        burn_long=budget.burn(spent, LONG),
        burn_short=budget.burn(spent, SHORT),
        exhausted=budget.exhausted(spent),
        burning=budget.burning(spent),
        exhausted_in_ms=time_left_ms(budget, spent, spent.n / lasted_ms if lasted_ms > 0 else 0.0),
    )


def monitors(state: MigrationState) -> dict[str, MonitorEvidence] | None:
    """Return the live monitors with their numbers beside their limits, and who has none; nothing before the canary."""
    watched = {name: _monitor(each) for name, each in state.monitors.items()}
    none = {
        name: MonitorEvidence(unwatched=why, n=0, cusum=0.0, cusum_threshold=0.0, log_esr=0.0, esr_threshold=0.0)
        for name, why in unwatched(state).items()
    }
    return dict(sorted({**watched, **none}.items())) or None


def _monitor(monitored: Monitored) -> MonitorEvidence:
    spec, held = monitored
    return MonitorEvidence(
        n=held.esr.n,
        cusum=held.cusum.level / spec.cusum.unit,
        cusum_threshold=spec.cusum.limit / spec.cusum.unit,
        log_esr=log_esr(spec.esr, sum(held.esr.m)),
        esr_threshold=log_micro(Decimal(spec.esr.alarm_level)) / MICRO,
    )


def strata(state: MigrationState) -> dict[str, StratumEvidence] | None:
    """Return the phase's coverage by stratum."""
    made = {}
    for name, counts in state.by_stratum.items():
        pairs = list(zip(counts[::2], counts[1::2], strict=True))
        eligible = {dimension: e for dimension, (e, _) in zip(state.on, pairs, strict=True)}
        scored = {dimension: e - lost for dimension, (e, lost) in zip(state.on, pairs, strict=True)}
        made[name] = StratumEvidence(eligible=eligible, scored=scored)
    return made or None


def held(state: MigrationState) -> dict[str, CheckEvidence] | None:
    """Return the phase's checks with their evidence; of the strata only the one that is furthest from the others."""
    found: dict[str, CheckEvidence] = {}
    for name, sums in state.checks.items():
        log_e, threshold = checks.log_e(sums), vigil.threshold(name)
        each = CheckEvidence(log_e=log_e, threshold=threshold, holds=log_e >= threshold)
        short = checks.STRATA if name.startswith(checks.STRATA) else name
        if short not in found or each.log_e > found[short].log_e:
            found[short] = each
    return found or None
