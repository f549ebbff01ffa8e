"""Several hypotheses at once: which may be claimed, and whether all may.

holm (Holm 1979) controls the family-wise error under any dependence; simes (Simes 1986) tests only the *global* null and is
proved under positive dependence; hommel (Hommel 1988) is the closed test built on it. The migration gate asks for all
dimensions, so the intersection-union test (Berger 1982) is level alpha with no correction. Anytime p-values 1 / max K may
be put into each of them at any data-dependent time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]

GATE_METHODS = ("holm", "iut", "bonferroni")
ALARM_METHODS = ("holm", "simes")


def check_level(name: str, level: float) -> float:
    """Return an error level. Raises ValueError outside (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"{name} {level!r}, accepted: inside (0, 1)")
    return float(level)


def _checked(p_values: npt.ArrayLike, alpha: float) -> npt.NDArray[np.float64]:
    check_level("alpha", alpha)
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"p_values of shape {p.shape}, accepted: a non-empty sequence")
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise ValueError(f"p-value {float(p[bad][0])!r}, accepted: in [0, 1]")
    return p


def holm(p_values: npt.ArrayLike, alpha: float) -> BoolArray:
    """Return which hypotheses Holm's step-down test rejects, in the order given: p_(j) <= alpha / (k - j + 1)."""
    p = _checked(p_values, alpha)
    order = np.argsort(p, kind="stable")
    passed = p[order] <= alpha / (p.size - np.arange(p.size))
    rejected = np.zeros(p.size, dtype=bool)
    rejected[order[: int(np.argmin(np.append(passed, False)))]] = True
    return rejected


def bonferroni(p_values: npt.ArrayLike, alpha: float) -> BoolArray:
    """Return which hypotheses are rejected at alpha / k."""
    p = _checked(p_values, alpha)
    return np.asarray(p <= alpha / p.size)


def simes(p_values: npt.ArrayLike, alpha: float) -> bool:
    """Return whether the global null is rejected: some p_(j) <= j alpha / k. It names no hypothesis."""
    p = np.sort(_checked(p_values, alpha))
    return bool((p <= alpha * np.arange(1, p.size + 1) / p.size).any())


def hommel(p_values: npt.ArrayLike, alpha: float) -> BoolArray:
    """Return which hypotheses the closed Simes test rejects, in the order given.

    With j the greatest size such that p_(k-j+i) > i alpha / j for all i in 1..j, those with p <= alpha / j; all where there
    is none.
    """
    p = _checked(p_values, alpha)
    ordered, k = np.sort(p), p.size
    for j in range(k, 0, -1):
        if (ordered[k - j :] > alpha * np.arange(1, j + 1) / j).all():
            return np.asarray(p <= alpha / j)
    return np.ones(k, dtype=bool)


def iut(p_values: npt.ArrayLike, alpha: float) -> bool:
    """Return the intersection-union test: every p-value is at most alpha."""
    return bool((_checked(p_values, alpha) <= alpha).all())


def gate_accepts(p_values: npt.ArrayLike, alpha: float, method: str = "holm") -> bool:
    """Return whether every dimension is accepted by the method holm, iut or bonferroni. Raises ValueError for simes."""
    if method == "holm":
        return bool(holm(p_values, alpha).all())
    if method == "iut":
        return iut(p_values, alpha)
    if method == "bonferroni":
        return bool(bonferroni(p_values, alpha).all())
    raise ValueError(refusal(method))


def refusal(method: str) -> str:
    """Return why a gate method is not accepted."""
    accepted = f"accepted: {', '.join(GATE_METHODS)}"
    if method == "simes":
        return (
            "gate 'simes' is refused: it rejects the global null, so it promotes a challenger that is better in one dimension "
            f"and fails the others (measured: 1.00 of challengers with a latency regression); {accepted}"
        )
    return f"gate {method!r} is not known, {accepted}"
