"""The rules of each phase, evaluated after every unit: where on its paths does one fire, and what is waited for.

Of rules that fire at one unit the first counts: worse, then accepted, then futile, then the horizon. Nothing but a positive
verdict with every condition held leads to a larger share; a pause, a hold or a missing approval only ever stops that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dualgate.gate import checks, monitors, phases, queries, rated, strata, transitions, vigil, wanted, withdrawal
from dualgate.gate.budget import BURN, HUNDRED, LONG, SHORT, Spent
from dualgate.gate.observations import MISSING, NOT_ELIGIBLE, SCORED, SILENT, Rows, observed
from dualgate.gate.state import PHASE, MigrationState
from dualgate.gate.stats import (
    Trace,
    accept_threshold,
    alarm_path,
    futility_threshold,
    gate_path,
    log_e_accept,
    log_e_futility,
    log_e_worse,
    log_threshold,
    wald_futility,
)
from dualgate.gate.stats.lattice import FloatArray, IntArray
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.vigil import Stops
from dualgate.schemas.duration import UNITS_MS, format_duration

LATELY_MS = 30_000
"""A source partition that had data within this time of the ledger clock takes part in the evidence clock."""


@dataclass(frozen=True)
class Paths:
    """What the rules look at, one entry a unit: log e-values of each hypothesis, counts, the clock, coverage.

    n_phase counts the units of a phase before the canary, and only observations in a live one: there silence is no progress.
    n_seen counts observations, from the state on, observed those of each dimension in the phase. coverage is that of the phase.
    watch: where each monitor is in alarm. stops: what else holds a step.
    """

    state: MigrationState
    accept: list[FloatArray]
    futility: list[FloatArray]
    worse: list[FloatArray]
    n_counted: IntArray
    n_phase: IntArray
    n_seen: IntArray
    observed: Mapping[str, IntArray]
    clock_ms: IntArray
    coverage: Mapping[str, FloatArray]
    watch: Mapping[str, BoolArray]
    stops: Stops

    @cached_property
    def by_dimension(self) -> FloatArray:
        """Evidence for acceptance, shape (dimensions that are on, n): the least over a dimension's hypotheses."""
        rows = list(zip(self.state.specs, self.accept, strict=True))
        return np.array([np.min([path for s, path in rows if s.dimension == name], axis=0) for name in self.state.on])

    @cached_property
    def claimed(self) -> BoolArray:
        """Which dimensions the gate's method claims by their current evidence, shape (dimensions, n)."""
        errors = self.state.spec.errors
        values, k = self.by_dimension, len(self.state.on)
        steps = {"holm": list(range(k, 0, -1)), "bonferroni": [k] * k, "iut": [1] * k}[errors.gate]
        levels = np.array([accept_threshold(errors.promote, errors.miss, step, errors.boundary) for step in steps])
        if errors.gate != "holm":
            return np.asarray(values >= levels[:, None])
        order = np.argsort(-values, axis=0, kind="stable")
        passed = np.logical_and.accumulate(np.take_along_axis(values, order, axis=0) >= levels[:, None], axis=0)
        out = np.zeros_like(passed)
        np.put_along_axis(out, order, passed, axis=0)
        return out

    @cached_property
    def alarms(self) -> BoolArray:
        """Where a dimension is shown worse than the incumbent, at a quarter of the rollback budget together."""
        errors = self.state.spec.errors
        tested = [path for s, path in zip(self.state.specs, self.worse, strict=True) if s.worse]
        return alarm_path(tested, errors.rollback / 4, errors.alarms) if tested else np.zeros(len(self.clock_ms), dtype=bool)

    @cached_property
    def futile(self) -> BoolArray:
        """Which hypotheses are shown below their design, shape (hypotheses, n)."""
        errors = self.state.spec.errors
        if errors.boundary == "wald":
            return np.asarray(np.array(self.accept) <= wald_futility(errors.promote, errors.miss))
        return np.asarray(np.array(self.futility) >= futility_threshold(errors.miss, len(self.state.specs)))

    @cached_property
    def accepted(self) -> BoolArray:
        """Where every dimension that is on is accepted by its current evidence, with the least number of units."""
        errors = self.state.spec.errors
        passed = gate_path(self.by_dimension, errors.promote, errors.gate, errors.miss, errors.boundary)
        return np.asarray(passed & (self.n_counted >= self.state.plan.min_pairs))

    @cached_property
    def long_enough(self) -> BoolArray:
        """Where the phase has lasted its least duration on the evidence clock."""
        began = self.state.phase_began_ms
        least = phases.min_duration_ms(self.state.spec, self.state.phase)
        return lasted(self.clock_ms, began, least)

    @cached_property
    def sufficient(self) -> BoolArray:
        """Where the phase has as many observations of each dimension as it asks for."""
        enough = [self.observed[name] >= n for name, n in wanted.observations(self.state).items()]
        return np.asarray(np.all(enough, axis=0)) if enough else np.ones(len(self.clock_ms), dtype=bool)

    @cached_property
    def covered(self) -> BoolArray:
        """Where every dimension's coverage (scored / eligible) is at its floor or above, and not 0 whatever the floor."""
        floor = self.state.spec.missing.coverage_floor
        return np.asarray(np.all([(path >= floor) & (path > 0) for path in self.coverage.values()], axis=0))


