"""Error budgets of the live phases: how many more bad answers than the incumbent's a phase may give, and how fast they go.

A bad answer is one on the paired difference: wrong where the incumbent was right, over the SLA where it was not, a violation
where there was none; a better answer gives one back. Counts are hundredths, since a semantic score is worse by hundredths.
The budget is a share of the observations planned for the phase; a phase that lasts longer has it for each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dualgate.gate import phases
from dualgate.gate.stats import DimensionSpec
from dualgate.gate.stats.lattice import MISSING, SCORE_DIFFERENCE, TERNARY, IntArray
from dualgate.gate.stats.multiplicity import BoolArray
from dualgate.schemas.migration import MigrationSpec

HUNDRED = 100
BINS, LONG, SHORT = 100, 20, 5
"""A phase's planned observations in a hundred bins; the long window is a fifth of them, the short one a twentieth."""
BURN = 4
"""Both windows at this many times the pace that would just use the budget: the step is held."""
_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Spent:
    """What a phase has used of one budget: hundredths of a bad answer, over n observations, and their count at past bin ends."""

    used: int = 0
    n: int = 0
    marks: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class SpentPath:
    """Running use of a budget over rows: hundredths, observations, and where it is exhausted or burns too fast."""

    used: IntArray
    n: IntArray
    exhausted: BoolArray
    burning: BoolArray


