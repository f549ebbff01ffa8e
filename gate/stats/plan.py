"""What a migration will need before it starts: pairs, horizon, thresholds.

The sequential test is planned at its design: Wald's bound on the mean number of pairs, the fixed-sample size beside it, and by
simulation the least n by which the nine-bet mixture has accepted with probability 1 - beta. Simulation is seeded and adds
integers, so a plan comes out the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.bets import checked_law, gro_bet, least_favourable
from dualgate.gate.stats.boundaries import log_threshold
from dualgate.gate.stats.dimension import DimensionSpec
from dualgate.gate.stats.fixed_size import n_fixed
from dualgate.gate.stats.lattice import FloatArray, IntArray
from dualgate.gate.stats.multiplicity import check_level
from dualgate.gate.stats.process import Process

STRETCH = 1.5
"""The horizon over the n that suffices with probability 1 - beta: cutting at that n itself costs 11-16 points of power."""

_RUNS = 2000
_LONG = 4
"""A rater's test takes so many pairs more that a plan of it is made from so many runs less."""
_CHUNK = 128
_CEILING = 20_000_000
_FULL = 1000


@dataclass(frozen=True, slots=True)
class SprtPlan:
    """Planning numbers of one test, in pairs."""

    bet: float
    n_fixed: int
    wald_n_h1: float
    wald_n_h0: float
    n_max: int


def sprt_plan(values: npt.ArrayLike, probabilities: npt.ArrayLike, null_mean: float, alpha: float, beta: float) -> SprtPlan:
    """Return the plan of Wald's test of this law against the least favourable null of mean null_mean.

    wald_n_h1, wald_n_h0: Wald's lower bounds on the mean number of pairs under the design and under that null (1945); the
    second is 0 where the design never takes a value that the null does: one such pair decides. n_max: 1.5 n_fixed.
    Raises ValueError where the law is not better than the null, a level is outside (0, 1), or alpha + beta is not below 1.
    """
    x, q = checked_law(values, probabilities)
    size = n_fixed(x, q, null_mean, alpha, beta)
    bet, p = gro_bet(x, q, null_mean), least_favourable(x, q, null_mean)
    taken = q > 0
    increments = np.log1p(bet * (x[taken] - null_mean))
    drift1, drift0 = float(q[taken] @ increments), float(p[taken] @ increments)
    if (p[~taken] > 0).any():
        drift0 = -math.inf
    n_h1, n_h0 = _wald_bits(beta, alpha) / drift1, _wald_bits(alpha, beta) / -drift0
    return SprtPlan(bet, size, n_h1, n_h0, math.ceil(STRETCH * size))


def _wald_bits(a: float, b: float) -> float:
    """Return (1 - a) log((1 - a) / b) + a log(a / (1 - b)), the least mean log-likelihood ratio at stopping."""
    return (1 - a) * math.log((1 - a) / b) + a * math.log(a / (1 - b))


def passage_n(
    process: Process, law: npt.ArrayLike, threshold: float, power: float, *, runs: int = _RUNS, seed: int = 1, stride: int = 4
) -> int:
    """Return the least n by which the process has reached the threshold with probability `power`, under a law on its lattice.

    By simulation, looked at every `stride` pairs. Raises ValueError where it is not reached within 20 million pairs.
    """
    check_level("power", power)
    cumulative = np.cumsum(np.asarray(law, dtype=float))
    columns = np.zeros((process.lattice.size, len(process.bets)), dtype=np.int64)
    for code in np.flatnonzero(np.asarray(law, dtype=float)).tolist():
        columns[code] = process.increments(code, _FULL)
    rng, sums = np.random.default_rng(seed), np.zeros((runs, len(process.bets)), dtype=np.int64)
    wanted, n, crossed = math.ceil(power * runs), 0, 0
    while n < _CEILING:
        first = _first_passages(rng, cumulative, columns, process.weights, sums, threshold, stride)
        reached = np.sort(first[first >= 0])
        if crossed + len(reached) >= wanted:
            return int(n + (reached[wanted - crossed - 1] + 1) * stride)
        crossed, n = crossed + len(reached), n + _CHUNK * stride
        sums = sums[first < 0]
    raise ValueError(
        f"threshold {threshold:.4g} is not reached within {_CEILING} pairs; accepted: a design further from its null"
    )


