"""What each measure of the migration file becomes: orientation, nulls, bets, report units."""

import pytest

from dualgate.gate.stats import (
    DimensionSpec,
    SamplingPlan,
    correctness_spec,
    encode_block,
    gro_bet,
    initial,
    interval,
    latency_spec,
    median_latency_spec,
    refit,
    relative_latency_spec,
    safety_class_spec,
    safety_difference_spec,
    safety_spec,
    semantic_difference_spec,
    semantic_level_spec,
    update,
    update_many,
    worse_interval,
)

ALL_SPECS = [
    correctness_spec(0.0, 0.03, 0.0),
    correctness_spec(-0.02, 0.0, 0.02),
    latency_spec(0.02, 0.0075, 0.0075),
    median_latency_spec(),
    relative_latency_spec(0.01),
    semantic_level_spec(0.86, 0.88, 0.05),
    semantic_level_spec(0.86, 0.88, 0.05, reruns=False),
    semantic_difference_spec(-0.05, -0.03, 0.05),
    safety_spec(0.010, 0.004, 0.002),
    safety_difference_spec(0.005, 0.0, 0.005),
    safety_class_spec("authorization", 0.005, 0.0005),
]


@pytest.mark.parametrize("spec", ALL_SPECS, ids=lambda s: f"{s.name}-{s.measure}")
def test_evidence_moves_the_right_way(spec: DimensionSpec) -> None:
    """The best observations are evidence for acceptance, the worst for futility and for worse."""
    low, high = spec.accept.lattice.low, spec.accept.lattice.high
    worst = spec.worse.lattice.low if spec.worse else float("nan")
    good = update_many(spec, initial(spec), encode_block(spec, [high] * 5))
    bad = update_many(spec, initial(spec), encode_block(spec, [low] * 5, [worst] * 5))
    assert good.log_e_accept[-1] > 0 > good.log_e_futility[-1]
    assert bad.log_e_accept[-1] < 0 < bad.log_e_futility[-1]
    assert bad.log_e_worse[-1] > 0 if spec.worse else bad.log_e_worse[-1] == 0


@pytest.mark.parametrize("spec", ALL_SPECS, ids=lambda s: f"{s.name}-{s.measure}")
def test_bets_stay_inside_their_cap(spec: DimensionSpec) -> None:
    """No bet can lose everything, and nine of them (four for the swap statistic) make the mixture."""
    for process in (spec.accept, spec.futility, spec.worse):
        assert process is None or max(process.bets) <= 0.96 * process.bet_limit
    assert len(spec.accept.bets) == (4 if spec.measure == "relative" else 9)
    assert len(spec.futility.bets) == 1


def test_rates_are_reported_in_the_files_units() -> None:
    """An exceedance of 1 in 4 is estimated as 0.25, with an interval around it."""
    spec = latency_spec(0.02, 0.0075, 0.0075)
    found = interval(spec, update_many(spec, initial(spec), encode_block(spec, [1, 1, 1, 0] * 50)).final)
    assert found.estimate == 0.25
    assert found.low < 0.25 < found.high
    assert found.n == 200


def test_a_safety_difference_is_reported_as_challenger_minus_incumbent() -> None:
    """x is V_incumbent - V_challenger, but the file speaks of the challenger's excess."""
    spec = safety_difference_spec(0.005, 0.0, 0.005)
    state = update(spec, initial(spec), -1.0, -1.0)
    assert interval(spec, state).estimate == 1.0
    paired = worse_interval(spec, state)
    assert paired is not None
    assert paired.estimate == -1.0


@pytest.mark.parametrize("design", [0.4, 0.9, 0.99])
def test_a_large_design_is_planned_with_at_most_every_pair_discordant(design: float) -> None:
    """The planned share of pairs that differ is a probability, however large the gain that the plan is made for."""
    assert all(bet > 0 for bet in correctness_spec(0.0, design, 0.0).accept.bets)
    assert all(bet > 0 for bet in safety_difference_spec(0.0, -design, 0.0).accept.bets)


def test_nulls_are_the_files_numbers_exactly() -> None:
    """1 - 0.9 would be 0.09999999999999998 in floats; the null is 0.1."""
    assert latency_spec(0.9, 0.5, 0.0).accept.null == 0.1
    assert safety_spec(0.010, 0.004, 0.002).accept.null == 0.99


def test_worse_is_relative_to_the_incumbent_whatever_the_ceiling() -> None:
    """The boundary of worse is -worse_by on the paired difference, also where acceptance is against a ceiling."""
    for spec in (latency_spec(0.02, 0.0075, 0.0075), semantic_level_spec(0.86, 0.88, 0.0075)):
        assert spec.worse is not None
        assert spec.worse.null == -0.0075
    alone = semantic_level_spec(0.86, 0.88, 0.05, reruns=False).worse
    assert alone is not None
    assert alone.null == 0.81


def test_calibration_fixes_the_bets_from_what_was_seen() -> None:
    """Calibrating pairs set the discordance that the bets are optimal for, and count for nothing but degradation."""
    spec = correctness_spec(0.0, 0.03, 0.0)
    values = [0.0] * 140 + [1.0] * 32 + [-1.0] * 28  # 30 % discordant
    state = update_many(spec, initial(spec), encode_block(spec, values, values), counted=False).final
    assert (state.n_accept, state.n_worse, state.n_calibration) == (0, 200, 200)
    fitted = refit(spec, state)
    assert fitted.accept.bets[4] == pytest.approx(0.03 / 0.3, rel=0.02)
    assert fitted.worse == spec.worse
    assert update(fitted, state, 1.0, 1.0).n_accept == 1


def test_calibration_without_pairs_keeps_the_plan() -> None:
    """Where nothing was calibrated the planned bets stand."""
    spec = semantic_level_spec(0.86, 0.88, 0.05)
    assert refit(spec, initial(spec)) == spec


def test_sampled_bets_scale_with_the_mean_probability_and_stay_below_the_least() -> None:
    """With Horvitz-Thompson weights the bets shrink by the mean sampling probability and are capped by the least."""
    full, sampled = (correctness_spec(0.0, 0.03, 0.0, sampling=s) for s in (SamplingPlan(), SamplingPlan(0.05, 0.1)))
    assert sampled.accept.bets[0] == pytest.approx(full.accept.bets[0] / 10, rel=1e-6)
    assert max(sampled.accept.bets) <= 0.95 * 0.05 / 1 + 1e-12


def test_bernoulli_case_is_walds_sprt() -> None:
    """One design bet on a rate adds exactly Wald's log-likelihood ratio (to a nano-nat)."""
    bet = gro_bet((0, 1), (0.004, 0.996), 0.99)
    assert (1 + bet * 0.01) == pytest.approx(0.996 / 0.990, abs=1e-12)
    assert (1 - bet * 0.99) == pytest.approx(0.004 / 0.010, abs=1e-12)
