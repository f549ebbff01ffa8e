"""Why a rule fired, in words with both numbers."""

from dualgate.gate import incumbent, monitors, phases, wanted
from dualgate.gate.calibration import unfitted
from dualgate.gate.evidence import dimensions
from dualgate.gate.paths import now
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import futility_threshold, log_e_futility, log_e_worse, log_threshold, wald_futility, worse_interval
from dualgate.gate.waiting import stops_words, unscored_words


def reason(rule: str, state: MigrationState) -> str:
    """Return the reason of a rule that fired at a state."""
    return _WORDS[rule](state)


def _worse(state: MigrationState) -> str:
    told, found = dimensions(state), []
    for spec, dim in zip(state.specs, state.dims, strict=True):
        if spec.worse is None:
            continue
        log_e, threshold = log_e_worse(spec, dim), told[spec.dimension].worse_threshold
        difference = worse_interval(spec, dim)
        if log_e >= threshold and difference and difference.estimate is not None:
            tolerated = getattr(state.spec.dimensions, spec.dimension).worse_by
            found.append(
                f"{spec.dimension} is worse than the incumbent by more than {tolerated:g}: log e {log_e:.2f} ≥ {threshold:.2f} "
                f"(paired difference {difference.estimate:+.4f}, {difference.low:+.4f} to {difference.high:+.4f}, "
                f"over {difference.n} pairs)"
            )
    return "; ".join(found) or f"the dimensions together are worse than the incumbent ({state.spec.errors.alarms})"


def _calibrated(state: MigrationState) -> str:
    return f"{state.n_phase} calibrating pairs ≥ {state.plan.calibrating}: the bets of acceptance are fixed"


def _accepted(state: MigrationState) -> str:
    told = dimensions(state)
    each = ", ".join(f"{name} log e {told[name].log_e:.2f} ≥ {told[name].threshold:.2f}" for name in state.on)
    return f"every dimension is accepted ({state.spec.errors.gate}): {each}; {state.n_counted} pairs ≥ {state.plan.min_pairs}"


def _watched(state: MigrationState) -> str:
    worst = max((log_e_worse(s, d) for s, d in zip(state.specs, state.dims, strict=True) if s.worse), default=0.0)
    tested = sum(s.worse is not None for s in state.specs)
    threshold = log_threshold(state.spec.errors.rollback / 4, max(1, tested))
    n = phases.observations(state.spec, state.phase)
    words = f"{state.n_phase} observations ≥ {n} and no dimension shown worse (greatest log e {worst:.2f} < {threshold:.2f})"
    return words + wanted.unpaired(state)


def _alarm(state: MigrationState) -> str:
    raised = [monitors.words(name, state.monitors[name]) for name, path in monitors.now(state.monitors).items() if path[0]]
    return f"turned worse than the incumbent in {state.phase}: " + "; ".join(raised)


def _futile(state: MigrationState) -> str:
    errors, found = state.spec.errors, []
    paths = now(state)
    limit = futility_threshold(errors.miss, len(state.specs))
    for i, (spec, dim) in enumerate(zip(state.specs, state.dims, strict=True)):
        if not paths.futile[i, 0]:
            continue
        if errors.boundary == "wald":
            found.append(f"{spec.name}: log e {paths.accept[i][0]:.2f} ≤ {wald_futility(errors.promote, errors.miss):.2f}")
        else:
            found.append(f"{spec.name}: log e against its design {log_e_futility(spec, dim):.2f} ≥ {limit:.2f}")
    return "as good as planned is no longer credible (this is no evidence of harm): " + "; ".join(found)


def _returned(state: MigrationState) -> str:
    return f"evidence has returned; {phases.before(state.spec, state.phase)} is walked again"


def _horizon(state: MigrationState) -> str:
    if state.phase == phases.CALIBRATING:
        plan, short = state.plan, ", ".join(wanted.short(state))
        most = f"{plan.calibrating} and max_pairs {plan.max_pairs} more"
        return f"{state.n_phase} calibrating pairs ≥ {most}, and no bets can be fixed yet: {short}"
    return "; ".join([f"{state.n_counted} pairs ≥ max_pairs {state.plan.max_pairs} without a verdict", *unscored_words(state)])


def _reentered(state: MigrationState) -> str:
    step = phases.before(state.spec, state.phase)
    share = phases.live_share(state.spec, state.phase)
    return f"{step} was walked again for its least duration: {state.phase} goes on at its share {share:g}"


def _incumbent(state: MigrationState) -> str:
    told = [
        f"{spec.name} {incumbent.mean(spec, state.incumbents[spec.name]):.4f} (null "
        f"{spec.report_offset + spec.report_sign * spec.accept.null:g}): log e {log_e:.2f} ≥ {limit:.2f}"
        for spec, log_e, limit in incumbent.beyond(state.specs, state.incumbents)
    ]
    if not told:
        return f"the calibrating pairs do not suffice: {unfitted(state)}"
    return "the incumbent itself is beyond a boundary, so nothing can be accepted by it: " + "; ".join(told)


def _spent(state: MigrationState) -> str:
    return "; ".join([*stops_words(state), _alarm(state)])


_WORDS = {
    "incumbent": _incumbent,
    "reentered": _reentered,
    "spent": _spent,
    "worse": _worse,
    "alarm": _alarm,
    "calibrated": _calibrated,
    "accepted": _accepted,
    "watched": _watched,
    "futile": _futile,
    "horizon": _horizon,
    "returned": _returned,
}