@dataclass(frozen=True, slots=True)
class Budget:
    """One dimension's budget in a phase: its share in millionths, and the observations planned."""

    share_ppm: int
    planned: int

    @property
    def width(self) -> int:
        """Observations of a bin."""
        return max(1, self.planned // BINS)

    def allowed(self, n: int) -> int:
        """Return how many hundredths of a bad answer are allowed after n observations of the phase."""
        return self.share_ppm * max(self.planned, n) // (_PPM // HUNDRED)

    def burn(self, spent: Spent, bins: int) -> float | None:
        """Return the pace over the last bins, 1 where it would just use the budget; None while there are fewer."""
        if len(spent.marks) <= bins:
            return None
        return (spent.marks[-1] - spent.marks[-1 - bins]) / (self.share_ppm * bins * self.width / (_PPM // HUNDRED))

    def exhausted(self, spent: Spent) -> bool:
        """Tell whether nothing is left; a phase without an observation has used nothing."""
        return bool(spent.n) and spent.used >= self.allowed(spent.n)

    def burning(self, spent: Spent) -> bool:
        """Tell whether both windows burn too fast."""
        paces = [self.burn(spent, bins) for bins in (LONG, SHORT)]
        return all(pace is not None and pace >= BURN for pace in paces)


def share(spec: MigrationSpec, name: str) -> float | None:
    """Return a dimension's budget as the file gives it."""
    return getattr(spec.error_budget, name)  # type: ignore[no-any-return]


def budgets(spec: MigrationSpec, specs: tuple[DimensionSpec, ...], phase: str, planned: Mapping[str, int]) -> dict[str, Budget]:
    """Return the budgets of a phase: those that the file gives, where a paired difference counts bad answers."""
    idle = uncounted(spec, specs)
    return {name: each for name, each in given(spec, phase, planned).items() if name not in idle}


def given(spec: MigrationSpec, phase: str, planned: Mapping[str, int]) -> dict[str, Budget]:
    """Return the budgets of a phase as the file gives them, whether anything can count towards them or not."""
    if not phases.is_live(phase):
        return {}
    n = planned.get(phase) or phases.observations(spec, phase)
    shares = {name: share(spec, name) for name in spec.dimensions.on}
    return {name: Budget(round(each * _PPM), n) for name, each in shares.items() if each is not None}


def uncounted(spec: MigrationSpec, specs: tuple[DimensionSpec, ...]) -> dict[str, float]:
    """Return the budgets of the file towards which nothing counts: a semantic level without re-runs has no paired difference."""
    shares = {s.name: share(spec, s.name) for s in specs if s.name == s.dimension and not countable(s)}
    return {name: each for name, each in shares.items() if each is not None}


def uncounted_words(spec: MigrationSpec, specs: tuple[DimensionSpec, ...]) -> list[str]:
    """Return what such budgets need, in words with their values."""
    return [
        f"error_budget.{name}={each:g} counts only where queries ask the incumbent twice; accepted where they do not: null"
        for name, each in uncounted(spec, specs).items()
    ]


def countable(spec: DimensionSpec) -> bool:
    """Tell whether a hypothesis has a paired difference in answers."""
    return spec.worse is not None and spec.worse.lattice in (TERNARY, SCORE_DIFFERENCE)


def along(budget: Budget, spent: Spent, spec: DimensionSpec, worse: IntArray, silent: BoolArray) -> SpentPath:
    """Return the use of a budget after each row, from paired differences (positions) and where a silence is a bad answer."""
    bad, seen = _bad(spec, worse, silent)
    used, n = spent.used + np.cumsum(bad), spent.n + np.cumsum(seen)
    allowed = budget.share_ppm * np.maximum(n, budget.planned) // (_PPM // HUNDRED)
    exhausted = np.asarray((n > 0) & (used >= allowed))
    return SpentPath(used, n, exhausted, _burning(budget, spent, used, n))


def after(budget: Budget, spent: Spent, path: SpentPath) -> Spent:
    """Return what is used after all rows of a path."""
    ends = _ends(budget, spent, path.used, path.n)
    return Spent(int(path.used[-1]), int(path.n[-1]), (*spent.marks, *ends.tolist())[-LONG - 1 :])


def _bad(spec: DimensionSpec, worse: IntArray, silent: BoolArray) -> tuple[IntArray, BoolArray]:
    assert spec.worse is not None
    quantum = round(spec.worse.lattice.quantum * HUNDRED)
    paired = worse != MISSING
    bad = np.where(paired, HUNDRED - quantum * worse, 0)
    return np.where(silent & ~paired, HUNDRED, bad), np.asarray(paired | silent)


def _ends(budget: Budget, spent: Spent, used: IntArray, n: IntArray) -> IntArray:
    """Return the use at each end of a bin within these rows."""
    first = spent.n // budget.width + 1
    wanted = np.arange(first, int(n[-1]) // budget.width + 1) * budget.width
    return np.asarray(used[np.searchsorted(n, wanted)])


def _burning(budget: Budget, spent: Spent, used: IntArray, n: IntArray) -> BoolArray:
    marks = np.append(np.array(spent.marks, dtype=np.int64), _ends(budget, spent, used, n))
    limit = BURN * budget.share_ppm * budget.width  # for one bin, in hundredths times _PPM // HUNDRED
    fast = np.zeros(len(marks), dtype=bool)
    if len(marks) > LONG:
        long, short = marks[LONG:] - marks[:-LONG], marks[LONG:] - marks[LONG - SHORT : -SHORT]
        scale = _PPM // HUNDRED
        fast[LONG:] = (long * scale >= limit * LONG) & (short * scale >= limit * SHORT)
    passed = n // budget.width - spent.n // budget.width
    return np.asarray(fast[len(spent.marks) - 1 + passed])


def time_left_ms(budget: Budget, spent: Spent, per_ms: float) -> int | None:
    """Return when the budget is gone at the pace of the long window (else of the phase); None where it is not being used up.

    per_ms: observations a millisecond of the evidence clock.
    """
    pace = budget.burn(spent, LONG)
    if pace is None:
        pace = spent.used * _PPM / (HUNDRED * budget.share_ppm * spent.n) if spent.n else 0.0
    left = budget.allowed(spent.n) - spent.used
    if left <= 0:
        return 0
    if pace <= 0 or per_ms <= 0:
        return None
    return int(left / HUNDRED / (pace * budget.share_ppm / _PPM) / per_ms)