def lasted(clock_ms: IntArray, began_ms: int | None, least_ms: int) -> BoolArray:
    """Return where something has lasted its least duration; nothing that was asked before it began is of it."""
    began = clock_ms[0] if began_ms is None else began_ms
    return np.asarray(np.maximum(clock_ms - began, 0) >= least_ms)


def along(state: MigrationState, rows: Rows, traces: list[Trace], watch: Mapping[str, BoolArray]) -> Paths:
    """Return the paths over the units of a segment; watch: where each monitor is in alarm."""
    n = np.arange(1, len(rows) + 1)
    calibrating = state.phase == phases.CALIBRATING
    seen, taken = np.cumsum(observed(rows).astype(np.int64)), rows.taken
    return Paths(
        state,
        [t.log_e_accept for t in traces],
        [t.log_e_futility for t in traces],
        [t.log_e_worse for t in traces],
        np.full(len(rows), state.n_counted) if calibrating else state.n_counted + (n if taken is None else np.cumsum(taken)),
        _progress(state, seen if taken is None else np.cumsum(taken & observed(rows)), n),
        seen,
        wanted.along(state, rows),
        rows.clock_ms,
        {name: _coverage_path(state, name, rows) for name in state.on},
        watch,
        vigil.along(state, rows),
    )


def _progress(state: MigrationState, seen: IntArray, n: IntArray) -> IntArray:
    """Return the units of the phase so far; what a live phase saw at the share of the step before is no progress in it."""
    if not phases.is_live(state.phase):
        return np.asarray(state.n_phase + n)
    return np.asarray(state.n_phase + (0 if state.reentry else 1) * seen)


def now(state: MigrationState) -> Paths:
    """Return the paths of length one that a state stands for, between units."""
    pairs = list(zip(state.specs, state.dims, strict=True))
    clock = 0 if state.evidence_clock_ms is None else state.evidence_clock_ms
    return Paths(
        state,
        [np.array([log_e_accept(s, d)]) for s, d in pairs],
        [np.array([log_e_futility(s, d)]) for s, d in pairs],
        [np.array([log_e_worse(s, d)]) for s, d in pairs],
        np.array([state.n_counted]),
        np.array([state.n_phase]),
        np.array([0]),
        {name: np.array([wanted.seen(state, name)]) for name in (*state.on, *wanted.observations(state))},
        np.array([clock]),
        {name: np.array([coverage(state, name)]) for name in state.on},
        monitors.now(state.monitors),
        vigil.now(state),
    )


def coverage(state: MigrationState, name: str) -> float:
    """Return scored / eligible of a dimension in this phase; 0 where nothing was eligible: no evidence is never a pass."""
    scored, lost = _of_phase(state, name)
    return scored / (scored + lost) if scored + lost else 0.0


