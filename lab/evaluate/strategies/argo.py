"""Argo Rollouts: a canary by steps with a background analysis that aborts after more than `failureLimit` failed measurements."""

from dualgate.lab.evaluate.strategies.base import Ended, finish
from dualgate.lab.evaluate.strategies.thresholds import limits
from dualgate.lab.evaluate.traffic import Traffic

_ERRORS = 4


class Argo:
    """Steps of 20, 40, 60 and 80 % with pauses; each metric is measured in every interval and counts its own failures.

    `failed (n) > failureLimit` aborts; more than four consecutive intervals without a value are an error, and abort as well.
    """

    name = "argo"
    source = "argoproj/argo-rollouts docs/features/analysis.md: steps 20/40/60/80, successCondition, failureLimit 3"
    settings = (
        "pauses of 2 days for 10 minutes, intervals of 12 hours for 5 minutes (the traffic is that much thinner); success "
        "conditions the 97.5 % quantile of a window at the incumbent's known rates"
    )

    def __init__(
        self, steps: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8), pause: float = 2.0, interval: float = 0.5, limit: int = 3
    ) -> None:
        self._steps, self._pause, self._interval, self._limit = steps, pause, interval, limit

    def run(self, traffic: Traffic) -> Ended:
        """Go up the steps while the analysis runs."""
        failures: dict[str, int] = {}
        day, n, missing = 0.0, 0, 0
        allowed = None
        for step in self._steps:
            for _ in range(round(self._pause / self._interval)):
                day += self._interval
                served = traffic.serve(day, step)
                allowed = allowed or limits(traffic.baseline, 2 * len(served) * step or 10)
                failed = allowed.failed(served)
                n += int(served.challenger.sum())
                missing = missing + 1 if failed is None else 0
                for name in failed or ():
                    failures[name] = failures.get(name, 0) + 1
                if missing > _ERRORS or max(failures.values(), default=0) > self._limit:
                    reason = "error: no values" if missing > _ERRORS else f"failed > failureLimit: {failures}"
                    return _end(traffic, "stopped", reason, n)
        return _end(traffic, "promoted", "all steps done", n)


def _end(traffic: Traffic, verdict: str, reason: str, n: int) -> Ended:
    decided = traffic.now_ms
    finish(traffic, 1.0 if verdict == "promoted" else 0.0)
    return Ended("promoted" if verdict == "promoted" else "stopped", reason, decided, n)
