"""Table 6, the exact part: thresholds, Siegmund's approximation, fast initial response, estimated baselines, rollouts."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from dualgate.gate.stats.cusum import (
    bernoulli_law,
    cusum_threshold,
    phase_arl,
    reference_fraction,
    siegmund_threshold,
    threshold_for_arl,
)
from dualgate.gate.stats.run_length import StepLaw, alarm_probability, run_lengths
from dualgate.lab.characteristics.rows import Row, Z, exact_row, fraction_row, median_row, printed

Floats = npt.NDArray[np.float64]
STUDY = 4000
CORRECTNESS, SLA, SAFETY = "correctness .158, +.04", "over the SLA .0075, +.0275", "safety .004, +.011"

SIGNALS: tuple[tuple[str, float, float, tuple[tuple[int, float, float, float, float, float, float], ...]], ...] = (
    # target ARL0, Siegmund's h and its true ARL0, exact h, ARL1, FIR ARL1, FIR ARL0 (nan: not stated)
    (CORRECTNESS, 0.158, 0.04, (
        (1000, 7.0, 876, 7.33, 222, 153, 854), (5000, 11, 4063, 11.97, 437, 284, 4498), (20000, 16, 15787, 17, 661, 411, 18736))),
    ("correctness .158, +.02", 0.158, 0.02, ((5000, 15, 4733, 16, 989, 667, math.nan),)),
    (SLA, 0.0075, 0.0275, (
        (1000, 0.99, 602, 1.55, 79, 60, math.nan), (5000, 1.41, 890, 2.34, 134, 97, math.nan),
        (20000, 1.78, 1579, 3.06, 186, 126, math.nan))),
    (SAFETY, 0.004, 0.011, (
        (1000, 1.0, 953, 1.03, 152, 106, math.nan), (5000, 1.52, 1493, 2.13, 292, 219, math.nan),
        (20000, 2.0, 4309, 3.00, 438, 303, math.nan))),
)  # fmt: skip


def thresholds(_: int) -> Iterator[Row]:
    """Yield Siegmund's threshold and what it gives, the exact threshold, and run lengths with and without a head start."""
    for name, rate, shift, targets in SIGNALS:
        for target, siegmund, its_arl, h, arl1, fir1, fir0 in targets:
            found, at = cusum_threshold(rate, shift / 2, target), f"{name}, ARL0 {target}"
            control, worse = (bernoulli_law(r, found.reference) for r in (rate, rate + shift))
            guess = siegmund_threshold(control.mean, control.standard_deviation, target)
            yield exact_row("6", at, "Siegmund's h (within 1 %)", siegmund, guess / found.unit, 0.01)
            true_arl = float(run_lengths(control, math.ceil(guess))[0])
            yield exact_row("6", at, "true ARL0 of Siegmund's h (within 10 %)", its_arl, true_arl, 0.1)
            yield exact_row("6", at, "exact h", h, found.threshold)
            in_control, out = run_lengths(control, found.limit), run_lengths(worse, found.limit)
            yield exact_row("6", at, "ARL1", arl1, float(out[0]), 0.005)
            yield exact_row("6", at, "ARL1 started at h/2", fir1, float(out[found.limit // 2]), 0.01)
            if not math.isnan(fir0):
                yield exact_row("6", at, "ARL0 started at h/2", fir0, float(in_control[found.limit // 2]), 0.01)


def references(_: int) -> Iterator[Row]:
    """Yield the delay at the reference delta/2 over that at the optimal one: equal within 2 %."""
    for name, rate, shift, _targets in (SIGNALS[0], *SIGNALS[2:]):
        p1 = rate + shift
        best = math.log((1 - rate) / (1 - p1)) / math.log(p1 * (1 - rate) / (rate * (1 - p1)))
        delays = [cusum_threshold(rate, slack, 5000).arl(p1) for slack in (shift / 2, best - rate)]
        yield exact_row("6", name, "delay at k = delta/2 over that at the optimal k", 1.0, delays[0] / delays[1], 0.02)


def phases(_: int) -> Iterator[Row]:
    """Yield the exact probability of a false alarm within N observations, h from ARL0 = -N / ln(1 - p)."""
    for name, rate, slack, n, p, stated in (
        (CORRECTNESS, 0.158, 0.02, 2000, 0.01, 0.007), (CORRECTNESS, 0.158, 0.02, 2000, 0.05, 0.038),
        (CORRECTNESS, 0.158, 0.02, 10_000, 0.01, 0.010), (CORRECTNESS, 0.158, 0.02, 10_000, 0.05, 0.049),
        (SAFETY, 0.004, 0.0055, 2000, 0.01, 0.008), (SAFETY, 0.004, 0.0055, 2000, 0.05, 0.045),
        (SAFETY, 0.004, 0.0055, 10_000, 0.01, 0.010), (SAFETY, 0.004, 0.0055, 10_000, 0.05, 0.047),
    ):  # fmt: skip
        reference = reference_fraction(rate, slack)
        law = bernoulli_law(rate, reference)
        exact = alarm_probability(law, _limit(law, reference, n, p), n)
        yield share_row(f"{name}, N {n}, p {p}", "P(false alarm within N)", stated, exact)
        yield Row("6", f"{name}, N {n}, p {p}", "the same, at most p", p, exact, exact, exact, 0, "at most")


def share_row(name: str, quantity: str, stated: float, exact: float) -> Row:
    """Return an exact probability beside one that was simulated in STUDY runs."""
    reach = Z * math.sqrt(exact * (1 - exact) / STUDY) + printed(stated)
    return Row("6", name, quantity, stated, exact, exact - reach, exact + reach, 0)


def _limit(law: StepLaw, reference: Fraction, n: int, p: float) -> int:
    return threshold_for_arl(law, phase_arl(n, p), reference.denominator, reference).limit


ESTIMATED = {300: (752, 281_793, 0.36), 1000: (1597, 31_724, 0.22), 5000: (2727, 9927, 0.08)}


def estimated_baselines(runs: int, seed: int) -> Iterator[Row]:
    """Yield what becomes of ARL0 = 5,000 where mu0 is estimated, and what a 90 % upper bound of it costs."""
    rng = np.random.default_rng(seed)
    for (n, (low, high, below)), bound_arl1 in zip(ESTIMATED.items(), (2621, 915, 564), strict=True):
        counts = rng.binomial(n, 0.158, runs)
        arls = {int(k): cusum_threshold(k / n, 0.02, 5000).arl(0.158) for k in np.unique(counts)}
        found = np.array([arls[int(k)] for k in counts])
        name = f"mu0 from {n}"
        yield fraction_row("6", name, "charts with less than half of ARL0", below, found < 2500, STUDY)
        yield fraction_row("6", name, f"charts with an ARL0 below {low}", 0.1, found < low, STUDY)
        yield fraction_row("6", name, f"charts with an ARL0 above {high}", 0.1, found > high, STUDY)
        upper = {int(k): float(beta.ppf(0.9, k + 1, n - k)) for k in np.unique(counts)}
        charts = {k: cusum_threshold(rate, 0.02, 5000) for k, rate in upper.items()}
        kept = {k: chart.arl(0.158) >= 5000 for k, chart in charts.items()}
        yield fraction_row(
            "6", name, "90 % upper bound: charts that keep ARL0", 0.9, np.array([kept[int(k)] for k in counts]), 0, "at least"
        )
        arl1 = {k: chart.arl(0.198) for k, chart in charts.items()}
        delays = np.array([arl1[int(k)] for k in counts])
        yield median_row("6", name, "90 % upper bound: median ARL1", bound_arl1, delays, STUDY)


STEPS = (2000, 2000, 2000, 4000)
REFERENCE = Fraction(8, 45)  # a coarser lattice than 34/191, for speed
SCHEDULES: tuple[tuple[str, float, tuple[int, int, int], int], ...] = (
    ("equal p .01, reset to 0", 0.028, (1073, 1196, 1237), 5911),
    ("spent .004 .008 .012 .016, reset to 0", 0.026, (1257, 1240, 1272), 5926),
    ("h x .8 a step, reset to 0", 0.544, (1056, 923, 788), 4630),
    ("one chart carried over, p .04", 0.035, (1074, 1024, 1031), 5361),
    ("p .01, reset to h/2", 0.088, (1045, 733, 1030), 4907),
)


def schedule(index: int) -> tuple[list[int], str]:
    """Return the limits of the four steps and how the chart begins each: carry, zero or fir."""
    law = bernoulli_law(0.158, REFERENCE)
    equal = [_limit(law, REFERENCE, n, 0.01) for n in STEPS]
    spent = [_limit(law, REFERENCE, n, p) for n, p in zip(STEPS, (0.004, 0.008, 0.012, 0.016), strict=True)]
    carried = [_limit(law, REFERENCE, sum(STEPS), 0.04)] * 4
    shrunk = [round(equal[0] * 0.8**i) for i in range(4)]
    return ((equal, "zero"), (spent, "zero"), (shrunk, "zero"), (carried, "carry"), (equal, "fir"))[index]


def alarm_times(limits: Sequence[int], reset: str, rates: Floats) -> Floats:
    """Return P(first alarm at observation n) for n = 1.. over the four steps, exactly, with the rate of each observation."""
    laws: dict[float, StepLaw] = {float(r): bernoulli_law(float(r), REFERENCE) for r in np.unique(rates)}
    out, at, mass, total = np.zeros(sum(STEPS)), 0, np.zeros(0), 1.0
    for limit, n in zip(limits, STEPS, strict=True):
        if at == 0 or reset != "carry":
            mass, start = np.zeros(limit), limit // 2 if reset == "fir" and at else 0
            mass[start] = total
        for _ in range(n):
            down, up = -laws[float(rates[at])].steps[0], laws[float(rates[at])].steps[1]
            p = laws[float(rates[at])].probabilities[1]
            moved = np.zeros(limit)
            moved[0] = (1 - p) * mass[: down + 1].sum()
            moved[1 : limit - down] = (1 - p) * mass[down + 1 :]
            moved[up:] += p * mass[: limit - up]
            left = float(moved.sum())
            out[at], total, mass, at = total - left, left, moved, at + 1
    return out


def rollouts(_: int, index: int) -> Iterator[Row]:
    """Yield a schedule's false alarms over all steps, and its mean delays for a change at three times and a slow drift."""
    name, stated, delays, slow = SCHEDULES[index]
    limits, reset = schedule(index)
    n = sum(STEPS)
    calm = alarm_times(limits, reset, np.full(n, 0.158))
    yield share_row(name, "false alarms in all", stated, float(calm.sum()))
    for change, delay in zip((0, 1900, 3000), delays, strict=True):
        p = alarm_times(limits, reset, np.where(np.arange(n) >= change, 0.198, 0.158))
        yield _delay(name, f"mean delay, change at {change}", delay, p, change)
    rates = np.asarray(0.158 + 0.04 * np.round(np.minimum(np.arange(n) / 8000, 1), 3), dtype=np.float64)
    yield _delay(name, "mean time, drift over 8,000", slow, alarm_times(limits, reset, rates), 0)


def _delay(name: str, quantity: str, stated: float, p: Floats, change: int) -> Row:
    """Return the mean delay of those that alarm after the change, beside one that was simulated in STUDY runs."""
    after, weight = np.arange(1, len(p) + 1 - change), p[change:] / p[change:].sum()
    mean = float(weight @ after)
    reach = Z * math.sqrt(float(weight @ (after - mean) ** 2) / STUDY) + 0.5
    return Row("6", name, quantity, stated, mean, mean - reach, mean + reach, 0)
