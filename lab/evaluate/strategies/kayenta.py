"""Kayenta: the canary's and an equal baseline's time series, compared by the judge's Mann-Whitney test, scored by its groups."""

import numpy as np

from dualgate.lab.evaluate.strategies.base import Ended, finish
from dualgate.lab.evaluate.strategies.unpaired import METRICS, bad
from dualgate.lab.evaluate.traffic import Floats, Served, Traffic

TOLERANCE, Z_98 = 0.25, 2.3263
PASS, MARGINAL = 95.0, 75.0


class Kayenta:
    """NetflixACAJudge: a metric is High where the lower 98 % bound of the shift is above a quarter of its estimate.

    Every metric is critical (one failure makes the score 0), which is the strictest a team can set it.
    """

    name = "kayenta"
    source = (
        "spinnaker/kayenta MannWhitneyClassifier.scala (tolerance .25, 98 %), WeightedSumScorer.scala; "
        "spinnaker.io best practices (an equal baseline, 50 points a metric)"
    )
    settings = (
        "canary 25 % of users, baseline of as many; points of 3 hours, judged at every day from day 2 over all points; 7 days"
    )

    def __init__(self, days: int = 7, points_a_day: int = 8) -> None:
        self._days, self._points = days, points_a_day

    def run(self, traffic: Traffic) -> Ended:
        """Collect points, judge each day; the last judgement must pass."""
        canary: dict[str, list[float]] = {name: [] for name in (*METRICS, "ms")}
        control: dict[str, list[float]] = {name: [] for name in canary}
        n = 0
        for point in range(1, self._days * self._points + 1):
            served = traffic.serve(point / self._points, 0.25)
            equal = ~served.challenger & (served.user % 3 == 0)  # a third of the other users: as many as the canary's
            for series, which in ((canary, served.challenger), (control, equal)):
                for name, value in _point(served, which).items():
                    series[name].append(value)
            n += int(served.challenger.sum())
            if point % self._points == 0 and point >= 2 * self._points:
                last = point == self._days * self._points
                score, high = judged(canary, control)
                if score < (PASS if last else MARGINAL):
                    decided = traffic.now_ms
                    finish(traffic, 0.0)
                    return Ended("stopped", f"score {score:.0f}: {', '.join(high)} high", decided, n)
        decided = traffic.now_ms
        finish(traffic, 1.0)
        return Ended("promoted", "pass", decided, n)


def _point(served: Served, which: np.typing.NDArray[np.bool_]) -> dict[str, float]:
    """Return a window's mean of each metric; NaN where there is no value, which the judge leaves out."""
    values = bad(served) | {"ms": served.answers.ms}
    chosen = {name: v[which & ~np.isnan(v)] for name, v in values.items()}
    return {name: float(v.mean()) if len(v) else float("nan") for name, v in chosen.items()}


def judged(canary: dict[str, list[float]], control: dict[str, list[float]]) -> tuple[float, list[str]]:
    """Return the score (100 or, with a critical metric High, 0) and the metrics that are High."""
    high = [name for name in canary if is_high(_known(canary[name]), _known(control[name]))]
    return (0.0 if high else 100.0), high


def _known(series: list[float]) -> Floats:
    values = np.array(series)
    return np.asarray(values[~np.isnan(values)])


def is_high(experiment: Floats, control: Floats) -> bool:
    """Tell whether the experiment's values are High: direction increase, tolerance a quarter of the Hodges-Lehmann shift.

    The interval is that of the Mann-Whitney test (Hollander, Wolfe 1999, section 4.3): order statistics of all differences,
    by the normal approximation of the rank sum.
    """
    m, n = len(experiment), len(control)
    if not m or not n:
        return False
    differences = np.sort((experiment[:, None] - control[None, :]).ravel())
    shift = float(np.median(differences))
    k = int(np.floor(m * n / 2 - Z_98 * np.sqrt(m * n * (m + n + 1) / 12)))
    lower = float(differences[max(k, 0)]) if k > 0 else float(differences[0])
    return lower > TOLERANCE * abs(shift)
