"""The CUSUM chart of Eq. 5 as an integer state: C <- max(0, C + badness - reference), alarm at C >= h.

The reference is a fraction and observations are positions on a lattice, so C is a whole number of units of 1/unit: equal on
every machine, and equal however a stream was cut into blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from dualgate.gate.stats.lattice import MISSING, IntArray, Lattice, exact

Reset = Literal["carry", "zero", "fir"]
RESETS: tuple[Reset, ...] = ("carry", "zero", "fir")
VERSION = 1


@dataclass(frozen=True, slots=True)
class CusumSpec:
    """A chart: which values are bad, the reference they are held against, and the threshold `limit` / `unit`.

    direction +1 where large values are bad, -1 where small ones are (badness is direction * value); reference is in units
    of badness, mu0 + k.
    """

    lattice: Lattice
    reference: Fraction
    direction: int
    limit: int

    def __post_init__(self) -> None:
        if self.direction not in (1, -1):
            raise ValueError(f"direction {self.direction!r}, accepted: 1, -1")
        if type(self.limit) is not int or not 1 <= self.limit <= 2**53:
            raise ValueError(f"limit {self.limit!r}, accepted: a whole number of units in [1, 2**53]")
        if not -1000 < self.reference < 1000:
            raise ValueError(f"reference {self.reference}, accepted: a fraction of modest size")

    @property
    def unit(self) -> int:
        """Units in 1: the least common denominator of the reference and the lattice."""
        return chart_unit(self.lattice, self.reference)

    @property
    def threshold(self) -> float:
        """The threshold h in units of the signal."""
        return self.limit / self.unit

    @property
    def line(self) -> tuple[int, int]:
        """(base, slope): the observation at position `code` moves the chart by base + slope * code units."""
        return _line(self)

    def to_json(self) -> dict[str, Any]:
        """Return the chart as JSON values; the reference as [numerator, denominator]."""
        return {
            "lattice": self.lattice.to_json(),
            "reference": [self.reference.numerator, self.reference.denominator],
            "direction": self.direction,
            "limit": self.limit,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CusumSpec:
        """Return the chart that to_json wrote."""
        numerator, denominator = data["reference"]
        return cls(Lattice.from_json(data["lattice"]), Fraction(numerator, denominator), data["direction"], data["limit"])


@lru_cache(maxsize=256)
def _line(spec: CusumSpec) -> tuple[int, int]:
    low, quantum, unit = Fraction(exact(spec.lattice.low)), Fraction(exact(spec.lattice.quantum)), spec.unit
    return int((spec.direction * low - spec.reference) * unit), int(spec.direction * quantum * unit)


def chart_unit(lattice: Lattice, reference: Fraction) -> int:
    """Return the least unit in which the reference and every lattice value are whole."""
    parts = (Fraction(exact(lattice.low)), Fraction(exact(lattice.quantum)), reference)
    return math.lcm(*(part.denominator for part in parts))


@dataclass(frozen=True, slots=True)
class CusumState:
    """The chart's level in units, observations seen since its start, and the one at which it first alarmed."""

    level: int = 0
    n: int = 0
    alarm_n: int | None = None

    def __post_init__(self) -> None:
        if self.level < 0 or self.n < 0:
            raise ValueError(f"level {self.level!r} and n {self.n!r} must not be negative")

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"version": VERSION, "level": self.level, "n": self.n, "alarm_n": self.alarm_n}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CusumState:
        """Return the state that to_json wrote. ValueError on another version."""
        if data.get("version") != VERSION:
            raise ValueError(f"chart state version {data.get('version')!r}, accepted: {VERSION}")
        return cls(data["level"], data["n"], data["alarm_n"])


def update_chart(spec: CusumSpec, state: CusumState, code: int) -> CusumState:
    """Return the chart after one observation; unchanged where it is MISSING."""
    check_code(spec.lattice, code)
    if code == MISSING:
        return state
    base, slope = spec.line
    level, n = max(0, state.level + base + slope * code), state.n + 1
    alarm_n = n if state.alarm_n is None and level >= spec.limit else state.alarm_n
    return CusumState(level, n, alarm_n)


def update_chart_many(spec: CusumSpec, state: CusumState, codes: IntArray) -> tuple[CusumState, IntArray]:
    """Return the chart after a block, and its level after each observation, shape (n,): alarmed where >= spec.limit."""
    codes = check_codes(spec.lattice, codes)
    if not codes.size:
        return state, np.zeros(0, dtype=np.int64)
    base, slope = spec.line
    seen = codes != MISSING
    sums = np.cumsum(np.where(seen, base + slope * codes, 0))
    # C_n = S_n - min(-C_0, min over j <= n of S_j): the reflected walk, without a loop.
    levels = sums + np.maximum(state.level, -np.minimum.accumulate(sums))
    over = seen & (levels >= spec.limit)
    alarm_n = state.alarm_n
    if alarm_n is None and over.any():
        alarm_n = state.n + int(np.count_nonzero(seen[: int(np.argmax(over)) + 1]))
    return CusumState(int(levels[-1]), state.n + int(np.count_nonzero(seen)), alarm_n), levels


def reset_chart(spec: CusumSpec, state: CusumState, reset: Reset) -> CusumState:
    """Return the chart at the beginning of a step: carried over, from 0, or from h/2 (fast initial response)."""
    if reset not in RESETS:
        raise ValueError(f"reset {reset!r}, accepted: {', '.join(RESETS)}")
    if reset == "carry":
        return state
    return CusumState(level=0 if reset == "zero" else spec.limit // 2)


def check_code(lattice: Lattice, code: int) -> None:
    """Raise ValueError where a position is neither on the lattice nor MISSING."""
    if not MISSING <= code < lattice.size:
        raise ValueError(f"code {code!r} is neither in 0..{lattice.size - 1} nor {MISSING} (missing)")


def check_codes(lattice: Lattice, codes: IntArray) -> IntArray:
    """Return a block of positions as int64. ValueError where one is neither on the lattice nor MISSING."""
    codes = np.asarray(codes)
    if codes.ndim != 1 or (codes.size and codes.dtype.kind not in "iu"):
        raise ValueError(f"a block must be a 1-d array of integers, got shape {codes.shape} of {codes.dtype}")
    outside = (codes < MISSING) | (codes >= lattice.size)
    if outside.any():
        raise ValueError(
            f"code {int(codes[int(np.argmax(outside))])} is neither in 0..{lattice.size - 1} nor {MISSING} (missing)"
        )
    return codes.astype(np.int64)
