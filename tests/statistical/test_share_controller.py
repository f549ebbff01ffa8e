"""The share controller against a fixed share and against mirroring everything, on challengers that are worse or fine."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dualgate.gate.stats.cost import ShareController, best_observations, chernoff_exponent, fixed_window_share
from support.pair_laws import paired_law

HOURS, QUERIES_PER_HOUR, COST, IMPACT, PRIOR, C0 = 24, 360, 0.01, 5000.0, 0.1, 1.66
WORSE, FINE = paired_law(0.842, 0.802, 0.5), paired_law(0.842, 0.872, 0.5)
BET = float((WORSE[0] - WORSE[2]) / (WORSE[0] + WORSE[2]))
FACTORS = np.log1p(BET * np.array([1.0, 0.0, -1.0]))
KAPPA = chernoff_exponent(FACTORS.tolist(), WORSE.tolist())
ALARM = np.log(100)

Policy = Callable[[float, int], float]


@dataclass(frozen=True)
class Outcome:
    """Mean cost over both kinds of challenger, and how many worse ones were not found."""

    cost: float
    undetected: float


def _one(rng: np.random.Generator, worse: bool, policy: Policy) -> tuple[float, bool]:
    """(money spent on mirrored queries, alarmed) in one migration; the share is fixed at the beginning of each hour."""
    log_e, log_ratio, queries = 0.0, 0.0, 0
    ratio = np.log(WORSE / FINE)
    for hour in range(HOURS):
        n = rng.binomial(QUERIES_PER_HOUR, policy(log_ratio, HOURS - hour))
        codes = rng.choice(3, n, p=WORSE if worse else FINE)
        path = log_e + np.cumsum(FACTORS[codes])
        if (path >= ALARM).any():
            return COST * (queries + int(np.argmax(path >= ALARM)) + 1), True
        log_e, log_ratio, queries = float(path[-1]) if n else log_e, log_ratio + float(ratio[codes].sum()), queries + n
    return COST * queries, False


def _mean(policy: Policy, runs: int, seed: int) -> Outcome:
    """Both kinds simulated equally often and weighted by the prior."""
    rng = np.random.default_rng(seed)
    worse = [_one(rng, True, policy) for _ in range(runs)]
    fine = [_one(rng, False, policy) for _ in range(runs)]
    undetected = float(np.mean([not found for _, found in worse]))
    mirrored = PRIOR * np.mean([c for c, _ in worse]) + (1 - PRIOR) * np.mean([c for c, _ in fine])
    return Outcome(float(mirrored) + PRIOR * IMPACT * undetected, undetected)


def test_steering_by_what_is_known_is_cheaper() -> None:
    """The controller costs a fraction of the best fixed share, which costs less than mirroring everything; it misses no more."""
    controller = ShareController(PRIOR, IMPACT, COST, KAPPA, C0, least_share=0.002)
    fixed = fixed_window_share(best_observations(PRIOR, IMPACT, COST, KAPPA, C0), QUERIES_PER_HOUR, HOURS)
    steered = _mean(lambda log_ratio, hours: controller.share(log_ratio, hours, QUERIES_PER_HOUR), 400, 95)
    constant = _mean(lambda *_: fixed, 400, 95)
    everything = _mean(lambda *_: 1.0, 400, 95)
    assert steered.cost < constant.cost / 2 < everything.cost / 2, (steered, constant, everything)
    assert steered.undetected <= constant.undetected + 0.02
