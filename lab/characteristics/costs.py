"""Table 9: the share of queries to mirror: closed forms beside numeric minima, and the controller against fixed shares."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from dualgate.gate.stats.cost import (
    ShareController,
    best_observations,
    chernoff_exponent,
    fixed_window_cost,
    fixed_window_share,
    monitoring_share,
    run_to_decision_share,
    undetected_probability,
)
from dualgate.lab.characteristics.rows import Row, Z, exact_row, fraction_row, mean_row, printed
from dualgate.lab.characteristics.single_tests import paired

Floats = npt.NDArray[np.float64]
WORSE, FINE = paired(0.842, 0.802, 0.5), paired(0.842, 0.872, 0.5)
BET = float((WORSE[0] - WORSE[2]) / (WORSE[0] + WORSE[2]))
FACTORS = np.log1p(BET * np.array([1.0, 0.0, -1.0]))
RATIO = np.log(WORSE / FINE)
KAPPA, C0, FITTED = chernoff_exponent(FACTORS.tolist(), WORSE.tolist()), 1.66, 0.00179
ALARM = math.log(100)
STUDY = 4000
Policy = Callable[[float, int], float]


def alarms(runs: int, seed: int, n: int) -> npt.NDArray[np.int64]:
    """Return the pair (1-based) at which a loss of 4 points is found at alpha .01, n + 1 where it is not within n."""
    u = np.random.default_rng(seed).random((runs, n))
    over = np.cumsum(FACTORS[np.searchsorted(np.cumsum(WORSE)[:-1], u, side="right")], axis=1) >= ALARM
    return np.asarray(np.where(over.any(axis=1), over.argmax(axis=1) + 1, n + 1), dtype=np.int64)


def detection(runs: int, seed: int) -> Iterator[Row]:
    """Yield the evidence's drift under a loss of 4 points, Chernoff's exponent, and P(undetected) by formula and simulation."""
    drift = float(WORSE @ FACTORS)
    sd = math.sqrt(float(WORSE @ FACTORS**2) - drift**2)
    yield exact_row("9", "loss of 4 points, alpha .01", "mean growth", 0.00547, drift, 0.005)
    yield exact_row("9", "loss of 4 points, alpha .01", "Chernoff's kappa", 0.00138, KAPPA, 0.005)
    at = alarms(runs, seed, 2500)
    step = float(FACTORS.max())
    for n, formula, simulated in ((500, 0.754, 0.724), (800, 0.458, 0.426), (1200, 0.218, 0.199)):
        value = undetected_probability(n, drift, sd, ALARM + 0.29)
        yield exact_row("9", f"undetected after {n}", "inverse Gaussian, overshoot .29 (within 1 %)", formula, value, 0.01)
        yield fraction_row("9", f"undetected after {n}", "simulated", simulated, at > n, STUDY)
        value = undetected_probability(n, drift, sd, ALARM + step / 2)
        words = "inverse Gaussian, overshoot of half a step, less the simulated"
        yield exact_row("9", f"undetected after {n}", words, None, value - float((at > n).mean()))
    tail = np.arange(600, 2401, 100)
    slope, start = np.polyfit(tail, np.log([(at > n).mean() for n in tail]), 1)
    yield exact_row(
        "9", "undetected after n", f"kappa fitted on 600 to 2,400 (study: {FITTED}, range not stated)", None, -float(slope)
    )
    yield exact_row("9", "undetected after n", f"C0 fitted on the same (study: {C0})", None, math.exp(float(start)))


def closed_forms(runs: int, seed: int) -> Iterator[Row]:
    """Yield the closed forms A, B and C beside numeric minima of the same costs; A's costs with the simulated P(undetected)."""
    r, window, c, p = 300.0, 24.0, 0.01, 0.1
    at = alarms(runs, seed, 7200)
    for impact, share, cost, cost_all, cost_tenth in ((500.0, 0.210, 20.6, 72.4, 32.0), (5000.0, 0.388, 33.6, 76.1, 254.7)):

        def total(s: float, impact: float = impact) -> float:
            return fixed_window_cost(s, r, window, c, p * impact, min(1.0, C0 * math.exp(-FITTED * r * s * window)))

        best = fixed_window_share(best_observations(p, impact, c, FITTED, C0), r, window)
        name = f"A. fixed window, impact {impact:g}"
        yield exact_row("9", name, "share s*", share, best, 0.005)
        yield exact_row("9", name, "closed form over numeric minimum", 1.0, best / _least(total), 0.001)
        for words, stated, s in (("s*", cost, best), ("1", cost_all, 1.0), (".1", cost_tenth, 0.1)):
            costs = c * r * s * window + p * impact * (at > r * s * window)
            yield mean_row("9", name, f"cost at share {words}", stated, costs, STUDY)
    for share, rate, price, w in ((0.833, 300.0, 0.48, 1.0), (0.373, 3600.0, 2.0, 10.0), (0.053, 36_000.0, 2.0, 2.0)):

        def to_decide(s: float, rate: float = rate, price: float = price, w: float = w) -> float:
            return c * (1 + price * s) * 1000 + w * 1000 / (rate * s)

        best = run_to_decision_share(rate, w, c, price)
        yield exact_row("9", f"B. to a decision, {rate:g}/h", "share s*", share, best)
        yield exact_row(
            "9", f"B. to a decision, {rate:g}/h", "closed form over numeric minimum", 1.0, best / _least(to_decide), 0.001
        )
    for rate, hazard, loss in ((300.0, 0.001, 20.0), (3600.0, 0.0001, 10.0), (36_000.0, 0.0001, 50.0)):

        def for_ever(s: float, rate: float = rate, hazard: float = hazard, loss: float = loss) -> float:
            return c * rate * s + hazard * loss * 437.0 / (rate * s)

        best = monitoring_share(hazard, loss, 437.0, c, rate)
        yield exact_row(
            "9", f"C. monitoring, {rate:g}/h", "closed form over numeric minimum", 1.0, best / _least(for_ever), 0.001
        )


