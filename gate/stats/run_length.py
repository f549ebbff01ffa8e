"""Average run lengths of a CUSUM on an integer lattice, exactly, by its Markov chain.

A chart C <- max(0, C + s) that alarms at C >= limit, with independent integer steps s, is a Markov chain on 0..limit-1.
Its expected time to alarm solves (I - P) L = 1 (Brook and Evans, 1972); P is banded, because a step is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded

MAX_CELLS = 20_000
LONGEST = 1e12
"""The longest run length that is told: longer ones are reported as infinite."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StepLaw:
    """The law of one integer step of the chart: values (distinct, rising) and their probabilities."""

    steps: tuple[int, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.steps or len(self.steps) != len(self.probabilities):
            raise ValueError(f"steps and probabilities must pair up, got {len(self.steps)} and {len(self.probabilities)}")
        if any(not (math.isfinite(p) and 0.0 <= p <= 1.0) for p in self.probabilities):
            raise ValueError(f"probabilities must lie in [0, 1], got {self.probabilities}")
        if abs(math.fsum(self.probabilities) - 1.0) > 1e-9:
            raise ValueError(f"probabilities must sum to 1, got {math.fsum(self.probabilities)!r}")
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError(f"steps must be distinct and rising, got {self.steps}")

    @property
    def upward(self) -> float:
        """The probability of a step up."""
        return math.fsum(p for s, p in zip(self.steps, self.probabilities, strict=True) if s > 0)

    @property
    def mean(self) -> float:
        """The mean of a step."""
        return math.fsum(s * p for s, p in zip(self.steps, self.probabilities, strict=True))

    @property
    def standard_deviation(self) -> float:
        """The standard deviation of a step."""
        mean = self.mean
        return math.sqrt(math.fsum((s - mean) ** 2 * p for s, p in zip(self.steps, self.probabilities, strict=True)))


def step_law(values: Sequence[float], probabilities: Sequence[float], reference: Fraction, unit: int) -> StepLaw:
    """Return the law of x - reference in whole units of 1/unit; every value must lie on that lattice."""
    moved: dict[int, float] = {}
    for value, probability in zip(values, probabilities, strict=True):
        step = (Fraction(repr(float(value))) - reference) * unit
        if step.denominator != 1:
            raise ValueError(f"value {value} less reference {reference} is no multiple of 1/{unit}")
        moved[step.numerator] = moved.get(step.numerator, 0.0) + probability
    return StepLaw(tuple(sorted(moved)), tuple(moved[s] for s in sorted(moved)))


def run_lengths(law: StepLaw, limit: int) -> Floats:
    """Return the expected number of observations to C >= limit from each start 0..limit-1 (inf if never reached)."""
    if not 1 <= limit <= MAX_CELLS:
        raise ValueError(f"limit must lie in [1, {MAX_CELLS}] lattice units, got {limit}")
    if law.upward == 0.0:
        return np.full(limit, np.inf)
    below, above = min(max(-law.steps[0], 0), limit - 1), min(max(law.steps[-1], 0), limit - 1)
    bands = np.zeros((below + above + 1, limit))
    bands[above] = 1.0
    for step, probability in zip(law.steps, law.probabilities, strict=True):
        _subtract(bands, step, probability, above)
    try:
        return _told(solve_banded((below, above), bands, np.ones(limit), overwrite_ab=True, check_finite=False))
    except np.linalg.LinAlgError:
        return np.full(limit, np.inf)


def _told(lengths: Floats) -> Floats:
    """Return run lengths with inf for those that doubles cannot tell: I - P is then singular to the last place."""
    return np.where((lengths > 0.0) & (lengths <= LONGEST), lengths, np.inf)


def run_length_from_zero(law: StepLaw, limit: int) -> float:
    """Return the expected number of observations to C >= limit from 0: run_lengths(law, limit)[0], some ten times faster.

    Steps that agree modulo g (a/b and its denominator for a rational reference) take the chain through the residues modulo g
    in one fixed cycle. Eliminating residue after residue leaves one equation for the states of residue 0, limit / g of them.
    """
    if not 1 <= limit <= MAX_CELLS:
        raise ValueError(f"limit must lie in [1, {MAX_CELLS}] lattice units, got {limit}")
    g = math.gcd(*(step - law.steps[0] for step in law.steps))
    if g <= 1 or law.upward == 0.0:
        return float(run_lengths(law, limit)[0])
    cycle = [0]
    while (residue := (cycle[-1] + law.steps[0]) % g) != 0:
        cycle.append(residue)
    size = -(-limit // g)
    # Row l: L of the state residue + g l as (constant, coefficients of L on residue 0).
    rows = np.hstack((np.zeros((size, 1)), np.eye(size)))
    for here, there in zip(reversed(cycle), [0, *reversed(cycle[1:])], strict=True):
        rows = _one_step(law, rows, here, there, g, limit)
    try:
        return float(_told(np.asarray(np.linalg.solve(np.eye(size) - rows[:, 1:], rows[:, 0]), dtype=np.float64))[0])
    except np.linalg.LinAlgError:
        return math.inf


def _one_step(law: StepLaw, rows: Floats, here: int, there: int, g: int, limit: int) -> Floats:
    """Return L on the states of residue `here` from L on those of residue `there`, where every step leads or hits the floor."""
    count = max(0, -(-(limit - here) // g))
    found = np.zeros((count, rows.shape[1]))
    found[:, 0] = 1.0
    for step, probability in zip(law.steps, law.probabilities, strict=True):
        move = (here + step - there) // g
        first, last = min(max(0, -move), count), min(count, len(rows) - move)
        found[:first, 1] += probability
        if first < last:
            found[first:last] += probability * rows[first + move : last + move]
    return found


def _subtract(bands: Floats, step: int, probability: float, above: int) -> None:
    """Subtract the entries of one step from I - P in LAPACK's band storage (bands[above + i - j, j])."""
    limit = bands.shape[1]
    if step >= 0:
        if step < limit:
            bands[above - step, step:] -= probability
        return
    down = min(-step, limit)
    if down < limit:
        bands[above + down, : limit - down] -= probability
    # Rows 0..down-1 fall on the floor, in column 0; row `down` lands there by itself.
    bands[above : above + down, 0] -= probability


def alarm_probability(law: StepLaw, limit: int, n_observations: int, start: int = 0) -> float:
    """Return P(C >= limit within n_observations) from C = start, by moving the chain's distribution step by step."""
    if not 1 <= limit <= MAX_CELLS or not 0 <= start < limit:
        raise ValueError(f"need 1 <= limit <= {MAX_CELLS} and 0 <= start < limit, got limit {limit}, start {start}")
    if n_observations < 0:
        raise ValueError(f"n_observations must not be negative, got {n_observations}")
    mass = np.zeros(limit)
    mass[start] = 1.0
    for _ in range(n_observations):
        mass = _advance(mass, law)
    return float(min(max(1.0 - mass.sum(), 0.0), 1.0))


def _advance(mass: Floats, law: StepLaw) -> Floats:
    """Return the distribution of the chain that has not alarmed after one more step."""
    moved = np.zeros_like(mass)
    for step, probability in zip(law.steps, law.probabilities, strict=True):
        if step >= 0:
            if step < mass.size:
                moved[step:] += probability * mass[: mass.size - step]
            continue
        down = min(-step, mass.size)
        moved[0] += probability * mass[:down].sum()
        moved[: mass.size - down] += probability * mass[down:]
    return moved
