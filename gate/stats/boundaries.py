"""Thresholds of log e-values, and decisions on them: the gate, futility, alarms.

Everything is compared in the log domain, in micro-nats: thresholds are rounded up, evidence was rounded down, so that
no machine's exp or log takes part in a decision. Functions take log e-values of shape (k,) or of a whole path, (k, n).
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.fixed_point import MICRO, log_micro
from dualgate.gate.stats.lattice import FloatArray, exact
from dualgate.gate.stats.multiplicity import ALARM_METHODS, GATE_METHODS, BoolArray, check_level, refusal

BOUNDARIES = ("ville", "wald")


@lru_cache(maxsize=1024)
def log_threshold(alpha: float, k: int = 1) -> float:
    """Return log(k / alpha), rounded up to 1e-6: Ville's boundary at level alpha / k."""
    check_level("alpha", alpha)
    if k < 1:
        raise ValueError(f"k {k!r}, accepted: at least 1")
    return log_micro(Decimal(k) / exact(alpha)) / MICRO


@lru_cache(maxsize=1024)
def accept_threshold(alpha: float, beta: float, k: int = 1, boundary: str = "ville") -> float:
    """Return A of level alpha / k: log(k / alpha), or Wald's log(k (1 - beta) / alpha), which only bounds alpha / (1 - beta)."""
    check_level("beta", beta)
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary {boundary!r}, accepted: {', '.join(BOUNDARIES)}")
    if boundary == "ville":
        return log_threshold(alpha, k)
    check_level("alpha", alpha)
    return log_micro(Decimal(k) * (1 - exact(beta)) / exact(alpha)) / MICRO


def futility_threshold(beta: float, k: int = 1) -> float:
    """Return log(k / beta): k futility processes together stop a challenger as good as the design with at most beta."""
    return log_threshold(beta, k)


def wald_futility(alpha: float, beta: float) -> float:
    """Return Wald's B = log(beta / (1 - alpha)), negative: `boundary: wald` gives up when log_e_accept falls to it."""
    check_level("alpha", alpha)
    check_level("beta", beta)
    return -log_micro((1 - exact(alpha)) / exact(beta)) / MICRO


def rank_thresholds(
    log_e: npt.ArrayLike, alpha: float, method: str = "holm", beta: float = 0.1, boundary: str = "ville"
) -> FloatArray:
    """Return each dimension's threshold at its present rank, shape (k,): under holm log((k - j + 1) / alpha), j = 1 the greatest.

    Equal values are ranked in the order given.
    """
    values = np.asarray(log_e, dtype=float)
    steps = _steps(values.size, method)
    levels = np.array([accept_threshold(alpha, beta, step, boundary) for step in steps])
    out = np.empty(values.size)
    out[np.argsort(-values, kind="stable")] = levels
    return out


def accepted_dimensions(
    log_e: npt.ArrayLike, alpha: float, method: str = "holm", beta: float = 0.1, boundary: str = "ville"
) -> BoolArray:
    """Return which dimensions the method claims now, shape (k,); under holm by stepping down from the greatest."""
    values = np.asarray(log_e, dtype=float)
    thresholds = rank_thresholds(values, alpha, method, beta, boundary)
    passed = values >= thresholds
    if method != "holm":
        return np.asarray(passed)
    order = np.argsort(-values, kind="stable")
    out = np.zeros(values.size, dtype=bool)
    out[order[: int(np.argmin(np.append(passed[order], False)))]] = True
    return out


def gate_path(log_e: npt.ArrayLike, alpha: float, method: str = "holm", beta: float = 0.1, boundary: str = "ville") -> BoolArray:
    """Return at which pairs every dimension is accepted by its current evidence, shape (n,), from log e-values (k, n).

    The rule at one pair: the j-th greatest of k log e-values is at least its rank's threshold, for all j.
    """
    values = np.atleast_2d(np.asarray(log_e, dtype=float))
    levels = np.array([accept_threshold(alpha, beta, step, boundary) for step in _steps(values.shape[0], method)])
    passed = (values >= levels.min()).all(axis=0)
    near = np.flatnonzero(passed)
    ranked = -np.sort(-values[:, near], axis=0) if method == "holm" else values[:, near]
    passed[near] = (ranked >= levels[:, None]).all(axis=0)
    return np.asarray(passed)


def alarm_path(log_e: npt.ArrayLike, alpha: float, method: str = "holm") -> BoolArray:
    """Return at which pairs one of k alarms is raised at level alpha together, shape (n,), from log e-values (k, n).

    holm: the greatest reaches log(k / alpha) (its first step). simes: some j-th greatest reaches log(k / (j alpha)).
    """
    values = np.atleast_2d(np.asarray(log_e, dtype=float))
    k = values.shape[0]
    if method == "holm":
        return np.asarray(values.max(axis=0) >= log_threshold(alpha, k))
    if method == "simes":
        check_level("alpha", alpha)
        levels = np.array([log_micro(Decimal(k) / (j * exact(alpha))) / MICRO for j in range(1, k + 1)])
        return np.asarray((-np.sort(-values, axis=0) >= levels[:, None]).any(axis=0))
    raise ValueError(f"alarms {method!r}, accepted: {', '.join(ALARM_METHODS)}")


def _steps(k: int, method: str) -> list[int]:
    """Return the divisor of alpha at each rank, greatest evidence first."""
    if k < 1:
        raise ValueError("no dimension is on, accepted: at least one")
    if method == "holm":
        return list(range(k, 0, -1))
    if method == "bonferroni":
        return [k] * k
    if method == "iut":
        return [1] * k
    raise ValueError(refusal(method))


__all__ = [
    "BOUNDARIES",
    "GATE_METHODS",
    "accept_threshold",
    "accepted_dimensions",
    "alarm_path",
    "futility_threshold",
    "gate_path",
    "log_threshold",
    "rank_thresholds",
    "wald_futility",
]
