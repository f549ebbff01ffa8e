"""Flagger: the weight grows by a step at each good check, halts at each failed one, and `threshold` failed checks roll back."""

from dualgate.lab.evaluate.strategies.base import Ended, finish
from dualgate.lab.evaluate.strategies.thresholds import limits
from dualgate.lab.evaluate.traffic import Traffic


class Flagger:
    """Failed checks are counted over all, and a window without values is one (pkg/controller/scheduler_metrics.go)."""

    name = "flagger"
    source = "fluxcd/flagger docs/gitbook/usage/how-it-works.md: stepWeight 5, maxWeight 50, threshold 10"
    settings = (
        "a check every 12 hours for one a minute (the traffic is that much thinner); ranges the 97.5 % quantile of a window "
        "at the incumbent's known rates"
    )

    def __init__(self, step: float = 0.05, most: float = 0.5, threshold: int = 10, interval: float = 0.5) -> None:
        self._step, self._most, self._threshold, self._interval = step, most, threshold, interval

    def run(self, traffic: Traffic) -> Ended:
        """Check and step until the weight is reached or the failures are."""
        weight, failed, day, n = self._step, 0, 0.0, 0
        allowed = None
        while not traffic.over:
            day += self._interval
            served = traffic.serve(day, weight)
            allowed = allowed or limits(traffic.baseline, 4 * len(served) * weight or 10)
            n += int(served.challenger.sum())
            found = allowed.failed(served)
            if found or found is None:
                failed += 1
                if failed >= self._threshold:
                    return _end(traffic, False, f"{failed} failed checks >= threshold {self._threshold}", n)
            elif weight >= self._most - 1e-9:
                return _end(traffic, True, "all checks done", n)
            else:
                weight += self._step
        return Ended("open", "the stream ended", None, n)


def _end(traffic: Traffic, promoted: bool, reason: str, n: int) -> Ended:
    decided = traffic.now_ms
    finish(traffic, 1.0 if promoted else 0.0)
    return Ended("promoted" if promoted else "stopped", reason, decided, n)
