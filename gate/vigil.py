"""What stops a step beside the evidence: unanswered strata, error budgets, checks. All of them hold, none rolls back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dualgate.gate import budget, checks, phases, queries, strata
from dualgate.gate.budget import Budget, Spent, SpentPath
from dualgate.gate.observations import SILENT, Rows, observed
from dualgate.gate.state import MigrationState
from dualgate.gate.stats.lattice import IntArray
from dualgate.gate.stats.multiplicity import BoolArray


@dataclass(frozen=True, slots=True)
class Stops:
    """After each row: is every stratum covered, is a budget exhausted or burning, do the checks pass."""

    covered: BoolArray
    exhausted: Mapping[str, BoolArray]
    burning: Mapping[str, BoolArray]
    checked: BoolArray

    @property
    def clear(self) -> BoolArray:
        """Return where none of them stops a step."""
        stopped = [~self.covered, ~self.checked, *self.exhausted.values(), *self.burning.values()]
        return np.asarray(~np.logical_or.reduce(stopped))


def budgets(state: MigrationState) -> dict[str, Budget]:
    """Return the error budgets of the state's phase."""
    return budget.budgets(state.spec, state.specs, state.phase, state.planned)


def along(state: MigrationState, rows: Rows) -> Stops:
    """Return what stops a step after each of the rows of a segment."""
    floor = state.spec.missing.coverage_floor
    paths = _spent(state, rows)
    _, unequal = _strata(state, rows)
    held = unequal | _late(state, rows)[1] | checks.misassigned(state.checks) | queries.holds(state)
    return Stops(
        strata.covered(state.by_stratum, state.strata, rows, floor),
        {name: path.exhausted for name, (_, path) in paths.items()},
        {name: path.burning for name, (_, path) in paths.items()},
        np.asarray(~held),
    )


def now(state: MigrationState) -> Stops:
    """Return what stops a step at this moment, as paths of length one."""
    found = {name: (each, state.spent.get(name, Spent())) for name, each in budgets(state).items()}
    return Stops(
        np.array([not strata.short(state.by_stratum, state.on, state.spec.missing.coverage_floor)]),
        {name: np.array([each.exhausted(spent)]) for name, (each, spent) in found.items()},
        {name: np.array([each.burning(spent)]) for name, (each, spent) in found.items()},
        np.array([not holding(state) and not queries.absent(state)]),
    )


def advanced(state: MigrationState, rows: Rows) -> MigrationState:
    """Return the state with these rows in its strata, budgets and checks."""
    found, _ = _strata(state, rows)
    moved = {f"{checks.STRATA}.{name}": _last(sums) for name, sums in found.items()}
    if (rows.late >= 0).any() and phases.is_live(state.phase):
        moved[checks.LATENCY] = _last(_late(state, rows)[0])
    spent = {name: budget.after(each, state.spent.get(name, Spent()), path) for name, (each, path) in _spent(state, rows).items()}
    return replace(
        state,
        by_stratum=strata.advanced(state.by_stratum, state.strata, rows),
        checks=dict(sorted({**state.checks, **moved}.items())),
        waiting=_waiting(state, rows),
        spent=spent,
    )


def holding(state: MigrationState) -> list[str]:
    """Return the checks that hold the phase now."""
    return [name for name, sums in state.checks.items() if checks.log_e(sums) >= threshold(name)]


def threshold(name: str) -> float:
    """Return the log e-value at which a check holds, by its name."""
    parts = {checks.STRATA: strata.MOST + 1, checks.LATENCY: 1, checks.QUERIES: 1, checks.ASSIGNMENT: 2}
    return checks.threshold(parts[name.partition(".")[0]])


def _last(sums: IntArray) -> tuple[int, ...]:
    return tuple(sums[:, -1].tolist())


def _spent(state: MigrationState, rows: Rows) -> dict[str, tuple[Budget, SpentPath]]:
    made = {}
    for name, each in budgets(state).items():
        spec, block = next((s, b) for s, b in zip(state.specs, rows.blocks, strict=True) if s.name == name)
        worst = getattr(state.spec.dimensions, name).missing == "worst"
        silent = np.asarray((rows.fate[name] == SILENT) & worst)
        made[name] = (each, budget.along(each, state.spent.get(name, Spent()), spec, block.worse, silent))
    return made


def _strata(state: MigrationState, rows: Rows) -> tuple[dict[str, IntArray], BoolArray]:
    return checks.unequal(state.checks, state.waiting, rows.stratum, ~observed(rows), state.strata, strata.MOST + 1)


def _waiting(state: MigrationState, rows: Rows) -> tuple[int, int] | None:
    """Return the last row where it has no partner yet."""
    if (len(rows) + (state.waiting is not None)) % 2 == 0:
        return None
    return int(rows.stratum[-1]), int(not observed(rows)[-1])


def _late(state: MigrationState, rows: Rows) -> tuple[IntArray, BoolArray]:
    part = state.spec.dimensions.latency
    if part is None or not phases.is_live(state.phase) or not (rows.late >= 0).any():
        held = checks.log_e(state.checks.get(checks.LATENCY, ())) >= checks.threshold()
        return np.zeros((0, len(rows)), dtype=np.int64), np.full(len(rows), held)
    return checks.slow(state.checks.get(checks.LATENCY, ()), part.null, rows.late)
