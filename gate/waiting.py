"""What the next phase waits for, in words with both numbers."""

from dualgate.gate import checks, phases, queries, rated, strata, vigil, wanted, withdrawal
from dualgate.gate.budget import BURN, HUNDRED, LONG, SHORT, Spent
from dualgate.gate.paths import Paths, now, of_phase
from dualgate.gate.rated_rows import DIMENSION
from dualgate.gate.rules import unheard
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import log_threshold
from dualgate.schemas.duration import UNITS_MS, format_duration


def waiting_for(state: MigrationState) -> str:
    """Return in words, with both numbers, what the next phase waits for."""
    rolling = [f"routers to let go of the challenger (rolling back): {withdrawal.words(state)}"] if state.withdrawal else []
    if not state.active:
        return "; ".join(rolling) or "nothing: " + state.phase
    reasons = rolling + ([f"data: {state.held}"] if state.held else [])
    reasons += ["resume: the migration is paused"] if state.paused else []
    reasons += ["evidence to return: nothing came for longer than missing.retreat_after"] if state.retreated else []
    reasons += ["evidence: none came for longer than missing.hold_after"] if unheard(state) and not state.retreated else []
    reasons += _reentry(state)
    reasons += _evidence_wanted(state)
    if not reasons and phases.needs_approval(state.spec, phases.following(state.spec, state.phase)):
        reasons.append(f"an operator's approve of {phases.following(state.spec, state.phase)}")
    return "; ".join(reasons) or "the next pair"


def _evidence_wanted(state: MigrationState) -> list[str]:
    if state.phase == phases.CALIBRATING:
        pairs = [f"calibrating pairs: {state.n_phase} of {state.plan.calibrating}"]
        return pairs * (state.n_phase < state.plan.calibrating) + _short(state)
    paths = now(state)
    missing = _acceptance_wanted(paths) if state.phase == phases.SHADOW else _observations_wanted(paths) + _short(state)
    if not paths.long_enough[0]:
        began = paths.clock_ms[0] if state.phase_began_ms is None else state.phase_began_ms
        least = phases.min_duration_ms(state.spec, state.phase)
        unit = next(u for u in ("h", "m", "s", "ms") if least >= UNITS_MS[u])
        passed = max(0, int(paths.clock_ms[0]) - int(began)) / UNITS_MS[unit]
        missing.append(f"duration: {passed:.1f} {unit} of {least / UNITS_MS[unit]:g} {unit}")
    return missing + _coverage_wanted(paths) + rated.words(state) + stops_words(state)


def _coverage_wanted(paths: Paths) -> list[str]:
    floor = paths.state.spec.missing.coverage_floor
    if _begins(paths.state):
        return []
    # Before the first label no pair of a rated correctness is eligible: what is waited for are labels, and those have their line.
    told = {name: p[0] for name, p in paths.coverage.items() if not _awaits_labels(paths.state, name)}
    found = [f"coverage of {name}: {p:.3f} < {floor}" for name, p in told.items() if p < floor]
    return found + [f"coverage of {name}: nothing is scored" for name, p in told.items() if floor <= p == 0]


def _awaits_labels(state: MigrationState, name: str) -> bool:
    return name == DIMENSION and not any(of_phase(state, name)) and bool(rated.words(state))


def _short(state: MigrationState) -> list[str]:
    return [] if _begins(state) else wanted.short(state)


def _begins(state: MigrationState) -> bool:
    """Tell whether a phase that waits for units has not had its first: then no dimension is worth a word of its own."""
    return state.n_phase == 0 and not any(sum(of_phase(state, name)) for name in state.on)


def _reentry(state: MigrationState) -> list[str]:
    if state.reentry == "lapsed":
        return ["the lease to return: it was not renewed in time, users are served by the incumbent"]
    if state.reentry == "back":
        step = phases.before(state.spec, state.phase)
        least = phases.min_duration_ms(state.spec, step)
        return [f"re-entry: {format_duration(least)} at the share of {step} after the lease ran out"]
    return []


def stops_words(state: MigrationState) -> list[str]:
    """Return in words, with both numbers, what else stops a step: strata, budgets, checks."""
    floor, found = state.spec.missing.coverage_floor, []
    for name, stratum, scored, eligible in strata.short(state.by_stratum, state.on, floor):
        found.append(f"coverage of {name} in {stratum}: {scored} of {eligible} < {floor}")
    for name, each in vigil.budgets(state).items():
        spent = state.spent.get(name, Spent())
        if each.exhausted(spent):
            used, allowed = spent.used / HUNDRED, each.allowed(spent.n) / HUNDRED
            found.append(f"error budget of {name}: {used:.2f} extra bad answers ≥ {allowed:.2f} allowed")
        if each.burning(spent):
            long, short = each.burn(spent, LONG) or 0.0, each.burn(spent, SHORT) or 0.0
            found.append(f"burn rate of {name}: {long:.1f} and {short:.1f} times the budget's pace ≥ {BURN}")
    held = [(name, checks.log_e(state.checks[name]), vigil.threshold(name)) for name in vigil.holding(state)]
    found += queries.words(state)
    return found + [f"check of {name}: log e {log_e:.2f} ≥ {limit:.2f}" for name, log_e, limit in held]


def _acceptance_wanted(paths: Paths) -> list[str]:
    state, missing = paths.state, []
    if paths.n_counted[0] < state.plan.min_pairs:
        missing.append(f"pairs: {paths.n_counted[0]} of at least {state.plan.min_pairs}")
    least = log_threshold(state.spec.errors.promote)
    for i, name in enumerate(state.on):
        if not paths.claimed[i, 0]:
            missing.append(f"{name}: log e {paths.by_dimension[i, 0]:.2f}, last to be accepted at {least:.2f}")
    return missing + unscored_words(state)


def unscored_words(state: MigrationState) -> list[str]:
    """Return in words which hypotheses of a dimension, such as a class of safety, hold it up: nothing of them is scored."""
    dims, found = {s.name: d.n_accept for s, d in zip(state.specs, state.dims, strict=True)}, []
    for spec in state.specs:
        if spec.name != spec.dimension and not dims[spec.name] and (n := dims[spec.dimension]):
            kind = "class" if spec.dimension == "safety" else "part"
            name = spec.name.removeprefix(f"{spec.dimension}.")
            found.append(f"{name} ({kind} of {spec.dimension}): 0 of {n:,} observations scored")
    return found


def _observations_wanted(paths: Paths) -> list[str]:
    n = phases.observations(paths.state.spec, paths.state.phase)
    return [f"observations: {paths.n_phase[0]} of {n}"] if paths.n_phase[0] < n else []
