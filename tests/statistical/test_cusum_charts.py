"""CUSUM and e-SR on the page's signals: exact where the chain gives it, else simulated with the gate's own integer folds."""

from fractions import Fraction

import numpy as np
import pytest

from dualgate.gate.stats.chart import CusumSpec, CusumState, update_chart_many
from dualgate.gate.stats.cusum import bernoulli_law, cusum_threshold, paired_law, phase_arl, reference_fraction, threshold_for_arl
from dualgate.gate.stats.lattice import BINARY, TERNARY, IntArray
from dualgate.gate.stats.monitor_plan import alarm_level, bernoulli_bet, mixture_bets
from dualgate.gate.stats.run_length import StepLaw, alarm_probability, run_lengths
from dualgate.gate.stats.shiryaev_roberts import EsrSpec, start_esr, update_esr_many
from support.rates import at_most, same_mean, same_rate

RATE = 0.158
REFERENCE = reference_fraction(RATE, 0.02)
LAW = bernoulli_law(RATE, REFERENCE)
STEPS = (2000, 2000, 2000, 4000)
PAGE_RUNS = 4000  # the page's repetitions where it does not say otherwise


def _limit(n_observations: int, p_false_alarm: float, law: StepLaw = LAW, reference: Fraction = REFERENCE) -> int:
    return threshold_for_arl(law, phase_arl(n_observations, p_false_alarm), reference.denominator, reference).limit


def _total(probabilities: list[float]) -> float:
    return 1.0 - float(np.prod(1.0 - np.array(probabilities)))


def _esr(rate: float, shift: float, level: int) -> EsrSpec:
    bets = mixture_bets(bernoulli_bet(rate, rate + shift), 1 / rate)
    return EsrSpec(BINARY, rate, 1, bets, level)


@pytest.mark.parametrize(
    ("rate", "slack", "n", "p", "measured"),
    [
        (0.158, 0.02, 2000, 0.01, 0.007), (0.158, 0.02, 2000, 0.05, 0.038), (0.158, 0.02, 10_000, 0.01, 0.010),
        (0.158, 0.02, 10_000, 0.05, 0.049), (0.004, 0.0055, 2000, 0.05, 0.045), (0.004, 0.0055, 10_000, 0.05, 0.047),
    ],
)  # fmt: skip
def test_phase_calibration(rate: float, slack: float, n: int, p: float, measured: float) -> None:
    """ARL0 = -N / ln(1 - p) keeps P(alarm within N) below p; the exact value agrees with what the page simulated."""
    reference = reference_fraction(rate, slack)
    law = bernoulli_law(rate, reference)
    exact = alarm_probability(law, _limit(n, p, law, reference), n)
    assert exact <= p
    assert same_rate(round(exact * 10**7), 10**7, measured, PAGE_RUNS)


@pytest.mark.parametrize(("target", "arl1", "arl0"), [(1000, 153, 854), (5000, 284, 4498), (20000, 411, 18736)])
def test_fast_initial_response(target: float, arl1: float, arl0: float) -> None:
    """Started at half its threshold a chart finds a shift sooner and alarms falsely sooner, as the page's table says."""
    found = cusum_threshold(RATE, 0.02, target)
    start = found.limit // 2
    assert run_lengths(bernoulli_law(RATE + 0.04, found.reference), found.limit)[start] == pytest.approx(arl1, abs=1)
    assert run_lengths(LAW, found.limit)[start] == pytest.approx(arl0, rel=1e-3)


