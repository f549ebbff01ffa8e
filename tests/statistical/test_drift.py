"""Regressions that come slowly, with the season, or in every dimension a little: what pairing and restarting are for."""

import functools
from fractions import Fraction

import numpy as np
import pytest

from dualgate.gate.stats.bets import log_e_process
from dualgate.gate.stats.chart import CusumSpec, CusumState, update_chart_many
from dualgate.gate.stats.composite import composite_codes, composite_weights, plan_composite
from dualgate.gate.stats.cusum import bernoulli_law, paired_law, phase_arl, threshold_for_arl
from dualgate.gate.stats.lattice import BINARY, TERNARY, FloatArray, IntArray
from dualgate.gate.stats.monitor import MonitorSpec, plan_paired_monitor, start_monitor, update_monitor_many
from dualgate.gate.stats.run_length import alarm_probability
from support.pair_laws import paired_law as law_of_pairs
from support.rates import at_least, at_most, same_rate

N, ONSET, NEVER = 20_000, 5000, 10**9
GOOD = 0.842
NULL = law_of_pairs(GOOD, GOOD, 0.5)
PAGE_RUNS = 600


@functools.cache
def _monitor() -> MonitorSpec:
    """The correctness monitor of section 7: discordance .133, shift 4 points, 5 % false alarms over 20,000 in each chart."""
    spec = plan_paired_monitor(float(NULL[0] + NULL[2]), 0.0, 0.04, N, 0.05, 0.05)
    chart = CusumSpec(TERNARY, spec.cusum.reference, -1, 1252)  # exactly .05, as test_exact_threshold says
    return MonitorSpec(chart, spec.esr)


def _pairs(rng: np.random.Generator, loss: FloatArray) -> IntArray:
    """Positions of paired outcomes whose expected loss is loss[i] (points of accuracy), at a correlation of .5."""
    grid = np.array([np.cumsum(law_of_pairs(GOOD, GOOD - x, 0.5)) for x in np.arange(0, 0.0801, 0.001)])
    edges = grid[np.rint(loss * 1000).astype(np.int64)]
    u = rng.random(loss.size)
    return (u > edges[:, 0]).astype(np.int64) + (u > edges[:, 1])


