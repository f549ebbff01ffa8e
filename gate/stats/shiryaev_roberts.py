"""The mixture e-Shiryaev-Roberts monitor: a restarted betting process with a probability guarantee over a phase.

For each fixed bet M <- (M + 1)(1 + bet * z), z = direction * (x - null) / sampling probability; the alarm falls when the mean
of the M reaches A. Under every law with E[z | past] <= 0, M_n - n is a supermartingale, so P(alarm within N) <= N / A by
optional stopping and Markov's inequality (e-detectors: Shin, Ramdas and Rinaldo, 2024): A = N / p is a guarantee of p.

All of it is integer arithmetic: M in units of 2**-24 and each factor in units of 2**-32, both rounded down, so the process
stays below the exact one (the guarantee holds) and is equal on every machine and at every cut into blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualgate.gate.stats.chart import check_code, check_codes
from dualgate.gate.stats.fixed_point import MICRO, probability_thousandths
from dualgate.gate.stats.lattice import MISSING, IntArray, Lattice, exact
from dualgate.gate.stats.process import bet_limit

Floats = NDArray[np.float64]
VERSION = 1
_BITS = 24
_ONE = 1 << _BITS
_FACTOR_BITS = 32
_ROOM = 1 << 62  # the sum of all M fits an Avro long
_CONTEXT = Context(prec=60)
_BOUND_PIECE = 512  # keeps running products of factors inside a float for any signal that is not all alarms
_CHUNK = 1 << 15  # bounds the memory of a block, whose paths are lists of Python integers


def greatest_level(n_bets: int) -> int:
    """Return the highest alarm level that a saturated monitor of so many bets still reaches."""
    return (_cap(n_bets) >> _BITS) - 1


def _cap(n_bets: int) -> int:
    return _ROOM // n_bets


@dataclass(frozen=True, slots=True)
class EsrSpec:
    """A monitor of H0: direction * (mean - null) <= 0, with fixed bets and the alarm level A (a whole number).

    direction +1 where large values are bad, -1 where small ones are. min_probability is the least sampling probability
    that an observation may have.
    """

    lattice: Lattice
    null: float
    direction: int
    bets: tuple[float, ...]
    alarm_level: int
    min_probability: float = 1.0

    def __post_init__(self) -> None:
        if self.direction not in (1, -1):
            raise ValueError(f"direction {self.direction!r}, accepted: 1, -1")
        if not (math.isfinite(self.null) and self.lattice.low <= self.null <= self.lattice.high):
            raise ValueError(f"null {self.null!r}, accepted: in [{self.lattice.low}, {self.lattice.high}]")
        probability_thousandths(self.min_probability)
        limit = bet_limit(self.lattice, self.null, self.direction, self.min_probability)
        if not 1 <= len(self.bets) <= 16:
            raise ValueError(f"{len(self.bets)} bets, accepted: 1 to 16")
        for bet in self.bets:
            if not (math.isfinite(bet) and 0.0 < bet < limit):
                raise ValueError(
                    f"bet {bet!r}, accepted: in (0, {limit:.6g}), the least sampling probability over the largest loss"
                )
        if type(self.alarm_level) is not int or not 1 <= self.alarm_level <= self.greatest_level:
            raise ValueError(f"alarm_level {self.alarm_level!r}, accepted: a whole number in [1, {self.greatest_level}]")

    @property
    def cap(self) -> int:
        """The value at which each M saturates, in units of 2**-24."""
        return _cap(len(self.bets))

    @property
    def greatest_level(self) -> int:
        """The highest alarm level that a saturated monitor still reaches."""
        return greatest_level(len(self.bets))

    @property
    def alarm_total(self) -> int:
        """The sum of all M, in units of 2**-24, at which their mean is alarm_level."""
        return self.alarm_level * len(self.bets) << _BITS

    def to_json(self) -> dict[str, Any]:
        """Return the monitor as JSON values."""
        return {
            "lattice": self.lattice.to_json(),
            "null": self.null,
            "direction": self.direction,
            "bets": list(self.bets),
            "alarm_level": self.alarm_level,
            "min_probability": self.min_probability,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EsrSpec:
        """Return the monitor that to_json wrote."""
        lattice, bets = Lattice.from_json(data["lattice"]), tuple(data["bets"])
        return cls(lattice, data["null"], data["direction"], bets, data["alarm_level"], data["min_probability"])


@dataclass(frozen=True, slots=True)
class EsrState:
    """Each bet's M in units of 2**-24, observations seen, and the one at which the mean first reached the alarm level."""

    m: tuple[int, ...]
    n: int = 0
    alarm_n: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"version": VERSION, "m": list(self.m), "n": self.n, "alarm_n": self.alarm_n}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EsrState:
        """Return the state that to_json wrote. ValueError on another version."""
        if data.get("version") != VERSION:
            raise ValueError(f"e-SR state version {data.get('version')!r}, accepted: {VERSION}")
        return cls(tuple(data["m"]), data["n"], data["alarm_n"])


