"""What the rules look at: evidence, counts, clock and coverage of a phase, after each unit of a segment or at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dualgate.gate import monitors, phases, vigil, wanted
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
    wald_futility,
)
from dualgate.gate.stats.lattice import FloatArray, IntArray
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.gate.vigil import Stops


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
    scored, lost = of_phase(state, name)
    return scored / (scored + lost) if scored + lost else 0.0


def of_phase(state: MigrationState, name: str) -> tuple[int, int]:
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
    before, lost = of_phase(state, name)
    return np.asarray((before + scored) / np.maximum(before + scored + lost, 1))


def _coverage_path(state: MigrationState, name: str, rows: Rows) -> FloatArray:
    fate, (before, lost) = rows.fate[name], of_phase(state, name)
    scored = before + np.cumsum(fate == SCORED)
    eligible = scored + lost + np.cumsum((fate == MISSING) | (fate == SILENT))
    return np.asarray(np.where(eligible > 0, scored / np.maximum(eligible, 1), 0.0))
