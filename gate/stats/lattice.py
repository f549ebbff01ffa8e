"""The finite set of values that an observation may take.

Scores are quantised before they reach the gate, so an observation is a small integer: its position on a lattice. Integers
are what makes evidence equal on every machine and its state small (a table of increments, a histogram).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MISSING = -1
"""The code of 'no observation': not eligible, not scored or not sampled. It multiplies the evidence by one."""

_MAX_SIZE = 100_001


def exact(value: float) -> Decimal:
    """Return the decimal number that a float is written as: 0.02 is exactly 2/100."""
    return Decimal(repr(float(value)))


def complement(value: float) -> float:
    """Return 1 - value as it is written in decimal: complement(0.9) is 0.1."""
    return float(1 - exact(value))


@dataclass(frozen=True)
class Lattice:
    """The values low, low + quantum, ... high; position i stands for low + i * quantum.

    Raises ValueError where high - low is not a whole number of quanta.
    """

    low: float
    high: float
    quantum: float

    def __post_init__(self) -> None:
        for name in ("low", "high", "quantum"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"lattice: {name} = {getattr(self, name)!r}, accepted: a finite number")
        if self.quantum <= 0 or self.high <= self.low:
            raise ValueError(
                f"lattice: low {self.low!r}, high {self.high!r}, quantum {self.quantum!r}; accepted: low < high, quantum > 0"
            )
        steps = (exact(self.high) - exact(self.low)) / exact(self.quantum)
        if steps != int(steps) or steps >= _MAX_SIZE:
            raise ValueError(
                f"lattice: {self.low!r} to {self.high!r} is {steps} quanta of {self.quantum!r}; "
                f"accepted: a whole number below {_MAX_SIZE}"
            )

    @cached_property
    def size(self) -> int:
        """The number of values."""
        return int((exact(self.high) - exact(self.low)) / exact(self.quantum)) + 1

    @cached_property
    def values(self) -> FloatArray:
        """All values, ascending."""
        return np.array([float(self.value(code)) for code in range(self.size)])

    def value(self, code: int) -> Decimal:
        """Return the value at a position, exactly. Raises ValueError outside the lattice."""
        if not 0 <= code < self.size:
            raise ValueError(f"code {code!r} is outside 0..{self.size - 1}")
        return exact(self.low) + code * exact(self.quantum)

    def encode(self, value: float | None) -> int:
        """Return the position of a value, MISSING for None. Raises ValueError for any other value, NaN included."""
        if value is None:
            return MISSING
        if not self.low <= value <= self.high:
            raise ValueError(f"observation {value!r} is outside [{self.low}, {self.high}]")
        return int(self.encode_many(np.array([value]))[0])

    def encode_many(self, values: npt.ArrayLike) -> IntArray:
        """Return positions of values (1-d), MISSING where a value is NaN.

        Raises ValueError naming the first value outside the bounds or off the lattice (by more than 1e-6 of a quantum).
        """
        x = np.asarray(values, dtype=np.float64)
        missing = np.isnan(x)
        inside = missing | ((x >= self.low) & (x <= self.high))
        position = (np.where(inside & ~missing, x, self.low) - self.low) / self.quantum
        codes = np.rint(position)
        bad = ~inside | (np.abs(position - codes) > 1e-6)
        if bad.any():
            value = float(x[np.flatnonzero(bad)[0]])
            raise ValueError(f"observation {value!r} is not one of {self.low}, {self.low} + {self.quantum}, ... {self.high}")
        return np.where(missing, MISSING, codes).astype(np.int64)

    def to_json(self) -> list[float]:
        """Return [low, high, quantum]."""
        return [self.low, self.high, self.quantum]

    @classmethod
    def from_json(cls, data: Any) -> Lattice:
        """Return the lattice that to_json wrote."""
        low, high, quantum = data
        return lattice(low, high, quantum)


@lru_cache(maxsize=64)
def lattice(low: float, high: float, quantum: float) -> Lattice:
    """Return the (shared) lattice of these bounds."""
    return Lattice(low, high, quantum)


BINARY = lattice(0.0, 1.0, 1.0)
"""0 bad, 1 good."""

TERNARY = lattice(-1.0, 1.0, 1.0)
"""A paired difference of two binary outcomes, challenger minus incumbent."""

SCORE = lattice(0.0, 1.0, 0.01)
"""A score in hundredths."""

SCORE_DIFFERENCE = lattice(-1.0, 1.0, 0.01)
"""A paired difference of two scores in hundredths."""

SWAP = lattice(-0.24, 0.24, 0.001)
"""The swap-symmetrised KDE statistic in thousandths."""

LOG_MS = lattice(-7.0, 18.0, 0.01)
"""The logarithm of a latency in milliseconds, from a microsecond to 18 hours in steps of 1 %."""

MEAN = lattice(0.0, 1.0, 0.001)
"""A session's mean of binary outcomes or scores."""

MEAN_DIFFERENCE = lattice(-1.0, 1.0, 0.001)
"""A difference of two session means."""
