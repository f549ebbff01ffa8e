"""Conformal test martingale: the fallback for latency where the incumbent's answer to the same query is not at hand.

Calibrating latencies of the incumbent, moved to the boundary null (slowed by 1 + margin), fill a bag; each challenger latency is
ranked in it by psi, higher is faster, and joins it. While the challenger is exchangeable with the bag its rank is uniform,
p_t = (#{score > s_t} + U (1 + #ties)) / (n_calibration + t), and 1 - 2 p_t has mean 0 (Vovk, Gammerman and Shafer, 2005). The
gate bets on 1 - 2 p_t, rounded down to 1/10,000, like on any other bounded observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.kde import SwapScore, fit_swap_score
from dualgate.gate.stats.lattice import MISSING, FloatArray, IntArray, lattice

CONFORMAL = lattice(-1.0, 1.0, 0.0001)
"""1 - 2 p in ten-thousandths, null 0."""

CONFORMAL_BETS = (0.05, 0.1, 0.2, 0.4)
VERSION = 1
_TIE_BITS = 20
_CHUNK = 2048
_MAX_BAG = 100_000_000  # keeps the ranks' integer arithmetic within 64 bits


@dataclass(frozen=True, slots=True)
class ConformalState:
    """How many scores of each level are in the bag, levels as positions in the sorted distinct values of psi."""

    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        """Scores in the bag."""
        return sum(self.counts)

    def to_json(self) -> dict[str, Any]:
        """Return the bag as JSON values."""
        return {"version": VERSION, "counts": list(self.counts)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ConformalState:
        """Return the bag that to_json wrote. ValueError on another version."""
        if data.get("version") != VERSION:
            raise ValueError(f"conformal state version {data.get('version')!r}, accepted: {VERSION}")
        return cls(tuple(data["counts"]))


def start_conformal(calibration_ms: npt.ArrayLike, margin: float) -> tuple[SwapScore, ConformalState]:
    """Return psi, fitted on the first third of the incumbent's calibrating latencies, and the bag of the others.

    The others are slowed by the margin. They are not the ones that psi was fitted on: scores of fitted points are higher than
    those of new ones, and with one sample for both the type I error was .06 to .08 where .05 was asked for.
    """
    latency = np.asarray(calibration_ms, dtype=np.float64)
    if latency.ndim != 1 or not (np.isfinite(latency) & (latency >= 0.0)).all():
        raise ValueError("calibration_ms must be a 1-d array of finite latencies of 0 ms or more")
    score = fit_swap_score(latency[: latency.size // 3], margin)
    levels = _levels(score, latency[latency.size // 3 :] * (1.0 + margin))
    counts = np.bincount(levels, minlength=len(set(score.psi)))
    return score, ConformalState(tuple(int(c) for c in counts))


def update_conformal_many(
    score: SwapScore, state: ConformalState, challenger_ms: npt.ArrayLike, tie_breaks: npt.ArrayLike
) -> tuple[ConformalState, IntArray]:
    """Return the bag after a block, and 1 - 2 p of each latency as a position on CONFORMAL, shape (n,).

    tie_breaks: a uniform number in [0, 1) each, known only after the latency (a hash of the query id will do). inf is "no
    answer in time", the worst score; NaN is MISSING and does not join the bag.
    """
    latency, ties = np.asarray(challenger_ms, dtype=np.float64), np.asarray(tie_breaks, dtype=np.float64)
    if latency.ndim != 1 or latency.shape != ties.shape:
        raise ValueError(f"latencies of shape {latency.shape} with tie_breaks of shape {ties.shape}, accepted: 1-d, equal")
    if (latency < 0.0).any():
        raise ValueError(f"challenger_ms holds {float(latency[latency < 0.0][0])!r}, accepted: latencies of 0 ms or more")
    if not ((ties >= 0.0) & (ties < 1.0)).all():
        raise ValueError("tie_breaks must lie in [0, 1)")
    codes = np.full(latency.size, MISSING, dtype=np.int64)
    seen = np.flatnonzero(~np.isnan(latency))
    counts = np.array(state.counts, dtype=np.int64)
    if counts.size != len(set(score.psi)) or counts.sum() + seen.size > _MAX_BAG:
        raise ValueError(f"a bag of {counts.size} levels and {counts.sum()} scores does not fit the score or {_MAX_BAG}")
    for start in range(0, seen.size, _CHUNK):
        part = seen[start : start + _CHUNK]
        codes[part], counts = _rank(counts, _levels(score, latency[part]), ties[part])
    return ConformalState(tuple(int(c) for c in counts)), codes


def _levels(score: SwapScore, latency_ms: FloatArray) -> IntArray:
    """Return the rank of each latency's psi among its distinct values; the least where there is no answer."""
    distinct = np.unique(np.array(score.psi, dtype=np.int64))
    psi = np.array(score.psi, dtype=np.int64)[score.cells(latency_ms)]
    levels: IntArray = np.where(np.isinf(latency_ms), 0, np.searchsorted(distinct, psi)).astype(np.int64)
    return levels


def _rank(counts: IntArray, levels: IntArray, ties: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the positions of 1 - 2 p for scores that join the bag one after another, and the bag after them."""
    joined = np.zeros((levels.size + 1, counts.size), dtype=np.int64)
    joined[np.arange(levels.size) + 1, levels] = 1
    bags = counts + np.cumsum(joined, axis=0)
    at = (np.arange(levels.size), levels)
    greater = np.cumsum(bags[:-1, ::-1], axis=1)[:, ::-1][at] - bags[:-1][at]
    rivals, size = 1 + bags[:-1][at], 1 + bags[:-1].sum(axis=1)
    # p * size * 2**20, with the uniform number at the middle of its cell, so that its mean is exactly one half.
    twice = 2 * (greater << _TIE_BITS) + rivals * (2 * np.floor(ties * (1 << _TIE_BITS)).astype(np.int64) + 1)
    half = (CONFORMAL.size - 1) // 2
    codes = half + (half * ((size << _TIE_BITS) - twice)) // (size << _TIE_BITS)
    return codes, bags[-1]
