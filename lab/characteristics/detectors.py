"""Detectors of a change over many streams at once: e-SR, e-CUSUM, CUSUM and their rivals; what each says after each pair.

e-SR here is in floats, M <- (M + 1) f as a cumulative log-sum: the same recursion as the gate's integers, whose alarms it
repeats (a test holds them together). z is badness beyond the null, of shape (runs, n).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Draw = Callable[[int, int, int], Floats]
"""(runs, start, n) -> z of the observations start..start + n - 1, fresh for every call."""

NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Detector:
    """A statistic with its state: begin(runs), and move(state, z) -> (state, path of shape (runs, n))."""

    begin: Callable[[int], Floats]
    move: Callable[[Floats, Floats], tuple[Floats, Floats]]


def _mixture(bets: Sequence[float], start: float, path: Callable[[Floats, Floats, Floats], Floats]) -> Detector:
    """Return log of the mean over bets of a process; path(steps, their sums, log M before) is one bet's log M along a chunk."""

    def move(state: Floats, z: Floats) -> tuple[Floats, Floats]:
        after, total = np.empty_like(state), np.full(z.shape, -np.inf)
        for j, bet in enumerate(bets):
            steps = np.log1p(bet * z)
            one = path(steps, np.cumsum(steps, axis=1), state[:, j : j + 1])
            after[:, j], total = one[:, -1], np.logaddexp(total, one)
        return after, total - np.log(len(bets))

    return Detector(lambda runs: np.full((runs, len(bets)), start), move)


def esr(bets: Sequence[float]) -> Detector:
    """Return the mixture e-Shiryaev-Roberts monitor: log of the mean of M_j <- (M_j + 1)(1 + bet_j z)."""
    return _mixture(bets, -np.inf, lambda x, s, m: s + np.logaddexp(np.logaddexp.accumulate(x - s, axis=1), m))


def e_cusum(bets: Sequence[float]) -> Detector:
    """Return the mixture e-CUSUM: log of the mean of M_j <- max(M_j, 1)(1 + bet_j z)."""
    return _mixture(bets, -np.inf, lambda x, s, m: s + np.maximum(np.maximum.accumulate(x - s, axis=1), np.maximum(m, 0.0)))


def e_process(bets: Sequence[float]) -> Detector:
    """Return the mixture e-process from the first observation on (never restarted)."""
    return _mixture(bets, 0.0, lambda _, s, m: s + m)


def cusum(slack: float) -> Detector:
    """Return Eq. 5: C <- max(0, C + z - slack)."""

    def move(state: Floats, z: Floats) -> tuple[Floats, Floats]:
        sums = np.cumsum(z - slack, axis=1)
        path = sums + np.maximum(-np.minimum.accumulate(sums, axis=1), state)
        return path[:, -1:], path

    return Detector(lambda runs: np.zeros((runs, 1)), move)


def ewma(weight: float) -> Detector:
    """Return the exponentially weighted moving average, from 0."""

    def move(state: Floats, z: Floats) -> tuple[Floats, Floats]:
        path, _ = lfilter([weight], [1, weight - 1], z, axis=1, zi=(1 - weight) * state)
        return np.asarray(path[:, -1:]), np.asarray(path)

    return Detector(lambda runs: np.zeros((runs, 1)), move)


def window(length: int) -> Detector:
    """Return the mean of the last `length` observations (fewer at the beginning count as 0)."""

    def move(state: Floats, z: Floats) -> tuple[Floats, Floats]:
        sums = np.cumsum(np.concatenate((np.zeros((len(z), 1)), state, z), axis=1), axis=1)
        path = (sums[:, length + 1 :] - sums[:, 1:-length]) / length
        return np.concatenate((state, z), axis=1)[:, -length:], path

    return Detector(lambda runs: np.zeros((runs, length)), move)


def first_alarms(detector: Detector, level: float, draw: Draw, runs: int, n_max: int, chunk: int = 2000, calm: int = 0) -> Ints:
    """Return each run's first observation (1-based) at which the statistic reaches the level, NEVER by n_max.

    Where calm > 0, runs that alarm within the first `calm` observations are left out.
    """
    found, alive, state = np.full(runs, NEVER), np.arange(runs), detector.begin(runs)
    start = 0
    while start < n_max and len(alive):
        n = min(chunk, n_max - start, calm - start if start < calm else chunk)
        state, path = detector.move(state, draw(len(alive), start, n))
        hit = path >= level
        over = hit.any(axis=1)
        found[alive[over]] = start + hit[over].argmax(axis=1) + 1
        alive, state = alive[~over], state[~over]
        start += n
    return found[found > calm] if calm else found


def greatest(detector: Detector, draw: Draw, runs: int, n: int, chunk: int = 2000) -> Floats:
    """Return the greatest value of the statistic within n observations, one a run."""
    state, top = detector.begin(runs), np.full(runs, -np.inf)
    for start in range(0, n, chunk):
        state, path = detector.move(state, draw(runs, start, min(chunk, n - start)))
        top = np.maximum(top, path.max(axis=1))
    return top
