"""Section 5: several dimensions at once, held to stated rates and to the oracle of single decisions."""

import numpy as np
import pytest

from dualgate.gate.stats import bonferroni, holm, hommel
from dualgate.lab.characteristics import families, table_5
from dualgate.lab.characteristics.rows import exceeds
from dualgate.lab.characteristics.single_tests import ALPHA
from support.tables import disagreeing


@pytest.mark.parametrize("index", range(4), ids=lambda i: f"rho {families.RHOS[i]}")
def test_false_claims_and_false_migrations(index: int) -> None:
    """Family-wise errors and migrations with four, one and two nulls are the stated ones; Simes as a gate migrates always."""
    assert disagreeing(table_5.nulls(400, 311, index)) == []


def test_good_challengers_and_rollback() -> None:
    """A good challenger migrates by each method as stated, a regression is rolled back, four boundaries hardly ever."""
    assert disagreeing(table_5.good_and_combined(400, 312), ("mean pairs",)) == []
    assert disagreeing(table_5.rollback(600, 313)) == []


@pytest.mark.parametrize("rho", [-0.3, 0.5])
def test_claims_keep_the_family_wise_error_under_dependence(rho: float) -> None:
    """Holm, Bonferroni, Hommel and the closed e-mean claim falsely by at most alpha; uncorrected claims do not."""
    for method, claimed in families.false_claims(rho, 800, seed=31).items():
        assert exceeds(claimed, ALPHA) == (method == "none")


def test_claims_along_a_path_are_the_gates_own_in_the_end() -> None:
    """The paths that say when a method claims end where the gate's functions of the final p-values do."""
    rng = np.random.default_rng(314)
    best = np.maximum.accumulate(rng.uniform(0, 6, (200, 4, 5)), axis=2)
    for name, method in {"bonferroni": bonferroni, "holm": holm, "hommel": hommel}.items():
        ours = families.paths_of_claims(best, name, ALPHA)[:, :, -1]
        assert (ours == np.array([method(np.exp(-b), ALPHA) for b in best[:, :, -1]])).all(), name
