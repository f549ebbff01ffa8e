"""Other sequential tests on the same streams (table 2.4), restated: what the design study compared ours with.

Streams are paired ternary outcomes, x of shape (runs, n); each function returns the pair (1-based) at which a run rejects,
NEVER where it does not.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaln, log_ndtr
from scipy.stats import binom

from dualgate.lab.characteristics.single_tests import ALPHA, A, Case

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
NEVER = 2**62


def first(hit: npt.NDArray[np.bool_]) -> Ints:
    """Return the first true entry of each row (1-based), NEVER where there is none."""
    return np.asarray(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, NEVER), dtype=np.int64)


def draws(law: Floats, runs: int, n: int, seed: int) -> Ints:
    """Return ternary outcomes -1, 0, 1 of shape (runs, n)."""
    u = np.random.default_rng(seed).random((runs, n))
    return np.asarray(np.searchsorted(np.cumsum(law)[:-1], u, side="right") - 1, dtype=np.int64)


def beta_binomial(x: Ints) -> Ints:
    """The one-sided uniform mixture over P(better | discordant) in (1/2, 1): log of 2^n B(s+1, f+1) P(Beta(s+1, f+1) > 1/2) 2."""
    wins, losses = np.cumsum(x == 1, axis=1), np.cumsum(x == -1, axis=1)
    with np.errstate(divide="ignore"):
        tail = np.log(betainc(losses + 1.0, wins + 1.0, 0.5))
    log_e = (wins + losses + 1) * math.log(2) + betaln(wins + 1.0, losses + 1.0) + tail
    return first(log_e >= A)


def one_sided_msprt(x: Ints, tau: float, variance: Floats | float, burn_in: int = 0) -> Ints:
    """The truncated normal mixture SPRT of mean > 0: 2 sqrt(s2/(s2+n tau2)) exp(...) Phi(tau S/(s sqrt(s2+n tau2)))."""
    n, s = np.arange(1, x.shape[1] + 1), np.cumsum(x, axis=1)
    spread = variance + n * tau**2
    log_l = math.log(2) + 0.5 * np.log(variance / spread) + tau**2 * s**2 / (2 * variance * spread)
    log_l = log_l + log_ndtr(tau * s / np.sqrt(variance * spread))
    return first((log_l >= A) & (n > burn_in))


def two_sided_msprt(x: Ints, tau: float, variance: float) -> Ints:
    """The normal mixture SPRT of a mean that is not 0 (the form of experimentation platforms); rejects for a gain."""
    n, s = np.arange(1, x.shape[1] + 1), np.cumsum(x, axis=1)
    spread = variance + n * tau**2
    return first(0.5 * np.log(variance / spread) + tau**2 * s**2 / (2 * variance * spread) >= A)


def running_variance(x: Ints) -> Floats:
    """Return the variance of x so far, at least a tiny one: a plug-in that no bound allows for."""
    n = np.arange(1, x.shape[1] + 1)
    mean = np.cumsum(x, axis=1) / n
    return np.asarray(np.maximum(np.cumsum(x**2, axis=1) / n - mean**2, 1e-6))


def hoeffding_mixture(x: Ints, best_n: int = 250) -> Ints:
    """A normal mixture of sub-Gaussian bounds, variance 1 for x in [-1, 1], tuned for about best_n pairs."""
    n, s = np.arange(1, x.shape[1] + 1), np.cumsum(x, axis=1)
    rho = best_n / (2 * A + math.log(1 + 2 * A))
    log_e = math.log(2) + 0.5 * np.log(rho / (n + rho)) + s**2 / (2 * (n + rho)) + log_ndtr(s / np.sqrt(n + rho))
    return first(log_e >= A)


def mcnemar_fixed(x: Ints, n: int) -> Ints:
    """McNemar's exact one-sided test, once, after n pairs."""
    wins, losses = (x[:, :n] == 1).sum(axis=1), (x[:, :n] == -1).sum(axis=1)
    p = binom.sf(wins - 1, np.maximum(wins + losses, 1), 0.5)
    return np.asarray(np.where(p <= ALPHA, n, NEVER), dtype=np.int64)


OBRIEN_FLEMING_5 = 1.7509
"""The constant of five equally spaced one-sided looks at level .05: z_k >= C sqrt(5/k) (by recursive integration)."""


def obrien_fleming(x: Ints, n: int, looks: int = 5, constant: float = OBRIEN_FLEMING_5) -> tuple[Ints, Ints]:
    """O'Brien and Fleming's design on McNemar's z at equal looks up to n: (rejection, pairs taken) of each run."""
    at = np.rint(n * np.arange(1, looks + 1) / looks).astype(int)
    s, d = np.cumsum(x, axis=1)[:, at - 1], np.cumsum(x != 0, axis=1)[:, at - 1]
    hit = s / np.sqrt(np.maximum(d, 1)) >= constant * np.sqrt(looks / np.arange(1, looks + 1))
    which = np.where(hit.any(axis=1), hit.argmax(axis=1), looks - 1)
    taken = np.asarray(at[which], dtype=np.int64)
    return np.asarray(np.where(hit.any(axis=1), taken, NEVER), dtype=np.int64), taken


def peeked_mcnemar(x: Ints) -> Ints:
    """The one-sided McNemar z-test at 5 %, looked at after every pair: not valid."""
    s, d = np.cumsum(x, axis=1), np.cumsum(x != 0, axis=1)
    return first(s >= 1.6449 * np.sqrt(np.maximum(d, 1)))


def agrapa(case: Case, law: Floats, runs: int, seed: int, n_max: int) -> Ints:
    """Pairs until a test accepts whose bets are learned from the past: approximate GRAPA (Waudby-Smith and Ramdas 2024).

    bet = (mean - m0) / (variance + (mean - m0)^2) of the past, cut to [0, .5 / (m0 - low)], on the [0, 1] scale.
    """
    values = (case.lattice.values - case.lattice.low) / (case.lattice.high - case.lattice.low)
    m0 = (case.null - case.lattice.low) / (case.lattice.high - case.lattice.low)
    rng, cumulative = np.random.default_rng(seed), np.cumsum(law)[:-1]
    found, alive = np.full(runs, n_max), np.arange(runs)
    log_e, total, square = np.zeros(runs), np.full(runs, 0.5), np.full(runs, 0.25)
    for n in range(1, n_max + 1):
        mean, variance = total / n, square / n
        bet = np.clip((mean - m0) / (variance + (mean - m0) ** 2), 0, 0.5 / m0)
        x = values[np.searchsorted(cumulative, rng.random(len(alive)), side="right")]
        log_e = log_e + np.log1p(bet * (x - m0))
        total, square = total + x, square + (x - (total + x) / (n + 1)) ** 2
        done = log_e >= A
        if done.any():
            found[alive[done]] = n
            alive, log_e, total, square = alive[~done], log_e[~done], total[~done], square[~done]
        if not len(alive):
            break
    return found
