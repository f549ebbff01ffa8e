"""Section 10: automatic raters: corrected evidence keeps its level for any rater, raw evidence does not; what labels it saves."""

import numpy as np
import pytest

from dualgate.lab.characteristics import table_10
from dualgate.lab.characteristics.raters import GOOD, INCUMBENT, LENIENT, METHODS, WEAK, Rater, in_line
from dualgate.lab.characteristics.rows import exceeds, falls_short
from dualgate.lab.characteristics.single_tests import ALPHA
from support.tables import disagreeing


@pytest.mark.parametrize("index", range(5), ids=[f"{s.rater.name}{s.null:+g}" for s in table_10.SETTINGS])
def test_six_methods(index: int) -> None:
    """Type I errors and mean queries of raters, labels and both together are the stated ones."""
    rows = [row for method in range(len(METHODS)) for row in table_10.table_10(100, 351, index, method)]
    assert disagreeing(rows) == []


@pytest.mark.parametrize(("rater", "null"), [(WEAK, 0.0), (LENIENT, 0.0), (LENIENT, -0.03)])
def test_the_gates_evidence_keeps_the_level(rater: Rater, null: float) -> None:
    """By the gate's own process a challenger at the null is accepted at most .05 of the time, whoever is favoured."""
    rng = np.random.default_rng(91)
    hits = np.array([in_line(null, null + 0.05, rng, 2500, 0.1, INCUMBENT + null, rater) is not None for _ in range(150)])
    assert not exceeds(hits, ALPHA)


@pytest.mark.parametrize("rater", [GOOD, WEAK])
def test_labels_saved(rater: Rater) -> None:
    """A gain of 5.4 points at a label rate of .1 is found by the gate's process after fewer queries than labels alone take."""
    rng = np.random.default_rng(93)
    found = [in_line(0.0, 0.054, rng, 9000, 0.1, 0.896, rater) for _ in range(60)]
    assert not falls_short(np.array([n is not None for n in found]), 0.95)
    assert np.mean([n or 9000 for n in found]) < 2750
