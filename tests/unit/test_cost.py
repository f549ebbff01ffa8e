"""The cost model: each closed form against a numeric minimum, the page's cases, and what is refused."""

import math

import pytest
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
from support.pair_laws import paired_law

KAPPA, C0 = 0.00179, 1.66
CONTROLLER = ShareController(0.1, 5000.0, 0.01, KAPPA, C0, least_share=0.002, greatest_share=0.5)


def _worse_by_four_points() -> tuple[list[float], list[float]]:
    """Log factors of the best bet on a loss of 4 points, and the law of the pairs."""
    worse, same, better = paired_law(0.842, 0.802, 0.5)
    bet = (worse - better) / (worse + better)
    return [math.log(1 + bet), 0.0, math.log(1 - bet)], [worse, same, better]


@pytest.mark.parametrize(("impact", "share", "cost"), [(500.0, 0.210, 20.6), (5000.0, 0.388, 33.6)])
def test_fixed_window(impact: float, share: float, cost: float) -> None:
    """Case A: the page's shares and costs at 300 queries/h for 24 h, and no other share is cheaper."""

    def total(s: float) -> float:
        return fixed_window_cost(s, 300, 24, 0.01, 0.1 * impact, min(1.0, C0 * math.exp(-KAPPA * s * 7200)))

    best = fixed_window_share(best_observations(0.1, impact, 0.01, KAPPA, C0), 300, 24)
    assert best == pytest.approx(share, abs=1e-3)
    assert total(best) == pytest.approx(cost, abs=0.15)
    assert total(best) == pytest.approx(min(total(s / 1000) for s in range(1, 1001)), rel=1e-4)


@pytest.mark.parametrize(("rate", "delay", "cost", "peak"), [(300, 5, 0.01, 2.4), (3600, 10, 0.01, 2.0), (36000, 1, 0.002, 5.0)])
def test_run_to_decision(rate: float, delay: float, cost: float, peak: float) -> None:
    """Case B: sqrt(w / (r c0 g)) is the numeric minimum of the cost, for any number of observations."""
    for n in (500.0, 3000.0):
        found = minimize_scalar(lambda s: cost * (1 + peak * s) * n + delay * n / (rate * s), bounds=(1e-4, 1), method="bounded")  # noqa: B023
        assert run_to_decision_share(rate, delay, cost, peak) == pytest.approx(float(found.x), abs=1e-3)
    assert run_to_decision_share(rate, delay, cost, 0.0) == 1.0


@pytest.mark.parametrize(("hazard", "loss", "delay", "cost", "rate"), [(0.001, 50, 437, 0.01, 150), (1e-4, 100, 437, 0.01, 3000)])
def test_monitoring(hazard: float, loss: float, delay: float, cost: float, rate: float) -> None:
    """Case C: sqrt(theta I ARL1 / c) / r is the numeric minimum of mirroring plus undetected loss an hour."""
    found = minimize_scalar(lambda s: cost * rate * s + hazard * loss * delay / (rate * s), bounds=(1e-4, 1), method="bounded")
    assert monitoring_share(hazard, loss, delay, cost, rate) == pytest.approx(float(found.x), abs=1e-3)


def test_detection() -> None:
    """kappa for a loss of 4 points is .00138, and the first-passage law gives .754, .458 and .219 undetected (overshoot .29)."""
    factors, law = _worse_by_four_points()
    assert chernoff_exponent(factors, law) == pytest.approx(0.00138, abs=5e-6)
    drift = sum(f * p for f, p in zip(factors, law, strict=True))
    spread = math.sqrt(sum(f * f * p for f, p in zip(factors, law, strict=True)) - drift**2)
    assert drift == pytest.approx(0.00547, abs=5e-6)
    level = math.log(100) + 0.29
    found = [undetected_probability(n, drift, spread, level) for n in (500, 800, 1200)]
    assert found == pytest.approx([0.754, 0.458, 0.219], abs=5e-3)
    assert undetected_probability(0, drift, spread, level) == 1.0


def test_no_worth_no_queries() -> None:
    """Where a mirrored query costs more than it saves none is worth mirroring, and the share is its floor."""
    assert best_observations(0.001, 1.0, 0.01, KAPPA) == 0.0
    assert fixed_window_share(0.0, 300, 24, 0.05) == 0.05
    assert fixed_window_share(1e9, 300, 24) == 1.0


def test_controller() -> None:
    """The share falls as the challenger proves fine, rises with suspicion, and stays between its floor and its ceiling."""
    shares = [CONTROLLER.share(llr, 12, 3000) for llr in (-50.0, -3.0, 0.0, 3.0)]
    assert shares == sorted(shares)
    assert shares[0] == 0.002
    assert CONTROLLER.share(0.0, 0.1, 300) == 0.5
    assert CONTROLLER.share(-50.0, 10, 300, remaining_observations=600) == pytest.approx(0.2)
    assert CONTROLLER.posterior(0.0) == pytest.approx(0.1)
    assert CONTROLLER.posterior(-1e9) == 0.0
    assert CONTROLLER.posterior(1e9) == 1.0


@pytest.mark.parametrize(
    "broken",
    [
        lambda: best_observations(0.0, 1, 1, 1),
        lambda: best_observations(0.1, math.nan, 1, 1),
        lambda: fixed_window_share(10, 0, 24),
        lambda: fixed_window_share(10, 300, 24, 1.5),
        lambda: fixed_window_cost(1.5, 300, 24, 0.01, 5, 0.1),
        lambda: run_to_decision_share(300, 1, 1, -1),
        lambda: monitoring_share(0, 1, 1, 1, 1),
        lambda: chernoff_exponent([0.1, -0.2], [0.5, 0.5]),
        lambda: chernoff_exponent([0.1, 0.2], [0.5, 0.5]),
        lambda: chernoff_exponent([0.1], [0.5, 0.5]),
        lambda: undetected_probability(-1, 1, 1, 1),
        lambda: undetected_probability(1, 0, 1, 1),
        lambda: ShareController(0.1, 1, 1, 1, 1, 0.0),
        lambda: ShareController(0.1, 1, 1, 1, 1, 0.5, 0.1),
        lambda: CONTROLLER.posterior(math.nan),
        lambda: CONTROLLER.share(0.0, 0.0, 300),
        lambda: CONTROLLER.share(0.0, 1.0, 300, -1.0),
    ],
)
def test_refused(broken: object) -> None:
    """Impossible costs, rates, shares and probabilities are errors."""
    assert callable(broken)
    with pytest.raises(ValueError):
        broken()
