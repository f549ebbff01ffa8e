"""Several dimensions at once under a Gaussian copula: anytime p-values, means of e-values, and when each method stops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from dualgate.gate.stats import bonferroni, holm, hommel, simes
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import log_e_paths
from dualgate.lab.characteristics.single_tests import ALPHA, Case, case_named, fixed_bet

PAIRS = 3000
RHOS = (-0.3, 0.0, 0.5, 0.9)
_BATCH = 50
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
NEVER = 2**62
METHODS = ("none", "bonferroni", "holm", "hommel", "closed e-mean")

FOUR: tuple[Case, ...] = tuple(
    case_named(name)
    for name in ("correctness +.054, phi .5", "latency .02 vs .0075", "semantic .86 vs .88", "safety .01 vs .004")
)
"""The four dimensions of the study's family."""

BITS = ((np.arange(1, 16)[:, None] >> np.arange(4)) & 1).astype(bool)
"""The 15 non-empty subsets of four dimensions."""


@dataclass(frozen=True, slots=True)
class Member:
    """One dimension of a family: the process that tests it and the law that it follows."""

    process: Process
    law: Floats


@dataclass(frozen=True, slots=True)
class Evidence:
    """Anytime p-values at the end, (runs, 4); the pair at which each method first claims all four, and anything, (runs,)."""

    p: Floats
    e_mean: Bools
    all_at: Mapping[str, Ints]
    any_at: Mapping[str, Ints]


def gate_family(laws: Sequence[str]) -> tuple[Member, ...]:
    """Return the four acceptance tests by law: "null", "design", "bad" (3.5 % over the SLA) or "good" (.3 % violations)."""
    members = []
    for case, law in zip(FOUR, laws, strict=True):
        known = {
            "null": case.boundary_law,
            "design": case.design,
            "bad": np.array([0.035, 0.965]),
            "good": np.array([0.003, 0.997]),
        }
        members.append(Member(fixed_bet(case)[0], known[law]))
    return tuple(members)


def evidence(members: Sequence[Member], rho: float, runs: int, seed: int, alpha: float = ALPHA, n: int = PAIRS) -> Evidence:
    """Return the evidence of runs of n pairs whose latent outcomes have correlation rho between any two dimensions."""
    rng = np.random.default_rng(seed)
    factor = np.asarray(np.linalg.cholesky(np.full((4, 4), rho) + (1 - rho) * np.eye(4)), dtype=np.float64)
    parts = [_batch(rng, factor, members, min(_BATCH, runs - done), alpha, n) for done in range(0, runs, _BATCH)]
    return Evidence(
        np.concatenate([part.p for part in parts]),
        np.concatenate([part.e_mean for part in parts]),
        {m: np.concatenate([part.all_at[m] for part in parts]) for m in METHODS},
        {m: np.concatenate([part.any_at[m] for part in parts]) for m in (*METHODS, "simes")},
    )


def _batch(rng: np.random.Generator, factor: Floats, members: Sequence[Member], runs: int, alpha: float, n: int) -> Evidence:
    latent = factor @ rng.standard_normal((runs, 4, n))
    paths = []
    for d, member in enumerate(members):
        cuts = ndtri(np.cumsum(member.law)[:-1].clip(0, 1 - 1e-15))
        paths.append(log_e_paths(member.process, np.searchsorted(cuts, latent[:, d]).astype(np.int64)))
    log_e = np.stack(paths, axis=1)
    best = np.maximum.accumulate(np.maximum(log_e, 0.0), axis=2)
    e = np.exp(np.minimum(log_e, 50.0))
    means = np.einsum("sd,rdn->rsn", BITS / BITS.sum(axis=1, keepdims=True), e)
    latched = np.maximum.accumulate(means >= 1 / alpha, axis=2)
    closed = np.stack([latched[:, BITS[:, d]].all(axis=1) for d in range(4)], axis=1)
    claimed = {name: paths_of_claims(best, name, alpha) for name in METHODS[:-1]} | {"closed e-mean": closed}
    any_at = {name: _first(np.asarray(paths.any(axis=1))) for name, paths in claimed.items()}
    ranked = -np.sort(-best, axis=1)
    any_at["simes"] = _first(np.asarray((ranked >= _levels(alpha, [4 / j for j in range(1, 5)])).any(axis=1)))
    all_at = {name: _first(np.asarray(paths.all(axis=1))) for name, paths in claimed.items()}
    return Evidence(np.exp(-best[:, :, -1]), latched[:, :, -1], all_at, any_at)


def _levels(alpha: float, divisors: Sequence[float]) -> Floats:
    return np.asarray(np.log(np.array(divisors) / alpha)[None, :, None])


def paths_of_claims(best: Floats, method: str, alpha: float) -> Bools:
    """Return which dimensions a method claims after each pair, (runs, 4, n), from running greatest log e-values."""
    if method == "none":
        return np.asarray(best >= np.log(1 / alpha))
    if method == "bonferroni":
        return np.asarray(best >= np.log(4 / alpha))
    order = np.argsort(-best, axis=1, kind="stable")
    ranked = np.take_along_axis(best, order, axis=1)
    if method == "holm":
        claimed = np.logical_and.accumulate(ranked >= _levels(alpha, (4, 3, 2, 1)), axis=1)
    else:
        # Hommel: with j the greatest size whose weakest j p-values all fail Simes, those with p <= alpha / j; all if none.
        threshold = np.full((best.shape[0], 1, best.shape[2]), -np.inf)
        for j in range(1, 5):
            fails = (ranked[:, 4 - j :] < _levels(alpha, [j / i for i in range(1, j + 1)])).all(axis=1, keepdims=True)
            threshold = np.where(fails, np.log(j / alpha), threshold)
        claimed = ranked >= threshold
    out = np.zeros_like(claimed)
    np.put_along_axis(out, order, claimed, axis=1)
    return out


def _first(hit: Bools) -> Ints:
    return np.asarray(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, NEVER), dtype=np.int64)


def claims(found: Evidence, alpha: float = ALPHA) -> Mapping[str, Bools]:
    """Return which dimensions each method claims in the end, (runs, 4), by the gate's own functions."""
    methods = {"bonferroni": bonferroni, "holm": holm, "hommel": hommel}
    out: dict[str, Bools] = {"none": np.asarray(found.p <= alpha)}
    out |= {name: np.array([method(p, alpha) for p in found.p], dtype=bool) for name, method in methods.items()}
    out["closed e-mean"] = np.stack([found.e_mean[:, BITS[:, d]].all(axis=1) for d in range(4)], axis=1)
    return out


def simes_as_gate(found: Evidence, alpha: float = ALPHA) -> Bools:
    """Return which runs Simes' test of the global null would promote."""
    return np.array([simes(p, alpha) for p in found.p])


def false_claims(rho: float, runs: int, seed: int) -> Mapping[str, Bools]:
    """Return for each method which of the runs with four nulls claim anything."""
    found = claims(evidence(gate_family(("null",) * 4), rho, runs, seed))
    return {method: np.asarray(claimed.any(axis=1)) for method, claimed in found.items()}