def _of_phase(state: MigrationState, name: str) -> tuple[int, int]:
    """Return how many eligible units of the phase were scored, and how many were not, for whatever reason."""
    return state.counters.get(f"{PHASE}scored.{name}", 0), state.counters.get(f"{PHASE}lost.{name}", 0)


def tally(state: MigrationState, rows: Rows) -> dict[str, int]:
    """Return what units add to the counters of each dimension."""
    more = {wanted.SEEN + name: int(path[-1]) - wanted.seen(state, name) for name, path in wanted.along(state, rows).items()}
    for name, fate in rows.fate.items():
        lost, skipped = _lost(state, name, fate), fate == NOT_ELIGIBLE
        more[f"missing.{name}"] = int(lost.sum())
        more[f"not_eligible.{name}"] = int(skipped.sum())
        more[f"silent.{name}"] = int((fate == SILENT).sum())
        more[f"scored.{name}"] = int((~lost & ~skipped).sum())
        more[f"{PHASE}scored.{name}"] = int((fate == SCORED).sum())
        more[f"{PHASE}lost.{name}"] = int(((fate == MISSING) | (fate == SILENT)).sum())
    return more


def _lost(state: MigrationState, name: str, fate: IntArray) -> BoolArray:
    """Return where there is no observation though there should be; a silent challenger is one unless the file says hold."""
    hold = getattr(state.spec.dimensions, name).missing == "hold"
    return np.asarray((fate == MISSING) | ((fate == SILENT) & hold))


def coverage_with(state: MigrationState, name: str, scored: IntArray) -> FloatArray:
    """Return the coverage of a dimension in this phase with so many more scored."""
    before, lost = _of_phase(state, name)
    return np.asarray((before + scored) / np.maximum(before + scored + lost, 1))


def _coverage_path(state: MigrationState, name: str, rows: Rows) -> FloatArray:
    fate, (before, lost) = rows.fate[name], _of_phase(state, name)
    scored = before + np.cumsum(fate == SCORED)
    eligible = scored + lost + np.cumsum((fate == MISSING) | (fate == SILENT))
    return np.asarray(np.where(eligible > 0, scored / np.maximum(eligible, 1), 0.0))


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by name, where it leads, and whether it holds after each unit."""

    name: str
    to_phase: str
    holds: BoolArray


def rules(paths: Paths, *, approved: bool = False) -> list[Rule]:
    """Return the rules of the state's phase that can fire, in the priority of the table."""
    phase, found = paths.state.phase, []
    for each in transitions.of(phase):
        holds = _holds(each.rule, paths, approved)
        if holds is not None:
            found.append(Rule(each.rule, _target(paths.state, each.target), holds))
    return found


def _target(state: MigrationState, target: str) -> str:
    """Return the phase that a target of the table stands for."""
    if target == transitions.NEXT:
        return phases.following(state.spec, state.phase)
    if target == transitions.BEFORE:
        return phases.before(state.spec, state.phase)
    return state.phase if target == transitions.SAME else target


def _holds(rule: str, paths: Paths, approved: bool) -> BoolArray | None:
    """Return where a rule holds; None where it cannot fire in this state."""
    state = paths.state
    away = state.retreated or bool(state.reentry)
    match rule:
        case "worse":
            return paths.alarms
        case "calibrated":
            return np.asarray((paths.n_phase >= state.plan.calibrating) & paths.sufficient)
        case "futile":
            return np.asarray(paths.futile.any(axis=0))
        case "horizon":
            return np.asarray((paths.n_counted >= state.plan.max_pairs) & ~paths.accepted)
        case "alarm" if paths.watch:
            return np.asarray(np.logical_or.reduce(list(paths.watch.values())))
        case "spent" if paths.watch and state.spec.error_budget.on_exhausted == "rollback_with_alarm" and paths.stops.exhausted:
            alarm = np.logical_or.reduce(list(paths.watch.values()))
            return np.asarray(alarm & np.logical_or.reduce(list(paths.stops.exhausted.values())))
        case "returned" if state.retreated:
            return _returned(paths)
        case "reentered" if state.reentry == "back" and not state.retreated:
            return _reentered(paths)
        case "accepted" | "watched" if not away:
            return advance(paths, approved)
    return None


