"""Many runs of one sequential test at once: when each accepts, gives up, or does neither.

The increments are the gate's own integers (`Process.increments`); only the log-sum-exp of a mixture is taken in floats. Streams
come as a function, so that dependence models can be put in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.process import Process

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Stream = Callable[[Ints, int], tuple[Ints, Ints | None]]
"""(runs that are still going, length) -> codes (runs, length), MISSING allowed, and thousandths of the same shape or None."""

_CHUNK = 250
_OPEN = 2**62


@dataclass(frozen=True, slots=True)
class Passages:
    """For each run the pair (1-based) at which it accepted and gave up; _OPEN where it never did before n_max."""

    accepted_at: Ints
    futile_at: Ints
    n_max: int

    @property
    def accepted(self) -> npt.NDArray[np.bool_]:
        """Runs whose acceptance came, and came no later than futility."""
        return np.asarray((self.accepted_at < _OPEN) & (self.accepted_at <= self.futile_at))

    @property
    def stopped_at(self) -> Ints:
        """Pairs that each run took."""
        return np.minimum(np.minimum(self.accepted_at, self.futile_at), self.n_max)


def iid(law: npt.ArrayLike, rng: np.random.Generator) -> Stream:
    """Return independent draws of a law on a lattice."""
    cumulative = np.cumsum(np.asarray(law, dtype=float))[:-1]

    def stream(runs: Ints, length: int) -> tuple[Ints, None]:
        return np.searchsorted(cumulative, rng.random((len(runs), length)), side="right").astype(np.int64), None

    return stream


def passages(
    accept: Process, stream: Stream, threshold: float, n_max: int, runs: int, *,
    futility: Process | None = None, futility_threshold: float = np.inf, wald_floor: float = -np.inf, n_min: int = 1,
) -> Passages:  # fmt: skip
    """Return the passages of `runs` runs over at most n_max pairs, each stopped at its first.

    accept is checked from n_min on, at its current value; wald_floor gives up where its log e-value falls to it.
    """
    accepted_at, futile_at = np.full(runs, _OPEN), np.full(runs, _OPEN)
    alive = np.arange(runs)
    sums, against = np.zeros((runs, len(accept.bets))), np.zeros(runs)
    for start in range(0, n_max, _CHUNK):
        length = min(_CHUNK, n_max - start)
        codes, thousandths = stream(alive, length)
        paths = sums[:, None, :] + np.cumsum(_steps(accept, codes, thousandths), axis=1)
        log_e = _mixture(paths)
        late = np.arange(start + 1, start + length + 1) >= n_min
        up, down = (log_e >= threshold) & late, log_e <= wald_floor
        if futility is not None:
            other = against[:, None] + np.cumsum(_steps(futility, codes, thousandths)[:, :, 0], axis=1)
            down |= other >= futility_threshold
            against = other[:, -1]
        _record(accepted_at, alive, up, start)
        _record(futile_at, alive, down, start)
        going = ~(up.any(axis=1) | down.any(axis=1))
        alive, sums, against = alive[going], paths[going, -1], against[going]
        if not len(alive):
            break
    return Passages(accepted_at, futile_at, n_max)


def log_e_paths(process: Process, codes: Ints, thousandths: Ints | None = None) -> Floats:
    """Return the running log e-values of streams, codes of shape (runs, n)."""
    return _mixture(np.cumsum(_steps(process, codes, thousandths), axis=1))


def _steps(process: Process, codes: Ints, thousandths: Ints | None) -> Floats:
    """Return increments in nats, shape (runs, n, bets)."""
    flat = codes.ravel()
    if thousandths is None:
        table = process.entries(np.arange(process.lattice.size), 1000)[0]
        return np.asarray((table.T * 1e-9).take(codes, axis=0))
    return np.asarray(process.increments_many(flat, thousandths.ravel()).T.reshape(*codes.shape, -1) * 1e-9)


def _mixture(paths: Floats) -> Floats:
    if paths.shape[-1] == 1:
        return np.asarray(paths[..., 0])
    top = paths.max(axis=-1)
    return np.asarray(top + np.log(np.exp(paths - top[..., None]).mean(axis=-1)))


def _record(found: Ints, alive: Ints, hit: npt.NDArray[np.bool_], start: int) -> None:
    any_hit = hit.any(axis=1)
    found[alive[any_hit]] = start + hit[any_hit].argmax(axis=1) + 1
