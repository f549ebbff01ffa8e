"""Swap-symmetrised KDE: a density score of latency that is an exact e-value for pairs, whatever the density estimate.

With f the incumbent's fitted density of x = log latency and m = log(1 + margin), psi(x) = clip(log f(x) - log f(x - m), +-1)
scores a latency as "as fast as the incumbent" against "slower by the margin". For a pair, u = log T_incumbent + m and
v = log T_challenger are exchangeable under the boundary null (the challenger is the incumbent slowed by exactly 1 + margin), so
D = clip(tanh((psi(v) - psi(u)) / 2), +-.24) has mean 0 for any psi, and bets on D need nothing plugged in: the pair brings
a fresh incumbent observation each time. A likelihood ratio of two fitted densities has no such property: its type I error
with 300 calibrating observations is .15 to .21 where .05 was asked for.

psi is recorded as a step function of at most 256 cells, in thousandths: D is then the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.calibration import calibration_pairs
from dualgate.gate.stats.lattice import MISSING, SWAP, FloatArray, IntArray

VERSION = 1
MAX_CELLS = 256
MIN_FIT = 100
SWAP_BETS = (0.5, 1.0, 2.0, 4.0)
"""Bets on D, whose worst value is -.24: none can lose more than .96."""

_LEAST_MS = 0.001  # faster answers are fitted as one microsecond: the logarithm needs a positive number
_Z = 2.326  # the normal quantile of .99


@dataclass(frozen=True, slots=True)
class SwapScore:
    """psi as a step function: thousandths psi[i] for latencies in [edges_ms[i - 1], edges_ms[i]), and the margin."""

    margin: float
    edges_ms: tuple[float, ...]
    psi: tuple[int, ...]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.margin) and self.margin > 0.0):
            raise ValueError(f"margin {self.margin!r}, accepted: positive, for example 0.25 for 25 % slower")
        if len(self.psi) != len(self.edges_ms) + 1 or len(self.psi) > MAX_CELLS:
            raise ValueError(
                f"{len(self.psi)} cells with {len(self.edges_ms)} edges, accepted: one more cell, at most {MAX_CELLS}"
            )
        if any(not (-1000 <= p <= 1000) for p in self.psi):
            raise ValueError("psi holds a value outside -1000..1000 thousandths")
        if list(self.edges_ms) != sorted(set(self.edges_ms)) or not all(0.0 < e < math.inf for e in self.edges_ms):
            raise ValueError("edges_ms must be positive, finite and rising")

    def cells(self, latency_ms: npt.ArrayLike) -> IntArray:
        """Return the cell of each latency, shape (n,)."""
        return np.searchsorted(np.array(self.edges_ms), np.asarray(latency_ms, dtype=np.float64), side="right").astype(np.int64)

    def codes(self, incumbent_ms: npt.ArrayLike, challenger_ms: npt.ArrayLike) -> IntArray:
        """Return D of each pair as a position on SWAP, larger is better, shape (n,).

        inf is "no answer in time": the worst D where only the challenger has none, the best where only the incumbent has, 0
        for both. NaN in either arm is MISSING. ValueError on a negative latency or unequal lengths.
        """
        slow, fast = _latencies("incumbent_ms", incumbent_ms), _latencies("challenger_ms", challenger_ms)
        if slow.shape != fast.shape:
            raise ValueError(f"{slow.size} incumbent latencies with {fast.size} of the challenger")
        psi = np.array(self.psi, dtype=np.int64)
        difference = psi[self.cells(fast)] - psi[self.cells(slow * (1.0 + self.margin))]
        difference = np.where(np.isinf(fast), np.where(np.isinf(slow), 0, -2000), np.where(np.isinf(slow), 2000, difference))
        d = np.sign(difference) * _tanh_table()[np.abs(difference)]
        result: IntArray = np.where(np.isnan(slow) | np.isnan(fast), MISSING, d + SWAP.size // 2).astype(np.int64)
        return result

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON values."""
        return {"version": VERSION, "margin": self.margin, "edges_ms": list(self.edges_ms), "psi": list(self.psi)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SwapScore:
        """Return the table that to_json wrote. ValueError on another version."""
        if data.get("version") != VERSION:
            raise ValueError(f"swap score version {data.get('version')!r}, accepted: {VERSION}")
        return cls(data["margin"], tuple(data["edges_ms"]), tuple(data["psi"]))


def _latencies(name: str, values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be 1-d, got shape {array.shape}")
    if (array < 0.0).any():
        raise ValueError(f"{name} holds {float(array[array < 0.0][0])!r}, accepted: latencies of 0 ms or more")
    return array


@lru_cache(maxsize=1)
def _tanh_table() -> IntArray:
    """Return min(240, round(1000 tanh(i / 2000))) for differences i = 0..2000 of psi, correctly rounded on every machine."""
    with localcontext() as context:
        context.prec = 40
        powers = [(Decimal(i) / 1000).exp() for i in range(2001)]
        return np.array([min(240, round(1000 * (e - 1) / (e + 1))) for e in powers], dtype=np.int64)


def fit_swap_score(incumbent_ms: npt.ArrayLike, margin: float, cells: int = MAX_CELLS) -> SwapScore:
    """Return psi from calibrating latencies of the incumbent: a Gaussian KDE of log latency, Silverman's bandwidth.

    ValueError on fewer than 100 latencies, on one that is negative, infinite or NaN, or where all are equal. (The phase
    that gathers them has at least 300, `kde_calibration_pairs`.)
    """
    latency = _latencies("incumbent_ms", incumbent_ms)
    if latency.size < MIN_FIT:
        raise ValueError(f"{latency.size} calibrating latencies, accepted: at least {MIN_FIT}")
    if not np.isfinite(latency).all():
        raise ValueError(f"incumbent_ms holds {float(latency[~np.isfinite(latency)][0])!r}, accepted: finite latencies")
    if not 2 <= cells <= MAX_CELLS:
        raise ValueError(f"cells {cells!r}, accepted: 2 to {MAX_CELLS}")
    if not (math.isfinite(margin) and margin > 0.0):
        raise ValueError(f"margin {margin!r}, accepted: positive, for example 0.25 for 25 % slower")
    x = np.log(np.maximum(latency, _LEAST_MS))
    bandwidth, m = silverman_bandwidth(x), math.log1p(margin)
    edges = np.linspace(x.min() - 2 * bandwidth, x.max() + m + 2 * bandwidth, cells - 1)
    step = edges[1] - edges[0]
    middles = np.concatenate(([edges[0] - step / 2], edges + step / 2))
    psi = np.clip(log_kde(x, bandwidth, middles) - log_kde(x, bandwidth, middles - m), -1.0, 1.0)
    edges_ms = tuple(float(f"{e:.9g}") for e in np.exp(edges))
    return SwapScore(margin, edges_ms, tuple(round(1000 * float(p)) for p in psi))


def silverman_bandwidth(x: FloatArray) -> float:
    """Return .9 min(sd, IQR / 1.34) n^(-1/5) (Silverman, 1986)."""
    low, high = (float(q) for q in np.quantile(x, [0.25, 0.75]))
    sd = float(x.std(ddof=1))
    if not float(np.ptp(x)) > 0.0:
        raise ValueError("calibrating latencies are all equal: no density can be fitted")
    # Where more than half of the latencies are equal there is no IQR to go by.
    spread = min(sd, (high - low) / 1.34) if high > low else sd
    return 0.9 * spread * math.pow(x.size, -0.2)


def log_kde(x: FloatArray, bandwidth: float, at: FloatArray) -> FloatArray:
    """Return the log density of a Gaussian KDE, with a floor of one thousandth of an observation spread over the range."""
    z = (at[:, None] - x[None, :]) / bandwidth
    density = np.exp(-0.5 * z * z).sum(axis=1) / (x.size * bandwidth * math.sqrt(2 * math.pi))
    floor = 1e-3 / (x.size * (float(np.ptp(x)) + bandwidth))
    result: FloatArray = np.log(density + floor)
    return result


def kde_calibration_pairs(margin: float, sd_log: float) -> int:
    """Return how many calibrating pairs a density comparison deserves: max(300, 2 z**2 / KL), z = 2.326.

    KL = m**2 / (2 sd**2) is the divergence of a log-normal from itself slowed by 1 + margin, so the length falls with the
    square of the effect: about 950 pairs at 10 %, 300 from 25 % on, for sd .632.
    """
    for name, value in (("margin", margin), ("sd_log", sd_log)):
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} {value!r}, accepted: positive and finite")
    return calibration_pairs(math.log1p(margin) ** 2 / (2 * sd_log**2), _Z)