def _delays(loss: FloatArray, runs: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Observations from the onset to the alarm of CUSUM and of e-SR (NEVER where there is none, negative before the onset)."""
    rng, spec, cusum, esr = np.random.default_rng(seed), _monitor(), [], []
    for _ in range(runs):
        state, _ = update_monitor_many(spec, start_monitor(spec), _pairs(rng, loss))
        cusum.append((state.cusum.alarm_n or NEVER) - ONSET)
        esr.append((state.esr.alarm_n or NEVER) - ONSET)
    return np.array(cusum, dtype=float), np.array(esr, dtype=float)


def _ramp(height: float, length: int) -> FloatArray:
    return np.clip((np.arange(N) - ONSET) / length, 0.0, 1.0) * height


def test_exact_threshold() -> None:
    """The chart used here has a false-alarm probability of .05 over 20,000 pairs by the exact chain."""
    assert alarm_probability(paired_law(0.133, 0.0, Fraction(1, 50)), 1252, N) == pytest.approx(0.05, abs=5e-4)


@pytest.mark.parametrize(
    ("height", "cusum_median", "esr_median", "cusum_found", "esr_found"),
    [(0.04, 877, 1167, 1.0, 1.0), (0.02, 3238, 3505, 0.98, 1.0)],
)
def test_abrupt_regression(height: float, cusum_median: int, esr_median: int, cusum_found: float, esr_found: float) -> None:
    """Median delays and detection of an abrupt loss of 4 and 2 points are those of the page."""
    cusum, esr = _delays(np.where(np.arange(N) >= ONSET, height, 0.0), 150, 71)
    for found, median, share in ((cusum, cusum_median, cusum_found), (esr, esr_median, esr_found)):
        assert same_rate(int((found <= median).sum()), found.size, 0.5, PAGE_RUNS), np.median(found)
        assert same_rate(int((found < N).sum()), found.size, share, PAGE_RUNS)


def test_slow_small_drift_is_the_mixtures_strength() -> None:
    """A loss that grows to 2 points over 15,000 pairs: e-SR finds .87 of them, CUSUM .63, as on the page."""
    cusum, esr = _delays(_ramp(0.02, 15_000), 150, 72)
    assert same_rate(int((esr < N).sum()), esr.size, 0.87, PAGE_RUNS)
    assert same_rate(int((cusum < N).sum()), cusum.size, 0.63, PAGE_RUNS)
    assert (esr < N).mean() > (cusum < N).mean()


def test_evidence_from_the_start_must_be_restarted() -> None:
    """After 5,000 good pairs the degradation process from pair 0 finds a loss of 4 points in twice the time (page: 2,130)."""
    rng, loss = np.random.default_rng(73), np.where(np.arange(N) >= ONSET, 0.04, 0.0)
    first = []
    for _ in range(150):
        x = 1.0 - _pairs(rng, loss)[:12_000]
        over = log_e_process(x, 0.0, _monitor().esr.bets) >= np.log(1 / 0.05)
        first.append(int(np.argmax(over)) - ONSET if over.any() else NEVER)
    assert same_rate(int((np.array(first) <= 2130).sum()), len(first), 0.5, PAGE_RUNS), np.median(first)


def test_season_is_no_alarm_on_the_paired_signal() -> None:
    """The share of hard queries swings by 10 points: paired charts keep their budget, the one with a fixed mu0 does not."""
    rng, runs, spec = np.random.default_rng(74), 300, _monitor()
    reference = Fraction(8, 45)
    law = bernoulli_law(1 - GOOD, reference)
    fixed = CusumSpec(BINARY, reference, 1, threshold_for_arl(law, phase_arl(N, 0.05), 45, reference).limit)
    hard = 0.25 + 0.10 * np.sin(2 * np.pi * np.arange(N) / ONSET)
    rates = {True: 0.308, False: 0.108}  # mean .158 at a share of .25; the season moves it by 2 points
    alarms = {"paired cusum": 0, "paired e-SR": 0, "fixed": 0}
    for _ in range(runs):
        is_hard = rng.random(N) < hard
        wrong = np.where(is_hard, rates[True], rates[False])
        both = wrong * (0.5 + 0.5 * wrong)  # correlation .5 within a stratum, on top of the shared stratum
        u = rng.random(N)
        incumbent, challenger = u < wrong, (u < both) | ((u >= wrong) & (u < 2 * wrong - both))
        state, _ = update_monitor_many(spec, start_monitor(spec), 1 + incumbent.astype(np.int64) - challenger)
        alarms["paired cusum"] += state.cusum.alarm_n is not None
        alarms["paired e-SR"] += state.esr.alarm_n is not None
        alarms["fixed"] += update_chart_many(fixed, CusumState(), challenger.astype(np.int64))[0].alarm_n is not None
    assert at_most(alarms["paired cusum"], runs, 0.05)
    assert at_most(alarms["paired e-SR"], runs, 0.05)
    assert not at_most(alarms["fixed"], runs, 0.05)
    assert at_least(alarms["fixed"], runs, 0.3)


def test_many_small_losses_add_up() -> None:
    """Each of four dimensions worse by .3 of its detectable shift: the composite finds it in well under the time of the four."""
    rng, runs, onset, length = np.random.default_rng(75), 60, 1000, 12_000
    shifts = {"correctness": 0.04, "latency": 0.0275, "safety": 0.011, "semantic": 0.03}
    discordance = {"correctness": 0.133, "latency": 0.015, "safety": 0.008, "semantic": 0.05}
    lattices = dict.fromkeys(shifts, TERNARY)
    weights = composite_weights(shifts, {d: discordance[d] ** 0.5 for d in shifts})

    def draw(n: int, fraction: float) -> dict[str, IntArray]:
        laws = {d: np.array([x / 2 + fraction * shifts[d], 1 - x - fraction * shifts[d], x / 2]) for d, x in discordance.items()}
        return {d: rng.choice(3, n, p=law) for d, law in laws.items()}

    tolerated = dict.fromkeys(shifts, 0.0)
    composite = plan_composite(weights, tolerated, shifts, composite_codes(weights, lattices, draw(2000, 0.0)), N, 0.05, 0.05)
    single = {d: plan_paired_monitor(discordance[d], 0.0, shifts[d], N, 0.0125, 0.0125) for d in shifts}
    delays: dict[str, list[int]] = {"composite": [], "single": []}
    for _ in range(runs):
        calm, worse = draw(onset, 0.0), draw(length, 0.3)
        codes = {d: np.concatenate((calm[d], worse[d])) for d in shifts}
        charts = [update_chart_many(m.cusum, CusumState(), codes[d])[0].alarm_n for d, m in single.items()]
        whole = update_chart_many(composite.cusum, CusumState(), composite_codes(weights, lattices, codes))[0].alarm_n
        delays["single"].append(min(n or NEVER for n in charts) - onset)
        delays["composite"].append((whole or NEVER) - onset)
    half = np.median(delays["single"]) / 2
    assert at_least(int((np.array(delays["composite"]) <= half).sum()), runs, 0.5), (np.median(delays["composite"]), half)
