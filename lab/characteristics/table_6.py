"""Table 6, the simulated part: detectors at a nominal ARL0 of 5,000, before and after a change."""

import math
from collections.abc import Iterator

import numpy as np

from dualgate.gate.stats.cusum import bernoulli_law, cusum_threshold
from dualgate.gate.stats.monitor_plan import bernoulli_bet, mixture_bets
from dualgate.gate.stats.run_length import run_lengths
from dualgate.lab.characteristics.charts import CORRECTNESS, SAFETY, SLA, STUDY
from dualgate.lab.characteristics.detectors import NEVER, Detector, Draw, Floats, e_cusum, esr, first_alarms
from dualgate.lab.characteristics.rows import Row, exact_row, fraction_row, mean_row

TARGET, CHANGE = 5000, 1000
Three = tuple[float, float, float]
SIGNALS: tuple[tuple[str, float, float, Three, float, Three, float, Three, Three, Three], ...] = (
    # name, rate, shift; delays: CUSUM; LR e-SR (its ARL0), mixture e-SR (its ARL0), LR e-CUSUM, mixture e-CUSUM
    (CORRECTNESS, 0.158, 0.04, (954, 383, 155), 5454, (890, 378, 165), 5409, (917, 407, 170),
     (6113, 1291, 457), (5205, 1384, 397)),
    (SLA, 0.0075, 0.0275, (326, 126, 54), 8321, (334, 140, 62), 7792, (317, 141, 63), (950, 290, 119), (950, 290, 119)),
    (SAFETY, 0.004, 0.011, (639, 274, 121), 7734, (699, 305, 141), 7195, (692, 314, 145), (3077, 856, 346), (3077, 856, 346)),
)  # fmt: skip


def _bernoulli(rng: np.random.Generator, before: float, after: float, change: int, null: float) -> Draw:
    def draw(runs: int, start: int, n: int) -> Floats:
        rate = np.where(np.arange(start, start + n) >= change, after, before)
        return np.asarray((rng.random((runs, n)) < rate) - null)

    return draw


def detectors(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield each detector's ARL0 and delays after a change at 1,000 of half, once and twice the design shift."""
    name, rate, shift, exact, lr_arl, lr, mix_arl, mix, lr_cusum, mix_cusum = SIGNALS[index]
    yield from _cusum_delays(name, rate, shift, exact)
    best = bernoulli_bet(rate, rate + shift)
    mixture = mixture_bets(best, 1 / rate)
    for words, detector, arl0, delays in (
        ("LR e-SR", esr((best,)), lr_arl, lr),
        ("mixture e-SR", esr(mixture), mix_arl, mix),
        ("LR e-CUSUM", e_cusum((best,)), None, lr_cusum),
        ("mixture e-CUSUM", e_cusum(mixture), None, mix_cusum),
    ):
        rng = np.random.default_rng(seed)
        cut = 100_000 if arl0 else 40_000
        control = np.minimum(first_alarms(detector, math.log(TARGET), _bernoulli(rng, rate, rate, 0, rate), runs, cut), cut)
        if arl0:
            yield mean_row("6", name, f"ARL0, {words}", arl0, control, STUDY)
        else:
            yield fraction_row("6", name, f"P(alarm by 1,000), {words}, at most", 0.002, control <= 1000, kind="at most")
            yield mean_row("6", name, f"ARL0, {words}, runs cut at 40,000 (study: above 38,000)", None, control)
        for factor, delay in zip((0.5, 1.0, 2.0), delays, strict=True):
            draw = _bernoulli(rng, rate, rate + factor * shift, CHANGE, rate)
            found = _delays(detector, draw, runs)
            shown = words == "mixture e-CUSUM" and index > 0
            stated = None if shown else delay
            yield mean_row("6", name, f"delay at {factor:g} of the shift, {words}", stated, found, STUDY)


def _delays(detector: Detector, draw: Draw, runs: int) -> Floats:
    found = first_alarms(detector, math.log(TARGET), draw, runs, 200_000, calm=CHANGE)
    return np.asarray(found[found < NEVER] - CHANGE, dtype=float)


def _cusum_delays(name: str, rate: float, shift: float, stated: Three) -> Iterator[Row]:
    """Yield the exact delays of a chart that has run for 1,000 observations without an alarm."""
    made = cusum_threshold(rate, shift / 2, TARGET)
    yield exact_row("6", name, "ARL0, CUSUM exact h", TARGET, made.arl0, 0.05)
    control = bernoulli_law(rate, made.reference)
    mass = np.zeros(made.limit)
    mass[0] = 1.0
    down, up, p = -control.steps[0], control.steps[1], control.probabilities[1]
    for _ in range(CHANGE):
        moved = np.zeros(made.limit)
        moved[0] = (1 - p) * mass[: down + 1].sum()
        moved[1 : made.limit - down] = (1 - p) * mass[down + 1 :]
        moved[up:] += p * mass[: made.limit - up]
        mass = moved
    for factor, delay in zip((0.5, 1.0, 2.0), stated, strict=True):
        lengths = run_lengths(bernoulli_law(rate + factor * shift, made.reference), made.limit)
        value = float(mass @ lengths / mass.sum())
        # The study's was a mean of STUDY delays, whose sd is about their mean.
        yield exact_row("6", name, f"delay at {factor:g} of the shift, CUSUM", delay, value, 3.9 / math.sqrt(STUDY))
