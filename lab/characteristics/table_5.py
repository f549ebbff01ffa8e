"""Table 5: false claims and false migrations of each method, the rollback of a family, and Simes as a gate."""

from collections.abc import Iterator

import numpy as np

from dualgate.gate.stats import least_favourable
from dualgate.gate.stats.lattice import BINARY, SCORE, TERNARY
from dualgate.gate.stats.laws import bernoulli, tilt
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.families import (
    METHODS,
    NEVER,
    PAIRS,
    RHOS,
    Bools,
    Member,
    claims,
    evidence,
    gate_family,
    simes_as_gate,
)
from dualgate.lab.characteristics.rows import Row, fraction_row, mean_row
from dualgate.lab.characteristics.single_tests import ALPHA, paired, spiked

STUDY = 2000
ALL_NULL = {
    "none": (0.177, 0.186, 0.155, 0.160),
    "bonferroni": (0.042, 0.047, 0.041, 0.046),
    "holm": (0.042, 0.047, 0.041, 0.046),
    "hommel": (0.042, 0.048, 0.041, 0.047),
    "closed e-mean": (0.044, 0.047, 0.043, 0.049),
}
ONE_NULL = {
    "none": (0.050, 0.057, 0.040, 0.050),
    "bonferroni": (0.009, 0.013, 0.009, 0.015),
    "holm": (0.050, 0.057, 0.040, 0.050),
    "hommel": (0.050, 0.057, 0.040, 0.050),
    "closed e-mean": (0.050, 0.057, 0.040, 0.050),
}
TWO_NULL = {
    "none": (0.104, 0.093),
    "bonferroni": (0.025, 0.028),
    "holm": (0.054, 0.053),
    "hommel": (0.054, 0.055),
    "closed e-mean": (0.054, 0.055),
}