def _returned(paths: Paths) -> BoolArray:
    """Return where evidence is back after a retreat: a larger share, so a pause or a hold stops it."""
    stopped = paths.state.paused or bool(paths.state.held)
    return np.asarray((paths.n_seen > 0) & (not stopped))


def _reentered(paths: Paths) -> BoolArray:
    """Return where the step before has been walked again for its least duration, under every condition of a larger share."""
    state = paths.state
    if state.paused or state.held:
        return np.zeros(len(paths.clock_ms), dtype=bool)
    least = phases.min_duration_ms(state.spec, phases.before(state.spec, state.phase))
    return np.asarray(lasted(paths.clock_ms, state.reentry_ms, least) & _steady(paths) & (paths.n_seen > 0))


def _steady(paths: Paths) -> BoolArray:
    """Return where nothing but evidence is wanted: it is covered, something is heard, no budget, check or late label stops it."""
    heard = (paths.n_seen > 0) | (not _unheard(paths.state))
    return np.asarray(paths.covered & heard & paths.stops.clear & (not rated.late(paths.state)))


def _unheard(state: MigrationState) -> bool:
    """Tell whether no observation came for missing.hold_after; a gate that was down has had no tick that says so."""
    return state.silent or state.ledger_clock_ms - state.last_evidence_ms >= state.spec.missing.hold_after_ms


def advance(paths: Paths, approved: bool) -> BoolArray:
    """Return where every condition of the next phase holds; after a silence nothing goes on before the first observation."""
    state = paths.state
    unapproved = not approved and phases.needs_approval(state.spec, phases.following(state.spec, state.phase))
    if state.paused or state.held or unapproved:
        return np.zeros(len(paths.clock_ms), dtype=bool)
    if state.phase == phases.SHADOW:
        enough = paths.accepted
    else:
        enough = np.asarray((paths.n_phase >= phases.observations(state.spec, state.phase)) & paths.sufficient)
    return np.asarray(enough & paths.long_enough & _steady(paths))


def first(found: list[Rule]) -> tuple[int, Rule] | None:
    """Return the earliest unit (0-based) at which a rule holds, and the rule; of several at one unit the first in order."""
    hits = [(int(np.argmax(rule.holds)), i) for i, rule in enumerate(found) if rule.holds.any()]
    if not hits:
        return None
    at, which = min(hits)
    return at, found[which]


def waiting_for(state: MigrationState) -> str:
    """Return in words, with both numbers, what the next phase waits for."""
    rolling = [f"routers to let go of the challenger (rolling back): {withdrawal.words(state)}"] if state.withdrawal else []
    if not state.active:
        return "; ".join(rolling) or "nothing: " + state.phase
    reasons = rolling + ([f"data: {state.held}"] if state.held else [])
    reasons += ["resume: the migration is paused"] if state.paused else []
    reasons += ["evidence to return: nothing came for longer than missing.retreat_after"] if state.retreated else []
    reasons += ["evidence: none came for longer than missing.hold_after"] if _unheard(state) and not state.retreated else []
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
    found = [f"coverage of {name}: {p[0]:.3f} < {floor}" for name, p in paths.coverage.items() if p[0] < floor]
    return found + [f"coverage of {name}: nothing is scored" for name, p in paths.coverage.items() if floor <= p[0] == 0]


def _short(state: MigrationState) -> list[str]:
    return [] if _begins(state) else wanted.short(state)


def _begins(state: MigrationState) -> bool:
    """Tell whether a phase that waits for units has not had its first: then no dimension is worth a word of its own."""
    return state.n_phase == 0 and not any(sum(_of_phase(state, name)) for name in state.on)


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
    return missing


def _observations_wanted(paths: Paths) -> list[str]:
    n = phases.observations(paths.state.spec, paths.state.phase)
    return [f"observations: {paths.n_phase[0]} of {n}"] if paths.n_phase[0] < n else []
