"""Charts, e-SR and the composite: known steps, alarms, resets, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest

from dualgate.gate.stats.chart import CusumSpec, CusumState, chart_unit, reset_chart, update_chart, update_chart_many
from dualgate.gate.stats.composite import COMPOSITE, composite_codes, composite_weights, plan_composite
from dualgate.gate.stats.cusum import adjustment_coefficient
from dualgate.gate.stats.lattice import BINARY, MISSING, SCORE_DIFFERENCE, TERNARY, FloatArray, IntArray, Lattice
from dualgate.gate.stats.laws import tilt
from dualgate.gate.stats.monitor import (
    MonitorSpec,
    chart_limit,
    plan_monitor,
    plan_paired_monitor,
    plan_score_monitor,
    reset_monitor,
    start_monitor,
    update_monitor_many,
)
from dualgate.gate.stats.monitor_plan import alarm_level, bernoulli_bet, discordance_upper, mixture_bets, spend
from dualgate.gate.stats.run_length import run_length_from_zero, step_law
from dualgate.gate.stats.shiryaev_roberts import EsrSpec, EsrState, log_esr, start_esr, update_esr, update_esr_many

CHART = CusumSpec(TERNARY, Fraction(1, 50), -1, 90)
ESR = EsrSpec(TERNARY, 0.0, -1, (0.25, 0.5), 4)


def codes(*values: float) -> IntArray:
    return TERNARY.encode_many(np.array(values))


def test_chart_follows_eq_5() -> None:
    """C <- max(0, C + badness - reference) in units of 1/50: a loss adds 49, a draw takes 1, a win takes 51."""
    state, levels = update_chart_many(CHART, CusumState(), codes(0, -1, 0, -1, 1, 1))
    assert levels.tolist() == [0, 49, 48, 97, 46, 0]
    assert state == CusumState(level=0, n=6, alarm_n=4)
    assert CHART.unit == 50
    assert CHART.threshold == pytest.approx(1.8)


def test_chart_of_small_values_mirrors_that_of_large_ones() -> None:
    """Direction -1 on x is direction +1 on -x."""
    mirrored = CusumSpec(TERNARY, Fraction(1, 50), 1, 90)
    block = codes(0, -1, 0, -1, 1, -1, -1)
    assert (
        update_chart_many(CHART, CusumState(), block)[1].tolist()
        == update_chart_many(mirrored, CusumState(), 2 - block)[1].tolist()
    )


def test_missing_observations_move_nothing() -> None:
    """A MISSING position neither moves a chart nor is counted, so alarms are numbered by observations."""
    block = np.array([MISSING, 0, MISSING, 0])
    state, levels = update_chart_many(CHART, CusumState(), block)
    assert levels.tolist() == [0, 49, 49, 98]
    assert (state.n, state.alarm_n) == (2, 2)
    assert update_chart(CHART, CusumState(3, 1), MISSING) == CusumState(3, 1)
    esr, totals = update_esr_many(ESR, start_esr(ESR), block)
    assert esr == update_esr_many(ESR, start_esr(ESR), codes(-1, -1))[0]
    assert totals[0] == 0
    assert update_esr(ESR, esr, MISSING) == esr


def test_an_empty_block_changes_nothing() -> None:
    """No observations: the same state, and no running values."""
    empty = np.zeros(0, dtype=np.int64)
    assert update_chart_many(CHART, CusumState(5, 1), empty)[0] == CusumState(5, 1)
    state, totals = update_esr_many(ESR, start_esr(ESR), empty)
    assert state == start_esr(ESR)
    assert totals.size == 0


def test_resets() -> None:
    """A step carries the chart over, or begins it at 0 or at half the threshold; e-SR is always carried."""
    state = CusumState(70, 9, 8)
    assert reset_chart(CHART, state, "carry") == state
    assert reset_chart(CHART, state, "zero") == CusumState(0, 0, None)
    assert reset_chart(CHART, state, "fir") == CusumState(45, 0, None)
    with pytest.raises(ValueError, match="carry, zero, fir"):
        reset_chart(CHART, state, "half")  # type: ignore[arg-type]
    spec = plan_paired_monitor(0.2, 0.0, 0.04, 1000, 0.01, 0.01)
    after, _ = update_monitor_many(spec, start_monitor(spec), codes(-1, -1))
    reset = reset_monitor(spec, after, "zero")
    assert (reset.cusum.level, reset.esr) == (0, after.esr)


def test_esr_recursion() -> None:
    """M <- (M + 1)(1 + bet z): after two losses with bet .5, M is (1.5 + 1) 1.5; the mean over bets is compared with A."""
    spec = EsrSpec(TERNARY, 0.0, -1, (0.5,), 4)
    state, totals = update_esr_many(spec, start_esr(spec), codes(-1, -1, 0, 1))
    assert (totals / 2**24).tolist() == pytest.approx([1.5, 3.75, 4.75, 2.875])
    assert state.alarm_n == 3
    assert log_esr(spec, int(totals[1])) == pytest.approx(math.log(3.75), abs=1e-6)
    assert log_esr(spec, 0) == 0.0


def test_esr_weights_by_the_inverse_probability() -> None:
    """An observation drawn with probability .5 counts twice: z = (x - null) / probability."""
    spec = EsrSpec(TERNARY, 0.0, -1, (0.25,), 100, min_probability=0.5)
    half = update_esr(spec, start_esr(spec), 0, 0.5)
    assert half.m[0] / 2**24 == pytest.approx(1.5)
    block = update_esr_many(spec, start_esr(spec), codes(-1), np.array([0.5]))
    assert block[0] == half


def test_esr_saturates() -> None:
    """A monitor in alarm for ever stays within 64 bits and stays in alarm."""
    spec = EsrSpec(TERNARY, 0.0, -1, (0.9, 0.5), 1000)
    state, totals = update_esr_many(spec, start_esr(spec), np.zeros(5000, dtype=np.int64))
    assert state.m == (spec.cap, spec.cap)
    assert int(totals[-1]) < 2**63
    assert totals[-1] >= spec.alarm_total


def test_a_very_long_block_is_folded_in_parts() -> None:
    """A block longer than the internal part gives what its halves give one after the other."""
    block = np.random.default_rng(6).choice(3, 70_001, p=[0.07, 0.86, 0.07])
    whole, totals = update_esr_many(ESR, start_esr(ESR), block)
    half, first = update_esr_many(ESR, start_esr(ESR), block[:35_000])
    again, second = update_esr_many(ESR, half, block[35_000:])
    assert whole == again
    assert totals.tolist() == [*first.tolist(), *second.tolist()]


def test_fine_rounding_is_downward() -> None:
    """Each M lies below the exact rational recursion, by less than one part in a million."""
    spec = EsrSpec(SCORE_DIFFERENCE, -0.05, -1, (0.3,), 1000)
    block = np.array([90, 100, 111, 3, 95, 100, 87, 140, 70])
    exact = Fraction(0)
    for code in block.tolist():
        z = Fraction(-5, 100) - (Fraction(code, 100) - 1)
        exact = (exact + 1) * (1 + Fraction(0.3) * z)
    found = Fraction(update_esr_many(spec, start_esr(spec), block)[0].m[0], 2**24)
    assert exact * (1 - Fraction(1, 10**6)) < found <= exact


def test_composite_weights_are_hundredths() -> None:
    """Weights go with (shift / sd) / sd and sum to 100, whatever the rounding."""
    assert composite_weights({"a": 0.04, "b": 0.04}, {"a": 0.2, "b": 0.4}) == {"a": 80, "b": 20}
    three = composite_weights({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0})
    assert sorted(three.values()) == [33, 33, 34]
    for shift, sd in ((0.0, 1.0), (math.nan, 1.0), (1.0, math.inf)):
        with pytest.raises(ValueError, match="positive and finite"):
            composite_weights({"a": shift}, {"a": sd})
    with pytest.raises(ValueError, match="same dimensions"):
        composite_weights({"a": 1.0}, {"b": 1.0})


def test_composite_codes_are_the_weighted_sum() -> None:
    """Positions are the weighted sum of differences; a missing dimension counts as none, all missing as MISSING."""
    lattices = {"a": TERNARY, "b": SCORE_DIFFERENCE}
    blocks = {"a": codes(-1, 1, 0), "b": SCORE_DIFFERENCE.encode_many([0.5, float("nan"), 0.01])}
    found = composite_codes({"a": 30, "b": 70}, lattices, blocks)
    assert COMPOSITE.values[found] == pytest.approx([-0.3 + 0.35, 0.3, 0.007])
    nothing = {"a": np.array([MISSING]), "b": np.array([MISSING])}
    assert composite_codes({"a": 30, "b": 70}, lattices, nothing).tolist() == [MISSING]
    with pytest.raises(ValueError, match="sum to 100"):
        composite_codes({"a": 30, "b": 60}, lattices, blocks)
    with pytest.raises(ValueError, match="hundredths within"):
        composite_codes({"a": 100}, {"a": COMPOSITE}, {"a": np.array([0])})


def test_planned_monitor_records_its_null() -> None:
    """worse_by moves both charts' nulls: reference = worse_by + shift / 2, e-SR's null = -worse_by, A = N / p."""
    spec = plan_paired_monitor(0.02, 0.0075, 0.0275, 12_000, 0.002, 0.004)
    assert float(spec.cusum.reference) == pytest.approx(0.0075 + 0.0275 / 2, abs=0.002)
    assert (spec.esr.null, spec.esr.alarm_level) == (-0.0075, 3_000_000)
    assert max(spec.esr.bets) <= 0.9 / (1 - 0.0075)
    assert MonitorSpec.from_json(spec.to_json()) == spec


def test_score_monitor_is_on_half_quanta() -> None:
    """A score difference keeps its chart on a lattice of at most half a hundredth."""
    law = np.full(SCORE_DIFFERENCE.size, 1 / SCORE_DIFFERENCE.size)
    spec = plan_score_monitor(SCORE_DIFFERENCE, law, 0.05, 0.06, 4000, 0.01, 0.01)
    assert spec.cusum.reference == Fraction(8, 100)
    assert spec.cusum.unit in (100, 200)
    with pytest.raises(ValueError, match="larger shift"):
        plan_score_monitor(SCORE_DIFFERENCE, law, 0.05, 0.001, 4000, 0.01, 0.01)


def law_of(seen: IntArray) -> FloatArray:
    """Return the frequencies of composite positions, and one more at each end of the scale."""
    counts = np.bincount(np.concatenate((seen, [0, COMPOSITE.size - 1])), minlength=COMPOSITE.size)
    return np.asarray(counts / counts.sum())


def test_composite_plan() -> None:
    """A composite monitor takes its law from calibration and alarms on a loss in both dimensions at once."""
    rng = np.random.default_rng(7)
    lattices = {"a": TERNARY, "b": TERNARY}
    weights = {"a": 50, "b": 50}

    def draw(law: list[float], n: int) -> dict[str, IntArray]:
        return {d: rng.choice(3, n, p=law) for d in lattices}

    calm = composite_codes(weights, lattices, draw([0.1, 0.8, 0.1], 500))
    spec = plan_composite(weights, {"a": 0.0, "b": 0.0}, {"a": 0.1, "b": 0.1}, law_of(calm), 2000, 0.01, 0.01)
    worse = composite_codes(weights, lattices, draw([0.25, 0.7, 0.05], 600))
    state, trace = update_monitor_many(spec, start_monitor(spec), worse)
    assert state.cusum.alarm_n is not None
    assert state.esr.alarm_n is not None
    assert trace.alarmed[-1]


def test_budget_is_spent_not_stretched() -> None:
    """Shares of a false-alarm budget sum to it, growing with the step."""
    assert spend(0.04, 4) == pytest.approx((0.004, 0.008, 0.012, 0.016))


def test_planning_numbers() -> None:
    """A = N / p rounded up; bets are multiples of the best, capped at .9 of the limit; the discordance bound covers."""
    assert alarm_level(10_000, 0.004) == 2_500_000
    assert mixture_bets(0.5, 1.0) == (0.125, 0.25, 0.5, 0.9)
    assert bernoulli_bet(0.158, 0.198) == pytest.approx(0.04 / (0.158 * 0.842))
    assert discordance_upper(0, 300) == pytest.approx(1 - 0.1 ** (1 / 300))
    assert discordance_upper(5, 5) == 1.0
    assert 0.1 < discordance_upper(30, 300) < 0.14


@pytest.mark.parametrize(
    "broken",
    [
        lambda: CusumSpec(TERNARY, Fraction(1, 50), 0, 90),
        lambda: CusumSpec(TERNARY, Fraction(1, 50), 1, 0),
        lambda: CusumSpec(TERNARY, Fraction(5000), 1, 1),
        lambda: CusumState(-1),
        lambda: CusumState.from_json({"version": 99}),
        lambda: EsrState.from_json({"version": 99}),
        lambda: MonitorSpec.from_json({"version": 99}),
        lambda: update_chart_many(CHART, CusumState(), np.array([3])),
        lambda: update_chart_many(CHART, CusumState(), np.array([0.5])),
        lambda: update_chart_many(CHART, CusumState(), np.array([[0]])),
        lambda: EsrSpec(TERNARY, 0.0, 2, (0.5,), 4),
        lambda: EsrSpec(TERNARY, math.nan, 1, (0.5,), 4),
        lambda: EsrSpec(TERNARY, 0.0, 1, (), 4),
        lambda: EsrSpec(TERNARY, 0.0, 1, (1.0,), 4),
        lambda: EsrSpec(TERNARY, 0.0, 1, (math.nan,), 4),
        lambda: EsrSpec(TERNARY, 0.0, 1, (0.5,), 0),
        lambda: EsrSpec(TERNARY, 0.0, 1, (0.5,), 2**60),
        lambda: EsrSpec(TERNARY, 0.0, 1, (0.5,), 4, min_probability=0.0),
        lambda: update_esr(ESR, start_esr(ESR), 3),
        lambda: update_esr(ESR, start_esr(ESR), 0, 0.5),
        lambda: update_esr_many(ESR, start_esr(ESR), codes(0, 0), np.array([1.0])),
        lambda: update_esr_many(ESR, start_esr(ESR), codes(0), np.array([math.nan])),
        lambda: update_esr_many(ESR, start_esr(ESR), codes(0), np.array([1.5])),
        lambda: MonitorSpec(CHART, EsrSpec(BINARY, 0.1, -1, (0.5,), 4)),
        lambda: alarm_level(0, 0.1),
        lambda: alarm_level(10, 1.0),
        lambda: mixture_bets(0.0, 1.0),
        lambda: mixture_bets(0.5, math.nan),
        lambda: bernoulli_bet(0.2, 0.1),
        lambda: discordance_upper(3, 2),
        lambda: discordance_upper(0, 0),
        lambda: discordance_upper(1, 2, 1.0),
        lambda: spend(0.04, 0),
        lambda: spend(0.0, 1),
        lambda: plan_paired_monitor(0.2, -0.1, 0.04, 1000, 0.01, 0.01),
        lambda: plan_monitor(BINARY, np.array([0.5, 0.5]), np.array([0.5, 0.5]), 0.0, 10, 0.1, 0.1),
    ],
)  # fmt: skip
def test_refused(broken: object) -> None:
    """Impossible specifications, observations and probabilities are errors, never silently clipped."""
    assert callable(broken)
    with pytest.raises(ValueError):
        broken()


@pytest.mark.parametrize("lattice", [TERNARY, SCORE_DIFFERENCE], ids=["ternary", "scores"])
def test_a_chart_beyond_any_computed_run_length_is_planned_all_the_same(lattice: Lattice) -> None:
    """Beyond an ARL of 1e10 the limit is extrapolated: 20 times as long by exact run lengths (up to 1e12), within one unit."""
    null = tilt(lattice.values, np.ones(lattice.size) / lattice.size, -0.02)
    reference = Fraction(1, 10)
    unit = chart_unit(lattice, reference)
    law = step_law([float(-v) for v in lattice.values[::-1]], [float(p) for p in null[::-1]], reference, unit)
    short, long = (run_length_from_zero(law, chart_limit(lattice, null, reference, arl)) for arl in (1e10, 2e11))
    assert 20 * 0.999 <= long / short <= 20 * 1.001 * math.exp(adjustment_coefficient(law))
    assert long >= 2e11


def test_monitors_of_a_service_with_much_traffic_are_planned() -> None:
    """500 pairs a second for six days: a dimension and the composite keep both of their charts."""
    n, weights, zero = 259_200_000, {"a": 50, "b": 50}, {"a": 0.0, "b": 0.0}
    calm = composite_codes(weights, {"a": TERNARY, "b": TERNARY}, {"a": codes(0, 1, 0, -1, 0, 0), "b": codes(0, 0, 0, 1, -1, 0)})
    shifts = {"a": 0.1, "b": 0.1}
    for few, many in (
        [plan_paired_monitor(0.15, 0.0, 0.03, k, 0.002, 0.004) for k in (n // 100, n)],
        [plan_composite(weights, zero, shifts, law_of(calm), k, 0.002, 0.004) for k in (n // 100, n)],
    ):
        assert many.cusum.limit > few.cusum.limit
        assert many.esr.alarm_level == 100 * few.esr.alarm_level