def start_esr(spec: EsrSpec) -> EsrState:
    """Return the monitor before any observation."""
    return EsrState((0,) * len(spec.bets))


def update_esr(spec: EsrSpec, state: EsrState, code: int, probability: float = 1.0) -> EsrState:
    """Return the monitor after one observation, drawn with this probability; unchanged where it is MISSING."""
    check_code(spec.lattice, code)
    if code == MISSING:
        return state
    thousandths = probability_thousandths(probability)
    if thousandths < probability_thousandths(spec.min_probability):
        raise ValueError(f"sampling probability {probability!r}, accepted: at least {spec.min_probability}")
    factors = _factors(spec, code, thousandths)
    m = tuple(min(((m + _ONE) * f) >> _FACTOR_BITS, spec.cap) for m, f in zip(state.m, factors, strict=True))
    alarm_n = state.n + 1 if state.alarm_n is None and sum(m) >= spec.alarm_total else state.alarm_n
    return EsrState(m, state.n + 1, alarm_n)


def update_esr_many(
    spec: EsrSpec, state: EsrState, codes: IntArray, probabilities: Floats | None = None
) -> tuple[EsrState, IntArray]:
    """Return the monitor after a block, and the sum of all M after each observation, shape (n,).

    The monitor is in alarm where the sum is at least spec.alarm_total; `log_esr` turns sums into log values.
    """
    codes = check_codes(spec.lattice, codes)
    seen = codes != MISSING
    keys = _keys(spec, codes, probabilities, seen)
    before, totals = sum(state.m), np.zeros(keys.size, dtype=np.int64)
    for start in range(0, keys.size, _CHUNK):
        state, totals[start : start + _CHUNK] = _fold(spec, state, keys[start : start + _CHUNK])
    return state, np.concatenate(([before], totals))[np.cumsum(seen)]


