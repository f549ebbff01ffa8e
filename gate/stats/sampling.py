"""Which observations count, and with what weight.

Queries of a session are dependent, so the unit is the first turn, one turn drawn by hash, or (where sessions are closed, in a
backtest) the session's mean. Strata may be sampled with different probabilities: dividing by the probability keeps
E[z | past] at the population's mean (Horvitz and Thompson 1952), whatever the strata are like, as long as it was known and
recorded before the challenger answered. The price is the bet cap, least probability / largest loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.lattice import FloatArray, IntArray, Lattice
from dualgate.gate.stats.specs import SamplingPlan

MAX_DRAWN_TURN = 4
_FULL = 1000


def quantised_probability(probability: float) -> float:
    """Return a sampling probability to the nearest thousandth, at least 0.001: the one that is drawn with and recorded."""
    if not 0 < probability <= 1:
        raise ValueError(f"sampling probability {probability!r}, accepted: in (0, 1]")
    return max(1, round(probability * _FULL)) / _FULL


def sampling_plan(probabilities: Mapping[str, float], shares: Mapping[str, float] | None = None) -> SamplingPlan:
    """Return the least and the mean probability of strata; shares of traffic are equal unless given.

    Raises ValueError for a probability outside (0, 1], shares that do not sum to 1, or a least probability below a quarter of
    the mean.
    """
    if not probabilities:
        raise ValueError("no stratum, accepted: at least one sampling probability")
    weights = dict.fromkeys(probabilities, 1 / len(probabilities)) if shares is None else dict(shares)
    if set(weights) != set(probabilities) or abs(sum(weights.values()) - 1) > 1e-6:
        raise ValueError(f"shares {weights!r}, accepted: one for each of {sorted(probabilities)}, with sum 1")
    quantised = {name: quantised_probability(p) for name, p in probabilities.items()}
    mean = sum(quantised[name] * weights[name] for name in sorted(quantised))
    return SamplingPlan(min(quantised.values()), min(1.0, max(mean, min(quantised.values()))))


def drawn_turn(session_id: str, max_turn: int = MAX_DRAWN_TURN) -> int:
    """Return which turn (1-based) of a session is its unit: uniform on 1..max_turn by a hash of its id, before any is asked.

    A turn is then observed with the known probability 1 / max_turn, whatever the session's length, so the weighted mean is that
    of all turns up to max_turn; a session that ends earlier gives nothing. No state is kept.
    """
    if max_turn < 1:
        raise ValueError(f"max_turn {max_turn!r}, accepted: at least 1")
    digest = hashlib.sha256(b"dualgate/turn/" + session_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") % max_turn + 1


def session_means(lattice: Lattice, values: npt.ArrayLike, sessions: npt.ArrayLike) -> tuple[IntArray, FloatArray]:
    """Return each session's mean, rounded down to the lattice, as (positions, means), in order of first appearance.

    Rounding down can only lower the evidence for acceptance (by a quantum of the mean at most); the estimand is the mean over
    sessions. NaN observations do not count; a session without any is left out.
    """
    x, ids = np.asarray(values, dtype=float), np.asarray(sessions)
    if x.shape != ids.shape:
        raise ValueError(f"values of shape {x.shape} and sessions of shape {ids.shape}, accepted: one length")
    x, ids = x[~np.isnan(x)], ids[~np.isnan(x)]
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    means = np.bincount(inverse, weights=x) / np.bincount(inverse) if len(x) else np.zeros(0)
    means = means[np.argsort(first)]
    if ((means < lattice.low) | (means > lattice.high)).any():
        raise ValueError(f"session mean {float(means[np.argmax(np.abs(means))])!r} is outside [{lattice.low}, {lattice.high}]")
    return np.floor((means - lattice.low) / lattice.quantum + 1e-9).astype(np.int64), means
