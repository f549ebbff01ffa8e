"""Bets: the growth-rate optimal one, the law it is a likelihood ratio against, and the mixture that survives a bad plan.

With x in [lo, hi], null E[x] <= m0 and a design law q of larger mean, the bet that maximises E_q log(1 + bet (x - m0)) makes
q(x) / (1 + bet (x - m0)) a law p* with mean m0: the reverse information projection of q on the null (Grunwald, de Heide and
Koolen 2024). So sum log(1 + bet (x_i - m0)) is Wald's log-likelihood ratio of q against the least favourable null p*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.lattice import FloatArray

N_BETS = 9
_SPAN = 4.0
_CAP = 0.95
_SUM_TOLERANCE = 1e-6
_PIECE = 1 << 16  # bounds the memory of a long stream


def checked_law(values: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return (values, probabilities) as 1-d arrays. Raises ValueError naming what makes them no bounded law."""
    x, q = np.asarray(values, dtype=float), np.asarray(probabilities, dtype=float)
    if x.ndim != 1 or x.shape != q.shape or x.size < 2:
        raise ValueError(
            f"values of shape {x.shape} and probabilities of shape {q.shape}, accepted: two 1-d arrays of one length >= 2"
        )
    for name, array in (("values", x), ("probabilities", q)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} hold {float(array[~np.isfinite(array)][0])!r}, accepted: finite numbers")
    if (q < 0).any() or abs(float(q.sum()) - 1) > _SUM_TOLERANCE:
        raise ValueError(f"probabilities {q.tolist()} sum to {float(q.sum())!r}, accepted: nonnegative with sum 1")
    return x, q


def gro_bet(values: npt.ArrayLike, probabilities: npt.ArrayLike, null_mean: float) -> float:
    """Return the growth-rate optimal bet of a bounded law against H0: mean <= null_mean.

    argmax of E log(1 + bet (x - null_mean)) over 0 <= bet < 1 / (null_mean - min(values)); 0 where the mean is not above the
    null. The least value bounds the bet even if its probability is 0. Raises ValueError where no value is below the null.
    """
    x, q = checked_law(values, probabilities)
    if not math.isfinite(null_mean) or not x.min() < null_mean < x.max():
        raise ValueError(f"null_mean {null_mean!r}, accepted: inside ({x.min()}, {x.max()}), the range of the values")
    v = x - null_mean
    if float(q @ v) <= 0:
        return 0.0
    low, high = 0.0, math.nextafter(1 / -float(v.min()), 0)
    weighted = q * v
    while low < (middle := (low + high) / 2) < high and high - low > 1e-15 * high:
        if np.add.reduce(weighted / (1 + middle * v)) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def growth(values: npt.ArrayLike, probabilities: npt.ArrayLike, null_mean: float, bet: float) -> float:
    """Return E log(1 + bet (x - null_mean)), nats an observation."""
    x, q = checked_law(values, probabilities)
    return float(q @ np.log1p(bet * (x - null_mean)))


def least_favourable(values: npt.ArrayLike, probabilities: npt.ArrayLike, null_mean: float) -> FloatArray:
    """Return p*, the law of the null that is hardest to tell from this one: q(x) / (1 + bet (x - null_mean)).

    Where q never takes the least value the bet may end at its bound, and these sum to less than 1: the rest belongs to the
    least value, which makes the mean null_mean again.
    """
    x, q = checked_law(values, probabilities)
    taken, p = q > 0, np.zeros_like(q)
    p[taken] = q[taken] / (1 + gro_bet(x, q, null_mean) * (x[taken] - null_mean))
    if (rest := 1 - float(p.sum())) > _SUM_TOLERANCE:
        p[np.argmin(x)] += rest
    return np.asarray(p / p.sum())


def recorded(bet: float) -> float:
    """Return a bet to nine significant digits: what is written down, and is the same wherever it is computed again."""
    return float(f"{bet:.9g}")


