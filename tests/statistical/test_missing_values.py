"""What missing values do to the level: the worst value for a silent challenger keeps it, values lost for what they are do not."""

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats import bet_mixture
from dualgate.gate.stats.lattice import MISSING, TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import passages
from dualgate.lab.characteristics.rows import exceeds
from dualgate.lab.characteristics.sampling_models import given
from dualgate.lab.characteristics.single_tests import ALPHA, A, paired

RUNS, N = 1000, 2000
NINE = Process(TERNARY, 0.0, 1, bet_mixture(0.3, 1.0))


def _accepted(lost: float, lost_where_worse: float, value: int) -> npt.NDArray[np.bool_]:
    """Runs that accept equal arms where pairs are replaced: any with chance `lost`, the challenger's losses with the other."""
    rng = np.random.default_rng(391)
    codes = rng.choice(3, (RUNS, N), p=paired(0.842, 0.842, 0.5)).astype(np.int64)
    u = rng.random(codes.shape)
    gone = u < np.where(codes == 0, lost_where_worse, lost)
    return passages(NINE, given(np.where(gone, value, codes)), A, N, RUNS).accepted


def test_a_silent_challenger_counts_as_the_worst() -> None:
    """Silent in a third of the queries that it would have lost, and in 2 % of the others: the worst value keeps the level."""
    assert not exceeds(_accepted(0.02, 0.33, 0), ALPHA)


def test_values_lost_at_random_leave_the_level() -> None:
    """A tenth of the pairs lost whatever they are (a scorer's restart) leaves the level."""
    assert not exceeds(_accepted(0.10, 0.10, MISSING), ALPHA)


def test_values_lost_for_what_they_are_break_it() -> None:
    """A third of the challenger's losses that no scorer could judge, 2 % of all pairs, promotes an equal one far too often.

    No test can mend what was not observed: `missing: worst`, the coverage floor and a look at who is missing are what there is.
    """
    assert exceeds(_accepted(0.0, 0.33, MISSING), ALPHA)