def nulls(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield family-wise errors and migrations at one dependence: four nulls, one null (correctness) and two."""
    rho = RHOS[index]
    found = evidence(gate_family(("null",) * 4), rho, runs, seed)
    name = f"all null, rho {rho}"
    for method, claimed in claims(found).items():
        yield fraction_row("5", name, f"any false claim, {method}", ALL_NULL[method][index], _any(claimed), STUDY)
        if method != "none":
            yield fraction_row("5", name, f"any false claim, {method}, at most alpha", ALPHA, _any(claimed), kind="at most")
        yield fraction_row("5", name, f"migrates, {method}", 0.0, _all(claimed), STUDY)
    stated = (0.042, 0.048, 0.042, 0.048)[index]
    yield fraction_row("5", name, "migrates, Simes as gate", stated, simes_as_gate(found), STUDY)
    one = evidence(gate_family(("null", "design", "design", "good")), rho, runs, seed + 1)
    name = f"one null, rho {rho}"
    for method, claimed in claims(one).items():
        yield fraction_row("5", name, f"migrates, {method}", ONE_NULL[method][index], _all(claimed), STUDY)
        yield fraction_row("5", name, f"migrates, {method}, at most alpha", ALPHA, _all(claimed), kind="at most")
    yield fraction_row("5", name, "migrates, Simes as gate", 1.0, simes_as_gate(one), STUDY)
    if rho in (0.0, 0.9):
        two = claims(evidence(gate_family(("null", "null", "design", "good")), rho, runs, seed + 2))
        for method, claimed in two.items():
            value = TWO_NULL[method][RHOS.index(rho) // 2]
            false = np.asarray(claimed[:, :2].any(axis=1))
            yield fraction_row("5", f"two null, rho {rho}", f"any false claim, {method}", value, false, STUDY)


def _any(claimed: Bools) -> Bools:
    return np.asarray(claimed.any(axis=1))


def _all(claimed: Bools) -> Bools:
    return np.asarray(claimed.all(axis=1))


def good_and_combined(runs: int, seed: int) -> Iterator[Row]:
    """Yield how a good challenger migrates by each method, and the study's combined event (correctness up, latency 3.5 %)."""
    good = evidence(gate_family(("design", "design", "design", "good")), 0.0, runs, seed)
    stated = {
        "none": (0.985, 979), "bonferroni": (0.965, 1380), "holm": (0.985, 996), "hommel": (0.985, 979),
        "closed e-mean": (0.985, 983),
    }  # fmt: skip
    for method in METHODS:
        at = good.all_at[method]
        words = f"all good, {method}"
        yield fraction_row("5", words, "migrates", stated[method][0], at < NEVER, STUDY)
        yield mean_row("5", words, "mean pairs", stated[method][1], np.minimum(at, PAIRS), STUDY)
    ratio = np.minimum(good.all_at["holm"], PAIRS) / np.minimum(good.all_at["none"], PAIRS).mean()
    yield mean_row("5", "all good", "pairs of Holm over no correction", 1.017, ratio, STUDY)
    ratio = np.minimum(good.all_at["bonferroni"], PAIRS) / np.minimum(good.all_at["none"], PAIRS).mean()
    yield mean_row("5", "all good", "pairs of Bonferroni over no correction", 1.41, ratio, STUDY)
    combined = evidence(gate_family(("design", "bad", "design", "good")), 0.0, runs, seed + 1)
    for method, claimed in claims(combined).items():
        yield fraction_row("5", "combined event", f"migrates, {method}", 0.0, _all(claimed), STUDY)
    yield fraction_row("5", "combined event", "migrates, Simes as gate", 1.0, simes_as_gate(combined), STUDY)


ALPHA_R = 0.05
BOUNDARIES = (0.0, 0.99, 0.86, 0.994)


def rollback_family(losses: tuple[str, str, str, str]) -> tuple[Member, ...]:
    """Return the four "worse" processes, each under its "boundary", "mild" or "event" law; one optimal bet each."""
    laws = {
        "boundary": (paired(0.842, 0.842, 0.5), bernoulli(0.99), spiked(0.86), bernoulli(0.994)),
        "mild": (paired(0.842, 0.822, 0.5), bernoulli(0.975), spiked(0.84), bernoulli(0.989)),
        "event": (paired(0.842, 0.802, 0.5), bernoulli(0.965), spiked(0.84), bernoulli(0.985)),
    }
    good = (paired(0.842, 0.896, 0.5), bernoulli(0.9925), spiked(0.89), bernoulli(0.997))
    members = []
    for d, (lattice, null) in enumerate(zip((TERNARY, BINARY, SCORE, BINARY), BOUNDARIES, strict=True)):
        planned = laws["event"][d]
        x = lattice.values
        bet = _bet(x, planned, null)
        law = (
            good[d]
            if losses[d] == "good"
            else tilt(x, laws["boundary"][d], null)
            if losses[d] == "boundary"
            else laws[losses[d]][d]
        )
        members.append(Member(Process(lattice, null, -1, (bet,)), np.asarray(law)))
    return tuple(members)


def _bet(x: np.typing.NDArray[np.float64], planned: np.typing.NDArray[np.float64], null: float) -> float:
    """Return the bet of the process for "worse", from its least favourable law: 1 + bet (null - x) = q / p*."""
    p = least_favourable(-x, planned, -null)
    at = int(np.argmin(x))
    return float((planned[at] / p[at] - 1) / (null - x[at]))


def rollback(runs: int, seed: int) -> Iterator[Row]:
    """Yield false and true rollbacks of a family: at the boundary, one clear regression, four mild ones."""
    at_boundary = evidence(rollback_family(("boundary",) * 4), 0.0, runs, seed, ALPHA_R)
    stated = {"none": 0.149, "bonferroni": 0.046, "holm": 0.046, "hommel": 0.046, "simes": 0.047, "closed e-mean": 0.047}
    for method, value in stated.items():
        alarmed = at_boundary.any_at[method] < NEVER
        yield fraction_row("5", "rollback, all at the boundary, rho 0", f"any alarm, {method}", value, alarmed, STUDY)
        if method != "none":
            words = f"any alarm, {method}, at most alpha"
            yield fraction_row("5", "rollback, all at the boundary, rho 0", words, ALPHA_R, alarmed, kind="at most")
    event = evidence(rollback_family(("boundary", "event", "boundary", "boundary")), 0.0, runs, seed + 1, ALPHA_R)
    mild = evidence(rollback_family(("mild",) * 4), 0.0, runs, seed + 2, ALPHA_R)
    pairs = {"none": 178, "bonferroni": 251, "holm": 251, "hommel": 251, "simes": 251, "closed e-mean": 251}
    found = {"none": (0.98, 409), "bonferroni": (0.93, 799), "holm": (0.93, 799), "hommel": (0.935, 776)}
    found |= {"simes": (0.936, 768), "closed e-mean": (0.932, 783)}
    for method, value in pairs.items():
        name = f"rollback, {method}"
        taken = np.minimum(event.any_at[method], PAIRS)
        yield mean_row("5", name, "latency regression, mean pairs", value, taken, STUDY)
        detected = mild.any_at[method] < NEVER
        yield fraction_row("5", name, f"four mild losses, found (study: {found[method][0]})", None, detected)
        taken = np.minimum(mild.any_at[method], PAIRS)
        yield mean_row("5", name, f"four mild losses, mean pairs (study: {found[method][1]})", None, taken)