def _least(cost: Callable[[float], float]) -> float:
    return float(minimize_scalar(cost, bounds=(1e-5, 1), method="bounded", options={"xatol": 1e-9}).x)


@dataclass(frozen=True, slots=True)
class World:
    """A rate, a price, an impact and a prior; stated mean costs (controller, fixed closed form, everything) and undetected."""

    queries_per_hour: int
    cost: float
    impact: float
    prior: float
    stated: tuple[float, float, float]
    undetected: float


WORLDS = (
    World(360, 0.01, 5000.0, 0.1, (3.95, 31.2, 79.3), 0.011),
    World(36_000, 0.002, 50_000.0, 0.1, (3.8, 34.2, 1572.0), 0.005),
    World(36_000, 0.002, 5000.0, 0.02, (3.6, 5.5, 1700.0), 0.0),
)
HOURS = 24


def one(world: World, rng: np.random.Generator, worse: bool, policy: Policy) -> tuple[float, bool]:
    """Return (money for mirrored queries, alarmed) of one migration; the share is fixed at the beginning of each hour."""
    log_e, log_ratio, queries = 0.0, 0.0, 0
    law = np.cumsum(WORSE if worse else FINE)[:-1]
    for hour in range(HOURS):
        n = int(rng.binomial(world.queries_per_hour, policy(log_ratio, HOURS - hour)))
        codes = np.searchsorted(law, rng.random(n), side="right")
        path = log_e + np.cumsum(FACTORS[codes])
        if (path >= ALARM).any():
            return world.cost * (queries + int(np.argmax(path >= ALARM)) + 1), True
        log_e, log_ratio, queries = float(path[-1]) if n else log_e, log_ratio + float(RATIO[codes].sum()), queries + n
    return world.cost * queries, False


def policies(world: World) -> dict[str, Policy]:
    """Return the controller, the best fixed share, and everything."""
    controller = ShareController(world.prior, world.impact, world.cost, FITTED, C0, least_share=0.002)
    n = best_observations(world.prior, world.impact, world.cost, FITTED, C0)
    fixed = fixed_window_share(n, world.queries_per_hour, HOURS)
    return {
        "controller": lambda log_ratio, hours: controller.share(log_ratio, hours, world.queries_per_hour),
        "fixed share": lambda *_: fixed,
        "everything": lambda *_: 1.0,
    }


@dataclass(frozen=True, slots=True)
class Costs:
    """Money of runs with a worse and with a fine challenger, and which worse ones were missed (their impact is in worse)."""

    worse: Floats
    fine: Floats
    missed: npt.NDArray[np.bool_]


def mean_costs(world: World, name: str, runs: int, seed: int) -> Costs:
    """Return the costs of a policy, as many runs of each kind."""
    rng, policy = np.random.default_rng(seed), policies(world)[name]
    worse = [one(world, rng, True, policy) for _ in range(runs)]
    fine = [one(world, rng, False, policy) for _ in range(runs)]
    missed = np.array([not found for _, found in worse])
    return Costs(np.array([c for c, _ in worse]) + world.impact * missed, np.array([c for c, _ in fine]), missed)


def controllers(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield mean costs and misses of the three policies in one world."""
    world = WORLDS[index]
    name = f"{world.queries_per_hour:,} queries/h, {world.cost:g} each, impact {world.impact:,.0f}, prior {world.prior:g}"
    for policy, stated in zip(("controller", "fixed share", "everything"), world.stated, strict=True):
        # Everything at 36,000 queries/h is 860,000 pairs a run.
        some = max(20, runs // 50) if world.queries_per_hour > 1000 and policy == "everything" else runs
        found = mean_costs(world, policy, some, seed)
        yield _cost_row(name, policy, stated, world.prior, found)
        limit = {"controller": 0.0, "fixed share": world.undetected, "everything": 0.0}[policy]
        yield fraction_row("9", name, f"worse ones missed, {policy}", limit, found.missed, round(2000 * world.prior))


def _cost_row(name: str, policy: str, stated: float, prior: float, found: Costs) -> Row:
    """Return a mean cost beside one of 2,000 runs whose kind was drawn by the prior."""
    mean = prior * float(found.worse.mean()) + (1 - prior) * float(found.fine.mean())
    square = prior * float((found.worse**2).mean()) + (1 - prior) * float((found.fine**2).mean())
    own = (prior**2 * float(found.worse.var()) + (1 - prior) ** 2 * float(found.fine.var())) / len(found.worse)
    reach = Z * math.sqrt((square - mean**2) / 2000 + own) + printed(stated)
    return Row("9", name, f"mean cost, {policy}", stated, mean, mean - reach, mean + reach, 2 * len(found.worse))
