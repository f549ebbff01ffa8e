"""A rater and people in a simulated migration: the plan's rater, and a label on each drawn pair at once."""

import numpy as np

from dualgate.gate.line import DRAWN, UNDRAWN
from dualgate.gate.rated_rows import RatedRows
from dualgate.gate.stats.rated import SENSITIVITY, SPECIFICITY
from dualgate.lab.simulate.pairs import Outcomes


def rated_rows(batch: Outcomes, probability: float, rng: np.random.Generator) -> RatedRows:
    """Return what pairs bring to the line, drawn for labels with a probability; the rater errs alike on both arms."""
    n = len(batch)
    truth = np.stack([batch.correct[1], batch.correct[0]], axis=1)  # incumbent, challenger
    right = rng.random((n, 2)) < np.where(truth == 1, SENSITIVITY, SPECIFICITY)
    told = np.where(right, truth, 1 - truth)
    drawn = rng.random(n) < probability
    kind = told[:, 1] - told[:, 0] + 1 + np.where(drawn, DRAWN, UNDRAWN)
    return RatedRows(kind, np.full(n, "", dtype=object), truth, np.ones(n, dtype=bool))