def bet_mixture(best: float, limit: float, n: int = N_BETS) -> tuple[float, ...]:
    """Return n bets, log-uniform on [best / 4, min(4 best, 0.95 limit)].

    A factor of four either way covers a badly planned spread; the price where the plan is right is some 15-20 % more pairs.
    Raises ValueError unless 0 < best and 0 < limit.
    """
    if not (0 < best < math.inf and 0 < limit < math.inf):
        raise ValueError(f"best bet {best!r} with limit {limit!r}, accepted: both positive and finite")
    top = min(_SPAN * best, _CAP * limit)
    return tuple(recorded(bet) for bet in np.geomspace(min(best / _SPAN, top / _SPAN), top, n))


def log_e_process(
    x: npt.ArrayLike,
    null_mean: float,
    bets: Sequence[float],
    mixture_weights: Sequence[float] | None = None,
    sampling_probability: npt.ArrayLike | None = None,
) -> FloatArray:
    """Return the running log e-value of the fixed-bet mixture against H0: E[x_i | past] <= null_mean, one a pair.

    log sum_j w_j prod_{s<=i} (1 + bet_j (x_s - null_mean) / probability_s), in floating point and for any real x: the gate's own
    fixed-point evidence is this number floored, at most 1e-9 nat a pair below. Raises ValueError where x is not
    finite, a probability not in (0, 1], or a bet lets an observation lose everything.
    """
    z = _excess(x, null_mean, sampling_probability)
    lam, log_w = _mixture(bets, mixture_weights)
    if z.size == 0:
        return np.zeros(0)
    worst = float(lam.max() * z.min())
    if worst <= -1:
        raise ValueError(
            f"bet {float(lam.max())!r} times excess {float(z.min())!r} loses everything; accepted: bet * excess > -1"
        )
    out, before = np.empty(z.size), log_w
    for start in range(0, z.size, _PIECE):
        paths = before[:, None] + np.cumsum(np.log1p(lam[:, None] * z[None, start : start + _PIECE]), axis=1)
        out[start : start + _PIECE] = np.logaddexp.reduce(paths, axis=0)
        before = paths[:, -1]
    return out


def _excess(x: npt.ArrayLike, null_mean: float, sampling_probability: npt.ArrayLike | None) -> FloatArray:
    values = np.asarray(x, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"x has {values.ndim} dimensions, accepted: 1")
    if not np.isfinite(values).all():
        raise ValueError(f"observation {float(values[~np.isfinite(values)][0])!r}, accepted: finite numbers")
    if not math.isfinite(null_mean):
        raise ValueError(f"null_mean {null_mean!r}, accepted: a finite number")
    if sampling_probability is None:
        return np.asarray(values - null_mean)
    pi = np.asarray(sampling_probability, dtype=float)
    if pi.ndim and pi.shape != values.shape:
        raise ValueError(
            f"{values.size} observations with sampling probabilities of shape {pi.shape}, accepted: one, or one each"
        )
    pi = np.broadcast_to(pi, values.shape)
    bad = ~((pi > 0) & (pi <= 1))
    if bad.any():
        raise ValueError(f"sampling probability {float(pi[bad][0])!r}, accepted: in (0, 1]")
    return np.asarray((values - null_mean) / pi)


def _mixture(bets: Sequence[float], mixture_weights: Sequence[float] | None) -> tuple[FloatArray, FloatArray]:
    lam = np.asarray(bets, dtype=float)
    if lam.ndim != 1 or lam.size == 0 or not (np.isfinite(lam) & (lam >= 0)).all():
        raise ValueError(f"bets {bets!r}, accepted: a non-empty sequence of finite numbers >= 0")
    if mixture_weights is None:
        return lam, np.full(lam.size, -math.log(lam.size))
    w = np.asarray(mixture_weights, dtype=float)
    if w.shape != lam.shape or not (np.isfinite(w) & (w >= 0)).all() or abs(float(w.sum()) - 1) > 1e-9:
        raise ValueError(f"mixture_weights {mixture_weights!r}, accepted: {lam.size} numbers >= 0 with sum 1")
    return lam[w > 0], np.log(w[w > 0])
