"""One migration from its first pair to its last, walked by the gate's own rules: alpha and the rollback budget over all of it."""

import numpy as np
import pytest

from dualgate.lab.characteristics.rows import exceeds
from dualgate.lab.characteristics.whole_migration import CASES, cases
from support.tables import disagreeing

RUNS = 60


@pytest.mark.parametrize("index", [i for i, case in enumerate(CASES) if case.valid], ids=[c.name for c in CASES if c.valid])
def test_the_bounds_of_a_whole_migration(index: int) -> None:
    """With one null among good dimensions hardly any run is promoted, at every worse_by hardly any is undone, whatever waits."""
    assert disagreeing(cases(RUNS, 401, index)) == []


def test_sessions_counted_as_queries_fail_the_check() -> None:
    """The same file with every query of a session as its own observation promotes a null far above alpha."""
    invalid = next(i for i, case in enumerate(CASES) if not case.valid)
    row = next(iter(cases(RUNS, 402, invalid)))
    hits = np.arange(RUNS) < round(row.obtained * RUNS)
    assert exceeds(hits, CASES[invalid].at_most)
