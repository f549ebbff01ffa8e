"""Stated error rates and sample numbers, simulated with the gate's own integers and held by exact binomial intervals.

A rate disagrees with a bound or a stated value where an exact interval of level 1e-4 excludes it. The same check is shown to
fail on procedures that are known to be invalid.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest

from dualgate.gate.stats import bet_mixture
from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.families import false_claims, table_5
from dualgate.lab.characteristics.invalid import drifting, peeked_mcnemar, plug_in_baseline
from dualgate.lab.characteristics.passage import iid, passages
from dualgate.lab.characteristics.rows import Row, exceeds, fraction_row
from dualgate.lab.characteristics.sampling_models import DESIGNS, SESSIONS, Design, SessionModel, session_errors, strata_errors
from dualgate.lab.characteristics.single_tests import ALPHA, CASES, A, Case, fixed_bet, run_case, table_2_2, table_2_3
from support.pair_laws import paired_law

RUNS = 2000
QUICK = [case for case in CASES if case.quick]


def _disagreeing(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.agrees is False]


def test_the_table_of_single_tests() -> None:
    """Type I error, power and mean sample numbers of twelve tests are what the design study measured."""
    assert _disagreeing(list(table_2_2(RUNS, seed=101))) == []


@pytest.mark.parametrize("case", QUICK, ids=lambda c: c.name)
def test_type_one_error_with_optional_stopping(case: Case) -> None:
    """Looked at after every pair, a true null is rejected by at most alpha: Ville's inequality."""
    null = _least_favourable(case) if case.null_law is None else case.null_law
    assert not exceeds(run_case(case, null, RUNS, seed=7).accepted, ALPHA)


def _least_favourable(case: Case) -> npt.NDArray[np.float64]:
    accept, _ = fixed_bet(case)
    law = case.design / (1 + accept.bets[0] * (case.lattice.values - case.null))
    return np.asarray(law / law.sum())


@pytest.mark.parametrize(("n_min", "n_max"), [(1, 300), (200, 4000), (1000, 1001)])
def test_type_one_error_with_truncation_and_minimum(n_min: int, n_max: int) -> None:
    """A minimum, a horizon or both keep the level, at the current value too."""
    nine = Process(TERNARY, 0.0, 1, bet_mixture(0.2, 1.0))
    stream = iid(paired_law(0.842, 0.842, 0.5), np.random.default_rng(13))
    assert not exceeds(passages(nine, stream, A, n_max, RUNS, n_min=n_min).accepted, ALPHA)


def test_type_two_error_of_futility() -> None:
    """Futility turns away a challenger on its design by at most beta, whatever the discordance was planned to be."""
    planned = next(c for c in CASES if c.name == "correctness +.054, phi .7")
    accept, futility = fixed_bet(planned)
    never = Process(TERNARY, 0.0, 1, accept.bets)
    for phi in (0.0, 0.5, 0.7):
        stream = iid(paired_law(0.842, 0.896, phi), np.random.default_rng(17))
        found = passages(never, stream, math.inf, 3000, RUNS, futility=futility, futility_threshold=math.log(10))
        assert not exceeds(found.futile_at < 10**9, 0.1)


def test_walds_boundary_costs_what_it_is_said_to() -> None:
    """Wald's A bounds the type I error by alpha / (1 - beta) only."""
    case = next(c for c in CASES if c.name == "latency .02 vs .0075")
    accept, futility = fixed_bet(case)
    stream = iid(_least_favourable(case), np.random.default_rng(19))
    found = passages(accept, stream, math.log(0.9 / ALPHA), 4000, 8000, futility=futility, futility_threshold=math.log(10))
    assert not exceeds(found.accepted, ALPHA / 0.9)
    row = fraction_row("2.2", case.name, "type I error, Wald", 0.0542, found.accepted, 20_000)
    assert row.agrees


def test_a_wrong_plan_ruins_a_fixed_bet_and_not_the_mixture() -> None:
    """Powers under a wrong correlation are the stated ones: .17 to 1.00 with one bet, 1.00 with nine."""
    assert _disagreeing(list(table_2_3(1000, seed=23))) == []


def test_families_of_dimensions() -> None:
    """Family-wise errors and false migrations at two dependences are the stated ones; Simes as a gate migrates always."""
    rows = list(table_5(1000, seed=29, rhos=(0.0, 0.9)))
    assert _disagreeing(rows) == []
    simes = [r.obtained for r in rows if r.row.startswith("one null") and "Simes" in r.quantity]
    assert min(simes) == 1.0


@pytest.mark.parametrize("rho", [-0.3, 0.5])
def test_claims_keep_the_family_wise_error_under_dependence(rho: float) -> None:
    """Holm, Bonferroni, Hommel and the closed e-mean claim falsely by at most alpha; uncorrected claims do not."""
    for method, claimed in false_claims(rho, 1000, seed=31).items():
        assert exceeds(claimed, ALPHA) == (method == "none")


@pytest.mark.parametrize("model", SESSIONS, ids=lambda m: f"{m.mean_size:g}-{m.copy:.1f}")
def test_sessions(model: SessionModel) -> None:
    """One observation a session keeps the level; every query of a session as its own does not."""
    found = session_errors(model, 3000, 600, seed=37)
    assert {name: exceeds(hits, ALPHA) for name, hits in found.items()} == {
        "per query": True,
        "session mean": False,
        "first turn": False,
    }


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
def test_stratified_sampling(design: Design) -> None:
    """Divided by its probability, any sampling design keeps the level; without the weights an unequal one does not."""
    assert not exceeds(strata_errors(design, 4000, RUNS, seed=41, weighted=True), ALPHA)
    if design.unweighted is not None:
        assert exceeds(strata_errors(design, 4000, 400, seed=43, weighted=False), ALPHA)


def test_the_check_can_fail() -> None:
    """A McNemar test peeked at every pair and a plugged-in baseline fail the check that ours passes, at their stated rates."""
    peeked, plugged = peeked_mcnemar(1000, seed=47), plug_in_baseline(300, 800, seed=53)
    assert exceeds(peeked, ALPHA)
    assert exceeds(plugged, ALPHA)
    assert fraction_row("2.4", "McNemar", "type I error, peeked", 0.333, peeked, 2000).agrees
    assert fraction_row("3", "plug-in", "type I error, 300", 0.193, plugged, 2000).agrees


def test_fixed_bets_survive_a_drifting_null() -> None:
    """While the running mean is below the null, the fixed mixture rejects by at most alpha; a learned bet rejects far more."""
    fixed, learned = drifting(2000, seed=59)
    assert not exceeds(fixed, ALPHA)
    assert exceeds(learned, ALPHA)
