"""Thresholds on windows of the new version's own metrics, as Argo Rollouts, Flagger and blue-green post-analysis use them.

The margins are as tight as a team can set them here: an equal version fails one check of a metric in forty, and the failure
limits of the tools' documentation then let it pass (what tighter limits do is told by tightness).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from dualgate.lab.evaluate.strategies.unpaired import bad
from dualgate.lab.evaluate.traffic import Baseline, Served


@dataclass(frozen=True, slots=True)
class Limits:
    """The greatest tolerated rate of bad answers in a window."""

    wrong: float
    over: float
    violation: float

    def failed(self, served: Served) -> list[str] | None:
        """Return the metrics that fail in a window of the challenger's answers; None where it served none."""
        values = bad(served)
        mine = served.challenger
        if not mine.any():
            return None
        return [name for name in Limits.__slots__ if float(np.nanmean(values[name][mine])) > getattr(self, name)]


def limits(baseline: Baseline, n: float) -> Limits:
    """Return the 97.5 % quantiles of the incumbent's known rates in windows of about n answers (binomial)."""
    answers = max(1, round(n))

    def above(p: float) -> float:
        return float(binom.ppf(0.975, answers, p)) / answers

    return Limits(above(1 - baseline.correct), above(baseline.over), above(baseline.violation))