def test_rollout_schedules() -> None:
    """False alarms over four steps, exactly: spending a budget keeps it, shrinking h by .8 a step gives .54, FIR .09."""
    reference = Fraction(8, 45)  # a coarser lattice than 34/191, for speed
    law = bernoulli_law(RATE, reference)
    limits = [_limit(n, 0.01, law, reference) for n in STEPS]
    equal = _total([alarm_probability(law, h, n) for h, n in zip(limits, STEPS, strict=True)])
    spent = (0.004, 0.008, 0.012, 0.016)
    growing = _total([alarm_probability(law, _limit(n, p, law, reference), n) for n, p in zip(STEPS, spent, strict=True)])
    shrunk = _total([alarm_probability(law, round(limits[0] * 0.8**i), n) for i, n in enumerate(STEPS)])
    carried = alarm_probability(law, _limit(sum(STEPS), 0.04, law, reference), sum(STEPS))
    fir = _total([alarm_probability(law, h, n, h // 2 if i else 0) for i, (h, n) in enumerate(zip(limits, STEPS, strict=True))])
    assert max(equal, growing, carried) <= 0.04 < fir < shrunk
    page = {0.028: equal, 0.026: growing, 0.544: shrunk, 0.035: carried, 0.088: fir}
    for expected, exact in page.items():
        assert same_rate(round(exact * 10**7), 10**7, expected, PAGE_RUNS), (expected, exact)


def test_estimated_baseline_loses_the_guarantee() -> None:
    """With mu0 from 300 observations a third of the charts have less than half the ARL0 they were made for."""
    rng = np.random.default_rng(61)
    arls = {}
    sample = rng.binomial(300, RATE, 400) / 300
    for rate in np.unique(sample):
        made = cusum_threshold(float(rate), 0.02, 5000)
        arls[float(rate)] = made.arl(RATE)
    below = sum(arls[float(rate)] < 2500 for rate in sample)
    assert same_rate(below, sample.size, 0.36, PAGE_RUNS)


@pytest.mark.parametrize(
    ("rate", "design", "arl0", "delays"),
    [(0.158, 0.04, 5409, (917, 407, 170)), (0.0075, 0.0275, 7792, (317, 141, 63)), (0.004, 0.011, 7195, (692, 314, 145))],
)
def test_esr_delays(rate: float, design: float, arl0: float, delays: tuple[int, ...]) -> None:
    """Mixture e-SR at A = 5,000: run length in control (at least A) and delays after a change at 1,000 are the page's."""
    rng = np.random.default_rng(62)
    spec = _esr(rate, design, 5000)
    runs = [_first_alarm(spec, rng, rate, rate, 0) for _ in range(120)]
    assert same_mean(runs, arl0, 1000)
    assert np.mean(runs) + 4 * np.std(runs) / np.sqrt(len(runs)) >= 5000
    for factor, delay in zip((0.5, 1.0, 2.0), delays, strict=True):
        found = [_first_alarm(spec, rng, rate, rate + factor * design, 1000) for _ in range(150)]
        assert same_mean([n - 1000 for n in found if n > 1000], delay, 1000), (factor, np.mean(found) - 1000)


def _first_alarm(spec: EsrSpec, rng: np.random.Generator, before: float, after: float, change: int) -> int:
    """The observation at which e-SR alarms, in a Bernoulli stream whose rate changes after `change` observations."""
    state = start_esr(spec)
    if change:
        state, _ = update_esr_many(spec, state, _bernoulli(rng, before, change))
    while state.alarm_n is None:
        state, _ = update_esr_many(spec, state, _bernoulli(rng, after, 500))
    return state.alarm_n


def _bernoulli(rng: np.random.Generator, rate: float, n: int) -> IntArray:
    return (rng.random(n) < rate).astype(np.int64)


def _habitual(rng: np.random.Generator, n: int) -> IntArray:
    """Paired losses whose discordance depends on the last outcome; each conditional mean is 0."""
    codes, last = np.empty(n, dtype=np.int64), 1
    for i, u in enumerate(rng.random(n)):
        d = 0.6 if last != 1 else 0.1
        last = 0 if u < d / 2 else 2 if u > 1 - d / 2 else 1
        codes[i] = last
    return codes


@pytest.mark.parametrize("law", ["independent", "habitual"])
def test_esr_guarantee_over_a_phase(law: str) -> None:
    """With A = N / p a false alarm within N has a probability of at most p, outcomes may depend on the past; A / 4 fails."""
    rng, n, p, runs = np.random.default_rng(63), 800, 0.1, 1500
    spec = EsrSpec(TERNARY, 0.0, -1, mixture_bets(0.28, 1.0), alarm_level(n, p))
    alarms, early = 0, 0
    for _ in range(runs):
        codes = rng.choice(3, n, p=[0.07, 0.86, 0.07]) if law == "independent" else _habitual(rng, n)
        _, totals = update_esr_many(spec, start_esr(spec), codes)
        alarms += int(totals.max() >= spec.alarm_total)
        early += int(totals.max() >= spec.alarm_total // 4)
    assert at_most(alarms, runs, p)
    assert not at_most(early, runs, p)


def test_paired_chart_with_an_upper_discordance_bound() -> None:
    """h from an upper bound of the discordance keeps the budget at the true one; h from a value half of it does not."""
    rng, n, p, runs = np.random.default_rng(64), 4000, 0.1, 1500
    reference = Fraction(1, 50)
    made = {d: _limit(n, p, paired_law(d, 0.0, reference), reference) for d in (0.07, 0.16)}
    false = dict.fromkeys(made, 0)
    for _ in range(runs):
        codes = rng.choice(3, n, p=[0.07, 0.86, 0.07])
        for d, limit in made.items():
            state, _ = update_chart_many(CusumSpec(TERNARY, reference, -1, limit), CusumState(), codes)
            false[d] += state.alarm_n is not None
    assert at_most(false[0.16], runs, p)
    assert not at_most(false[0.07], runs, p)
