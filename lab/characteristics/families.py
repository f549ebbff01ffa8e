"""Table 5: several dimensions at once under a Gaussian copula: false claims, false migrations, and Simes as a gate."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from dualgate.gate.stats import bonferroni, holm, hommel, iut, least_favourable, simes
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import log_e_paths
from dualgate.lab.characteristics.rows import Row, fraction_row
from dualgate.lab.characteristics.single_tests import ALPHA, CASES, Case, fixed_bet

PAIRS = 3000
RHOS = (-0.3, 0.0, 0.5, 0.9)
_BATCH = 50
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FOUR = tuple(
    next(c for c in CASES if c.name == name)
    for name in ("correctness +.054, phi .5", "latency .02 vs .0075", "semantic .86 vs .89", "safety .014 vs .003")
)
"""Four dimensions whose tests end well within 3,000 pairs."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Running anytime p-values at the end (runs, 4), and whether each mean over a subset once reached 1/alpha (runs, 15)."""

    p: Floats
    e_mean: Bools


def evidence(null: tuple[bool, ...], rho: float, runs: int, seed: int) -> Evidence:
    """Return the evidence of runs: dimensions marked null follow their least favourable law, the others the design."""
    rng = np.random.default_rng(seed)
    factor = np.asarray(np.linalg.cholesky(np.full((4, 4), rho) + (1 - rho) * np.eye(4)), dtype=np.float64)
    laws = [_law(case, is_null) for case, is_null in zip(FOUR, null, strict=True)]
    processes = [fixed_bet(case)[0] for case in FOUR]
    parts = [_batch(rng, factor, laws, processes, min(_BATCH, runs - done)) for done in range(0, runs, _BATCH)]
    return Evidence(np.concatenate([p for p, _ in parts]), np.concatenate([e for _, e in parts]))


def _law(case: Case, is_null: bool) -> Floats:
    return least_favourable(case.lattice.values, case.design, case.null) if is_null else case.design


def _batch(
    rng: np.random.Generator, factor: Floats, laws: list[Floats], processes: list[Process], runs: int
) -> tuple[Floats, Bools]:
    latent = factor @ rng.standard_normal((runs, 4, PAIRS))
    cuts = [ndtri(np.cumsum(law)[:-1].clip(0, 1 - 1e-15)) for law in laws]
    codes = [np.searchsorted(cuts[d], latent[:, d]).astype(np.int64) for d in range(4)]
    log_e = np.stack([log_e_paths(p, c) for p, c in zip(processes, codes, strict=True)], axis=1)
    p_values = np.exp(-np.maximum(log_e.max(axis=2), 0.0))
    e = np.exp(np.minimum(log_e, 50.0))
    bits = ((np.arange(1, 16)[:, None] >> np.arange(4)) & 1) / 1.0
    means = np.einsum("sd,rdn->rsn", bits / bits.sum(axis=1, keepdims=True), e)
    return p_values, np.asarray((means >= 1 / ALPHA).any(axis=2))


def claims(found: Evidence) -> Mapping[str, Bools]:
    """Return which dimensions each method claims, (runs, 4)."""
    bits = ((np.arange(1, 16)[:, None] >> np.arange(4)) & 1).astype(bool)
    methods = {"bonferroni": bonferroni, "holm": holm, "hommel": hommel}
    out: dict[str, Bools] = {"none": np.asarray(found.p <= ALPHA)}
    out |= {name: np.array([method(p, ALPHA) for p in found.p], dtype=bool) for name, method in methods.items()}
    out["closed e-mean"] = np.stack([found.e_mean[:, bits[:, d]].all(axis=1) for d in range(4)], axis=1)
    return out


_ALL_NULL: dict[str, tuple[float, ...]] = {
    "none": (0.177, 0.186, 0.155, 0.160),
    "bonferroni": (0.042, 0.047, 0.041, 0.046),
    "holm": (0.042, 0.047, 0.041, 0.046),
    "hommel": (0.042, 0.048, 0.041, 0.047),
    "closed e-mean": (0.044, 0.047, 0.043, 0.049),
}


def table_5(runs: int, seed: int, rhos: tuple[float, ...] = RHOS) -> Iterator[Row]:
    """Yield family-wise errors with all four null, and migrations with one null, all good, and Simes as a gate."""
    for i, rho in ((i, r) for i, r in enumerate(RHOS) if r in rhos):
        found = evidence((True,) * 4, rho, runs, seed + i)
        for method, claimed in claims(found).items():
            yield fraction_row(
                "5", f"all null, rho {rho}", f"any false claim, {method}", _ALL_NULL[method][i], _every(claimed, np.any), 2000
            )
        yield fraction_row(
            "5", f"all null, rho {rho}", "migrates, Simes as gate", (0.042, 0.048, 0.042, 0.048)[i], _simes(found), 2000
        )
        yield fraction_row("5", f"all null, rho {rho}", "migrates, holm", 0.0, _every(claims(found)["holm"], np.all), 2000)
        one = evidence((True, False, False, False), rho, runs, seed + 10 + i)
        migrates = np.array([iut(p, ALPHA) for p in one.p])
        stated = (0.050, 0.057, 0.040, 0.050)[i]
        yield fraction_row("5", f"one null, rho {rho}", "migrates, intersection-union", stated, migrates, 2000)
        yield fraction_row("5", f"one null, rho {rho}", "migrates, holm", stated, _every(claims(one)["holm"], np.all), 2000)
        yield fraction_row("5", f"one null, rho {rho}", "migrates, Simes as gate", 1.0, _simes(one), 2000)
    good = evidence((False,) * 4, 0.0, runs, seed + 20)
    yield fraction_row("5", "all good, rho 0.0", "migrates, holm", None, _every(claims(good)["holm"], np.all))


def _every(claimed: Bools, over: Callable[..., Any]) -> Bools:
    return np.asarray(over(claimed, axis=1), dtype=bool)


def _simes(found: Evidence) -> Bools:
    return np.array([simes(p, ALPHA) for p in found.p])


def false_claims(rho: float, runs: int, seed: int) -> Mapping[str, Bools]:
    """Return for each method which of the runs with four nulls claim anything."""
    return {m: _every(c, np.any) for m, c in claims(evidence((True,) * 4, rho, runs, seed)).items()}
