"""Section 6: charts exact where the chain gives them, detectors simulated, and both held to the gate's integer folds."""

from fractions import Fraction

import numpy as np
import pytest

from dualgate.gate.stats.chart import CusumSpec, CusumState, update_chart, update_chart_many
from dualgate.gate.stats.cusum import paired_law, phase_arl, threshold_for_arl
from dualgate.gate.stats.lattice import TERNARY, IntArray
from dualgate.gate.stats.monitor_plan import alarm_level, mixture_bets
from dualgate.gate.stats.shiryaev_roberts import EsrSpec, start_esr, update_esr_many
from dualgate.lab.characteristics import charts, table_6
from dualgate.lab.characteristics.detectors import cusum, esr
from dualgate.lab.characteristics.rows import exceeds
from support.tables import disagreeing


def test_thresholds_references_and_phases() -> None:
    """Exact thresholds, run lengths with and without a head start, and false alarms within a phase are the stated ones."""
    assert disagreeing(charts.thresholds(1)) == []
    assert disagreeing(charts.references(1)) == []
    assert disagreeing(charts.phases(1)) == []


def test_an_estimated_baseline_loses_the_guarantee() -> None:
    """With mu0 from 300 observations a third of the charts have less than half their ARL0; an upper bound costs delay."""
    assert disagreeing(charts.estimated_baselines(300, 361)) == []


@pytest.mark.parametrize("index", range(5), ids=[s[0] for s in charts.SCHEDULES])
def test_rollout_schedules(index: int) -> None:
    """False alarms over four steps and delays of each schedule are the stated ones, exactly computed."""
    assert disagreeing(charts.rollouts(1, index)) == []


@pytest.mark.parametrize("index", range(3), ids=[s[0] for s in table_6.SIGNALS])
def test_detectors(index: int) -> None:
    """CUSUM, e-SR and e-CUSUM have the stated run lengths in control and delays after a change at 1,000."""
    assert disagreeing(table_6.detectors(150, 362, index)) == []


def _codes(rng: np.random.Generator, n: int) -> IntArray:
    return rng.choice(3, n, p=[0.08, 0.86, 0.06])


def test_detectors_say_what_the_gates_integers_say() -> None:
    """The float recursions of the tables and the gate's integer folds reach the same levels at the same observations."""
    rng, bets = np.random.default_rng(363), mixture_bets(0.3, 1.0)
    spec = EsrSpec(TERNARY, 0.0, -1, bets, 5000)
    chart = CusumSpec(TERNARY, Fraction(1, 50), -1, 10_000)
    for _ in range(5):
        codes = _codes(rng, 3000)
        z = np.asarray(1.0 - codes[None, :], dtype=np.float64)
        _, path = esr(bets).move(esr(bets).begin(1), z)
        _, totals = update_esr_many(spec, start_esr(spec), codes)
        assert path[0] == pytest.approx(np.log(totals / len(bets) / 2**24), abs=1e-4)
        _, floats = cusum(0.02).move(np.zeros((1, 1)), z)
        _, levels = update_chart_many(chart, CusumState(), codes)
        assert floats[0] * 50 == pytest.approx(levels, abs=1e-6)


def test_charts_by_hand() -> None:
    """Eq. 5 and e-SR, written down again with a loop and plain numbers, give every value of the gate's folds."""
    rng, bets = np.random.default_rng(364), (0.1, 0.4, 0.9)
    spec, chart = EsrSpec(TERNARY, -0.02, -1, bets, 50), CusumSpec(TERNARY, Fraction(3, 50), -1, 40)
    codes = np.where(rng.random(400) < 0.1, -1, _codes(rng, 400))
    probabilities = rng.choice((0.5, 1.0), 400)
    weighted = EsrSpec(TERNARY, -0.02, -1, tuple(b / 2 for b in bets), 50, 0.5)
    _, totals = update_esr_many(weighted, start_esr(weighted), codes, probabilities)
    _, levels = update_chart_many(chart, CusumState(), codes)
    m, level, state = [0.0] * 3, 0.0, CusumState()
    for i, (code, p) in enumerate(zip(codes.tolist(), probabilities.tolist(), strict=True)):
        if code >= 0:
            loss = 1 - code
            m = [(each + 1) * (1 + bet * (loss - 0.02) / p) for each, bet in zip(m, weighted.bets, strict=True)]
            level = max(0.0, level + loss - 0.06)
        state = update_chart(chart, state, code)
        assert totals[i] / 2**24 == pytest.approx(sum(m), rel=1e-5, abs=1e-5)
        assert levels[i] == pytest.approx(50 * level, abs=1e-6)
        assert state.level == levels[i]
    assert spec.alarm_total == 50 * 3 * 2**24


def _habitual(rng: np.random.Generator, runs: int, n: int) -> IntArray:
    """Paired losses whose discordance depends on the last outcome; each conditional mean is 0."""
    codes, last = np.empty((runs, n), dtype=np.int64), np.ones(runs, dtype=np.int64)
    for i in range(n):
        d, u = np.where(last != 1, 0.6, 0.1), rng.random(runs)
        last = np.where(u < d / 2, 0, np.where(u > 1 - d / 2, 2, 1))
        codes[:, i] = last
    return codes


@pytest.mark.parametrize("law", ["independent", "habitual"])
def test_esr_guarantee_over_a_phase(law: str) -> None:
    """With A = N / p a false alarm within N has a probability of at most p, outcomes may depend on the past; A / 4 fails."""
    rng, n, p, runs = np.random.default_rng(63), 800, 0.1, 1500
    bets, level = mixture_bets(0.28, 1.0), alarm_level(n, p)
    codes = rng.choice(3, (runs, n), p=[0.07, 0.86, 0.07]) if law == "independent" else _habitual(rng, runs, n)
    _, path = esr(bets).move(esr(bets).begin(runs), np.asarray(1.0 - codes, dtype=np.float64))
    top = path.max(axis=1)
    assert not exceeds(top >= np.log(level), p)
    assert exceeds(top >= np.log(level / 4), p)


def test_paired_chart_with_an_upper_discordance_bound() -> None:
    """h from an upper bound of the discordance keeps the budget at the true one; h from a value half of it does not."""
    rng, n, p, runs = np.random.default_rng(64), 4000, 0.1, 1500
    reference = Fraction(1, 50)
    codes = rng.choice(3, (runs, n), p=[0.07, 0.86, 0.07])
    _, path = cusum(0.02).move(np.zeros((runs, 1)), np.asarray(1.0 - codes, dtype=np.float64))
    alarmed = {}
    for d in (0.07, 0.16):
        limit = threshold_for_arl(paired_law(d, 0.0, reference), phase_arl(n, p), 50, reference).limit
        alarmed[d] = path.max(axis=1) >= limit / 50 - 1e-9
    assert not exceeds(alarmed[0.16], p)
    assert exceeds(alarmed[0.07], p)