def esr_bound(spec: EsrSpec, m: Floats, codes: IntArray, probabilities: Floats | None = None) -> tuple[Floats, float]:
    """Return (each bet's M after a block, the greatest mean M within it) in floating point: what the monitor stays below.

    m: the M before, in units of 1 (zeros at the start). M_n = P_n (M_0 + sum_{s <= n} 1 / P_{s-1}) with P the running product
    of the factors: no loop, so it tells a hundred times faster than the monitor itself where no alarm can be. Its own error
    is below 1e-9 of its value; infinite where a product leaves a float.
    """
    codes = check_codes(spec.lattice, codes)
    seen = codes != MISSING
    keys, top = _keys(spec, codes, probabilities, seen), 0.0
    distinct, where = np.unique(keys, return_inverse=True)
    excess = spec.direction * (spec.lattice.values[distinct % spec.lattice.size] - spec.null)
    factors = 1 + np.outer(excess * 1000 / (distinct // spec.lattice.size), spec.bets)
    for start in range(0, keys.size, _BOUND_PIECE):
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            products = np.cumprod(factors[where[start : start + _BOUND_PIECE]], axis=0)
            before = np.vstack((np.ones(len(spec.bets)), products[:-1]))
            path = products * (m + np.cumsum(1 / before, axis=0))
        top = max(top, float(path.mean(axis=1).max())) if np.isfinite(path).all() else math.inf
        m = path[-1]
    return m, top


def _fold(spec: EsrSpec, state: EsrState, keys: IntArray) -> tuple[EsrState, IntArray]:
    """Return the monitor after observations that are all there, and the sum of all M after each."""
    distinct, where = np.unique(keys, return_inverse=True)
    columns = zip(*(_factors(spec, int(k % spec.lattice.size), int(k // spec.lattice.size)) for k in distinct), strict=True)
    order = where.tolist()
    totals, last = np.zeros(keys.size, dtype=np.int64), []
    for m, column in zip(state.m, columns, strict=True):
        path = _path(m, map(column.__getitem__, order), spec.cap)
        last.append(path[-1])
        totals += np.array(path, dtype=np.int64)
    alarm_n = state.alarm_n
    if alarm_n is None and (over := totals >= spec.alarm_total).any():
        alarm_n = state.n + int(np.argmax(over)) + 1
    return EsrState(tuple(last), state.n + keys.size, alarm_n), totals


def _path(m: int, factors: Iterable[int], cap: int) -> list[int]:
    """Return M after each observation: M <- min(cap, (M + 1) * factor), rounded down."""
    path: list[int] = []
    append, one, bits = path.append, _ONE, _FACTOR_BITS
    for factor in factors:
        m = (m + one) * factor >> bits
        if m > cap:
            m = cap
        append(m)
    return path


def _keys(spec: EsrSpec, codes: IntArray, probabilities: Floats | None, seen: NDArray[np.bool_]) -> IntArray:
    """Return one integer for each (value, sampling probability) of the observations seen."""
    if probabilities is None:
        return codes[seen] + 1000 * spec.lattice.size
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.shape != codes.shape:
        raise ValueError(f"{codes.size} observations with {probabilities.size} sampling probabilities")
    return codes[seen] + _thousandths(spec, probabilities[seen]) * spec.lattice.size


def _thousandths(spec: EsrSpec, probabilities: Floats) -> IntArray:
    """Return sampling probabilities in thousandths. ValueError on one off the grid or below the least allowed."""
    scaled = probabilities * 1000
    least = probability_thousandths(spec.min_probability)
    good = (scaled >= least - 1e-6) & (scaled <= 1000) & (np.abs(scaled - np.rint(scaled)) <= 1e-6)
    if not good.all():
        value = float(probabilities[int(np.argmin(good))])
        raise ValueError(f"sampling probability {value!r}, accepted: thousandths in [{spec.min_probability}, 1]")
    rounded: IntArray = np.rint(scaled).astype(np.int64)
    return rounded


@lru_cache(maxsize=65_536)
def _factors(spec: EsrSpec, code: int, thousandths: int) -> tuple[int, ...]:
    """Return floor(2**32 * (1 + bet * z)) for each bet: exact fractions, rounded down once."""
    above = Fraction(spec.lattice.value(code)) - Fraction(exact(spec.null))
    z = spec.direction * above * Fraction(1000, thousandths)
    return tuple(math.floor((1 + Fraction(bet) * z) * (1 << _FACTOR_BITS)) for bet in spec.bets)


def log_esr(spec: EsrSpec, total: int) -> float:
    """Return ln of the mean M, floored to 1e-6 and not below 0 (a monitor with a mean under 1 has nothing to say)."""
    with localcontext(_CONTEXT):
        mean = Decimal(total) / (len(spec.bets) << _BITS)
        return int((mean.ln() * MICRO).to_integral_value(ROUND_FLOOR)) / MICRO if mean > 1 else 0.0