def _first_passages(
    rng: np.random.Generator, cumulative: FloatArray, columns: IntArray, weights: Sequence[int], sums: IntArray,
    threshold: float, stride: int,
) -> IntArray:  # fmt: skip
    """Move every run by a chunk (sums in place); return the first look at which each reached the threshold, else -1."""
    first = np.full(len(sums), -1, dtype=np.int64)
    log_share = np.log(np.array(weights) / sum(weights))
    for start in range(0, len(sums), 256):
        part = slice(start, start + 256)
        runs = len(sums[part])
        codes = np.searchsorted(cumulative[:-1], rng.random((runs, _CHUNK, stride)), side="right")
        paths = sums[part, None, :] + np.cumsum(columns[codes].sum(axis=2), axis=1)
        hit = np.logaddexp.reduce(paths * 1e-9 + log_share, axis=2) >= threshold
        first[part] = np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
        sums[part] = paths[:, -1]
    return first


@dataclass(frozen=True, slots=True)
class HypothesisPlan:
    """The plan of one hypothesis, in its own observations and (divided by the share of eligible pairs) in pairs."""

    name: str
    sprt: SprtPlan
    n_mixture: int
    eligible: float

    @property
    def min_pairs(self) -> int:
        """Pairs that Wald's bound asks for under the design."""
        return math.ceil(self.sprt.wald_n_h1 / self.eligible)

    @property
    def max_pairs(self) -> int:
        """Pairs after which waiting any longer is not worth it."""
        return math.ceil(STRETCH * self.n_mixture / self.eligible)


@dataclass(frozen=True, slots=True)
class Horizon:
    """`min_pairs` and `max_pairs: auto` of a migration, and each hypothesis' share in them."""

    min_pairs: int
    max_pairs: int
    hypotheses: tuple[HypothesisPlan, ...]


def horizon(
    specs: Sequence[DimensionSpec], alpha: float, beta: float, *,
    eligible: Mapping[str, float] | None = None, runs: int = _RUNS, seed: int = 1,
) -> Horizon:  # fmt: skip
    """Return the horizon of a migration: the greatest over its hypotheses.

    eligible: share of the sampled pairs that observe a hypothesis, by name or else by dimension; 1 unless given. Counts are of
    sampled pairs. Raises ValueError for a share outside (0, 1].
    """
    if not specs:
        raise ValueError("no hypothesis to plan, accepted: at least one dimension that is on")
    plans = tuple(_hypothesis(spec, alpha, beta, _share(spec, eligible or {}), runs, seed) for spec in specs)
    return Horizon(max(p.min_pairs for p in plans), max(p.max_pairs for p in plans), plans)


def _share(spec: DimensionSpec, eligible: Mapping[str, float]) -> float:
    share = eligible.get(spec.name, eligible.get(spec.dimension, 1.0))
    if not 0 < share <= 1:
        raise ValueError(f"{spec.name}: eligible share {share!r}, accepted: in (0, 1]")
    return share


def _hypothesis(spec: DimensionSpec, alpha: float, beta: float, eligible: float, runs: int, seed: int) -> HypothesisPlan:
    law = np.array(spec.law)
    plan = sprt_plan(spec.accept.lattice.values, law, spec.accept.null, alpha, beta)
    runs = runs // _LONG if spec.measure == "rated" else runs
    n = passage_n(spec.accept, law, log_threshold(alpha), 1 - beta, runs=runs, seed=seed)
    return HypothesisPlan(spec.name, plan, n, eligible)
