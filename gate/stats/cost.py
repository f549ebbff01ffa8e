"""What shadow traffic costs against what it finds: closed forms for the share of queries to mirror.

Units: shares in [0, 1], rates per hour, money in one currency. Detection is by the e-process for "worse", whose log grows by
mean `drift` and sd `spread` an observation while the challenger is worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_ndtr


def chernoff_exponent(log_factors: Sequence[float], probabilities: Sequence[float]) -> float:
    """Return kappa = -min_s log E exp(-s l): P(not detected after n observations) falls like exp(-kappa n).

    log_factors: l = log(1 + bet (boundary - x)) for each value of x under the regression; probabilities: of those values.
    """
    factors, q = np.asarray(log_factors, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if factors.shape != q.shape or not np.isfinite(factors).all() or (q < 0).any() or abs(float(q.sum()) - 1) > 1e-6:
        raise ValueError("log_factors must be finite, with one probability each that sum to 1")
    if not float(q @ factors) > 0.0:
        raise ValueError(f"the evidence must grow under the regression, got a mean of {float(q @ factors)!r}")
    if factors.min() >= 0.0:
        raise ValueError("no value speaks against the regression: it is found at once, kappa is infinite")
    found = minimize_scalar(lambda s: float(np.logaddexp.reduce(np.log(q[q > 0]) - s * factors[q > 0])))
    return -float(found.fun)


def undetected_probability(n_observations: float, drift: float, spread: float, level: float) -> float:
    """Return P(a regression is not detected after n observations): the inverse Gaussian first passage of `level`.

    1 - Phi((mu n - a)/(sd sqrt n)) - exp(2 mu a/sd^2) Phi((-mu n - a)/(sd sqrt n)); level a = log(1/alpha) + overshoot.
    """
    _positive(drift=drift, spread=spread, level=level)
    if not (math.isfinite(n_observations) and n_observations >= 0.0):
        raise ValueError(f"n_observations {n_observations!r}, accepted: finite, at least 0")
    if n_observations == 0.0:
        return 1.0
    scale = spread * math.sqrt(n_observations)
    direct = math.exp(float(log_ndtr((level - drift * n_observations) / scale)))
    mirrored = 2.0 * drift * level / spread**2 + float(log_ndtr((-drift * n_observations - level) / scale))
    return min(max(direct - math.exp(mirrored), 0.0), 1.0)


def best_observations(
    regression_probability: float, impact: float, cost_per_query: float, kappa: float, c0: float = 1.0
) -> float:
    """Return n* = (1/kappa) ln(P I kappa C0 / c), at least 0: where one more mirrored query costs what it saves.

    C0 exp(-kappa n) is the chance that a regression is undetected after n observations; impact and cost in one currency.
    """
    _probability(regression_probability=regression_probability)
    _positive(impact=impact, cost_per_query=cost_per_query, kappa=kappa, c0=c0)
    return max(0.0, math.log(regression_probability * impact * kappa * c0 / cost_per_query) / kappa)


def fixed_window_share(n_observations: float, queries_per_hour: float, window_hours: float, least_share: float = 0.0) -> float:
    """Return s* = clip(n* / (r T), least_share, 1): case A, a shadow phase of fixed length."""
    _positive(queries_per_hour=queries_per_hour, window_hours=window_hours)
    _share(least_share=least_share)
    return min(max(n_observations / (queries_per_hour * window_hours), least_share), 1.0)


def fixed_window_cost(
    share: float, queries_per_hour: float, window_hours: float, cost_per_query: float, expected_impact: float, undetected: float
) -> float:
    """Return C(s) = c r s T + P I U: what is mirrored, and the regression that is missed (expected_impact = P I)."""
    _share(share=share, undetected=undetected)
    _positive(queries_per_hour=queries_per_hour, window_hours=window_hours, cost_per_query=cost_per_query)
    return cost_per_query * queries_per_hour * share * window_hours + expected_impact * undetected


def run_to_decision_share(queries_per_hour: float, delay_cost_per_hour: float, cost_per_query: float, peak_price: float) -> float:
    """Return s* = min(1, sqrt(w / (r c0 g))): case B, mirror until a decision.

    The cost is c0 (1 + g s) N + w N / (r s), with g the price of peak capacity and w of an hour's delay: N cancels. With
    g = 0 everything is mirrored, since the number of observations needed does not depend on the share.
    """
    _positive(queries_per_hour=queries_per_hour, delay_cost_per_hour=delay_cost_per_hour, cost_per_query=cost_per_query)
    if not (math.isfinite(peak_price) and peak_price >= 0.0):
        raise ValueError(f"peak_price {peak_price!r}, accepted: finite, at least 0")
    if peak_price == 0.0:
        return 1.0
    return min(1.0, math.sqrt(delay_cost_per_hour / (queries_per_hour * cost_per_query * peak_price)))


def monitoring_share(
    hazard_per_hour: float, loss_per_hour: float, delay_observations: float, cost_per_query: float, queries_per_hour: float
) -> float:
    """Return s* = min(1, sqrt(theta I ARL1 / c) / r): case C, a live monitor for ever.

    theta regressions an hour, each losing I an hour until it is found ARL1 observations later.
    """
    _positive(
        hazard_per_hour=hazard_per_hour, loss_per_hour=loss_per_hour, delay_observations=delay_observations,
        cost_per_query=cost_per_query, queries_per_hour=queries_per_hour,
    )  # fmt: skip
    return min(1.0, math.sqrt(hazard_per_hour * loss_per_hour * delay_observations / cost_per_query) / queries_per_hour)


@dataclass(frozen=True, slots=True)
class ShareController:
    """The share of the next epoch from what is known at its beginning: predictable, so weighted evidence stays valid.

    It steers by a two-point posterior, which a wrong prior misleads: keep least_share above 0, and decide by the e-process.
    """

    regression_probability: float
    impact: float
    cost_per_query: float
    kappa: float
    c0: float
    least_share: float
    greatest_share: float = 1.0

    def __post_init__(self) -> None:
        _probability(regression_probability=self.regression_probability)
        _positive(
            impact=self.impact, cost_per_query=self.cost_per_query, kappa=self.kappa, c0=self.c0, least_share=self.least_share
        )
        _share(least_share=self.least_share, greatest_share=self.greatest_share)
        if self.least_share > self.greatest_share:
            raise ValueError(f"least_share {self.least_share!r} is above greatest_share {self.greatest_share!r}")

    def posterior(self, log_likelihood_ratio: float) -> float:
        """Return P(regression) after evidence with this log likelihood ratio of "worse" against "fine"."""
        if math.isnan(log_likelihood_ratio):
            raise ValueError("log_likelihood_ratio is NaN")
        log_odds = math.log(self.regression_probability / (1.0 - self.regression_probability)) + log_likelihood_ratio
        return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -700.0 else 0.0

    def share(
        self, log_likelihood_ratio: float, remaining_hours: float, queries_per_hour: float, remaining_observations: float = 0.0
    ) -> float:
        """Return clip(max(n_t, N_rem) / (r T_rem), least_share, greatest_share).

        n_t is `best_observations` at the posterior; remaining_observations N_rem = (A - log e) / growth is what acceptance still
        needs before the deadline in remaining_hours.
        """
        _positive(remaining_hours=remaining_hours, queries_per_hour=queries_per_hour)
        if not (math.isfinite(remaining_observations) and remaining_observations >= 0.0):
            raise ValueError(f"remaining_observations {remaining_observations!r}, accepted: finite, at least 0")
        worth = self.posterior(log_likelihood_ratio) * self.impact * self.kappa * self.c0 / self.cost_per_query
        wanted = max(math.log(worth) / self.kappa if worth > 1.0 else 0.0, remaining_observations)
        return min(max(wanted / (queries_per_hour * remaining_hours), self.least_share), self.greatest_share)


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} {value!r}, accepted: positive and finite")


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} {value!r}, accepted: in [0, 1]")


def _probability(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 < value < 1.0:
            raise ValueError(f"{name} {value!r}, accepted: strictly between 0 and 1")
