"""Single tests (2.2 to 2.4): stated rates and sample numbers, simulated with the gate's own integers.

A rate disagrees with a bound or a stated value where an exact interval of level 1e-4 excludes it (`lab/characteristics/rows.py`).
"""

import math

import numpy as np
import pytest

from dualgate.gate.stats import bet_mixture
from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics import table_2_2, table_2_3
from dualgate.lab.characteristics.invalid import drifting, theorems
from dualgate.lab.characteristics.passage import iid, passages
from dualgate.lab.characteristics.rows import exceeds
from dualgate.lab.characteristics.sampling_models import given
from dualgate.lab.characteristics.single_tests import ALPHA, CASES, A, Case, run_case
from support.pair_laws import paired_law
from support.tables import disagreeing

RUNS = 2000
FORMULAS = ("n_fixed", "Wald's E", "semantic .86 vs .91: ASN under H1")
"""Sizes by formula, where the study's variances under the null are not all ours, and its law of scores, only described."""


def test_the_table_of_single_tests() -> None:
    """Type I error, power and mean sample numbers of thirteen tests are what the design study measured."""
    assert disagreeing(table_2_2.table_2_2(RUNS, 101, table_2_2.QUICK), FORMULAS) == []


def test_variants_of_single_tests() -> None:
    """So are Wald's boundary, other levels and powers, nine bets, truths beyond the design, horizons and the case of no event."""
    assert disagreeing(table_2_2.variants(4000, 102), FORMULAS) == []
    assert disagreeing(table_2_2.mixtures(600, 103)) == []
    assert disagreeing(table_2_2.truths_beside_the_design(1000, 104)) == []
    assert disagreeing(table_2_2.least_without_events(1)) == []
    assert disagreeing(table_2_2.studys_489(1000, 105)) == []


@pytest.mark.parametrize("case", [c for c in CASES if c.quick], ids=lambda c: c.name)
def test_type_one_error_with_optional_stopping(case: Case) -> None:
    """Looked at after every pair, a true null is rejected by at most alpha: Ville's inequality."""
    assert not exceeds(run_case(case, case.boundary_law, RUNS, seed=7).accepted, ALPHA)


@pytest.mark.parametrize(("n_min", "n_max"), [(1, 300), (200, 4000), (1000, 1001)])
def test_type_one_error_with_truncation_and_minimum(n_min: int, n_max: int) -> None:
    """A minimum, a horizon or both keep the level, at the current value too."""
    nine = Process(TERNARY, 0.0, 1, bet_mixture(0.2, 1.0))
    stream = iid(paired_law(0.842, 0.842, 0.5), np.random.default_rng(13))
    assert not exceeds(passages(nine, stream, A, n_max, RUNS, n_min=n_min).accepted, ALPHA)


def test_type_one_error_after_any_pause() -> None:
    """A pause is chosen by who watches: looking only once the evidence has risen by 2 nats since a pause keeps the level."""
    nine = Process(TERNARY, 0.0, 1, bet_mixture(0.2, 1.0))
    codes = iid(paired_law(0.842, 0.842, 0.5), np.random.default_rng(14))(np.arange(RUNS), 2000)[0]
    paused = codes.copy()
    rng, waiting = np.random.default_rng(15), np.zeros(RUNS, dtype=int)
    score = np.zeros(RUNS)
    for i in range(codes.shape[1]):
        paused[waiting > 0, i] = -1  # nothing is gathered: pairs of a pause are no observation
        score = np.where(waiting > 0, score, score + codes[:, i] - 1)
        waiting = np.where(waiting > 0, waiting - 1, np.where(score < -3, rng.geometric(0.05, RUNS), 0))
        score = np.where(waiting > 0, 0.0, score)
    assert (paused == -1).any()
    assert not exceeds(passages(nine, given(paused), A, 2000, RUNS).accepted, ALPHA)


def test_what_a_running_mean_and_a_wrong_plan_do() -> None:
    """Fixed bets survive a drifting null, futility any plan's variance."""
    assert disagreeing(theorems(1500, 106)) == []


@pytest.mark.parametrize("plan", table_2_3.MISPLANS, ids=lambda p: f"{p.planned}-{p.true}")
def test_a_wrong_plan_ruins_a_fixed_bet_and_not_the_mixture(plan: table_2_3.Misplan) -> None:
    """Powers under a wrong correlation are the stated ones: .17 to 1.00 with one bet, 1.00 with nine; no error above alpha."""
    assert disagreeing(table_2_3.table_2_3(600, 107, plan), ("ASN, bet from the running",)) == []


def test_other_methods_on_the_same_streams() -> None:
    """The rivals' errors and pairs are the stated ones, valid and invalid."""
    assert disagreeing(table_2_3.table_2_4(500, 108)) == []


def test_walds_boundary_costs_what_it_is_said_to() -> None:
    """Wald's A bounds the type I error by alpha / (1 - beta) only, and is seen above alpha in a rare event."""
    case = next(c for c in CASES if c.name == "safety .02 vs .004")
    found = run_case(case, case.boundary_law, 25_000, 19, a=math.log(0.9 / ALPHA), f=math.inf, n_max=5500).accepted
    assert not exceeds(found, ALPHA / 0.9)
    assert exceeds(found, ALPHA)


def test_the_check_can_fail_on_learned_bets() -> None:
    """Bets learned from the past reject a mean that never was above the null: the check that fixed bets pass fails on them."""
    fixed, learned = drifting(1000, 59)
    assert not exceeds(fixed, ALPHA)
    assert exceeds(learned, ALPHA)
