"""GrowthBook's safe rollout: a ramp within the first quarter of its duration, guardrails by a one-sided confidence sequence."""

import numpy as np

from dualgate.lab.evaluate.strategies.base import Ended, finish
from dualgate.lab.evaluate.strategies.unpaired import METRICS, Seen, seen
from dualgate.lab.evaluate.traffic import Served, Traffic

RAMP = (0.10, 0.25, 0.50, 0.75, 1.0)
ALPHA, TUNED_FOR = 0.05, 5_000
LEAST = 150
"""Answers a group before a metric is looked at: the product's default minimum sample size of a metric."""


class SafeRollout:
    """10, 25, 50, 75 and 100 % of the users take part, half of whom get the new version; a failing guardrail rolls back.

    Who does not take part yet is in neither group: else the control would be of an earlier time than the new version.
    Without a failing guardrail at the end the documentation says ship, and so it does here.
    """

    name = "growthbook"
    source = (
        "growthbook docs/features/safe-rollouts (ramp in the first 25 % of the duration, one-sided sequential guardrails, "
        "auto rollback, ship when inconclusive), statistics/sequential (tuning parameter 5,000)"
    )
    settings = "duration 14 days, looked at every 6 hours, three guardrails at 5 % each, uncorrected as in the product"

    def __init__(self, days: float = 14.0, looks_a_day: int = 4) -> None:
        self._days, self._looks = days, looks_a_day

    def run(self, traffic: Traffic) -> Ended:
        """Ramp up and look until the duration is over."""
        stretches: list[Served] = []
        for look in range(1, round(self._days * self._looks) + 1):
            day = look / self._looks
            half = RAMP[min(int(day / (0.25 * self._days) * len(RAMP)), len(RAMP) - 1)] / 2
            served = traffic.serve(day, half)
            stretches.append(served.only(served.challenger | ((served.place >= 0.5) & (served.place < 0.5 + half))))
            failing = guardrails(seen(stretches))
            if failing:
                decided, n = traffic.now_ms, sum(int(s.challenger.sum()) for s in stretches)
                finish(traffic, 0.0)
                return Ended("stopped", f"guardrails failing: {', '.join(failing)}", decided, n)
        decided, n = traffic.now_ms, sum(int(s.challenger.sum()) for s in stretches)
        finish(traffic, 1.0)
        return Ended("promoted", "no guardrail failing", decided, n)


def guardrails(found: Seen) -> list[str]:
    """Return the metrics whose one-sided confidence sequence of the difference lies above zero."""
    return [name for name in METRICS if _lower(found, name) > 0]


def _lower(found: Seen, name: str) -> float:
    a, b = found.rate(name, True), found.rate(name, False)
    if a is None or b is None or min(a.n, b.n) < LEAST:
        return float("-inf")
    return a.mean - b.mean - half_width(float(np.hypot(a.se, b.se)), a.n + b.n)


def half_width(se: float, n: int) -> float:
    """Return the half width of the one-sided asymptotic confidence sequence.

    Waudby-Smith et al. (2021), arXiv:2103.06476, eq. 134, with rho tuned for `TUNED_FOR` as GrowthBook does (eq. 161, at
    2 alpha); se is the standard error of the difference at n, so that sigma / sqrt(n) = se.
    """
    two = 2 * ALPHA
    rho2 = (-2 * np.log(two) + np.log(-2 * np.log(two) + 1)) / TUNED_FOR
    scale = 2 * (n * rho2 + 1) / (n * rho2) * np.log(1 + np.sqrt(n * rho2 + 1) / (2 * ALPHA))
    return float(se * np.sqrt(scale))
