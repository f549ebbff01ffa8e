"""Exact thresholds for the CUSUM of Eq. 5, C <- max(0, C + x - reference), alarm at C >= h.

Bernoulli and other quantised signals live on a lattice, so their average run lengths are exact (`run_length`); a signal with
no lattice is rounded to one (Brook and Evans, 1972). Siegmund's corrected diffusion only starts the search: for rare
events it is off by up to a factor of 5 (ARL0 890 where 5000 was asked for).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import numpy as np
from scipy.optimize import brentq

from .run_length import LONGEST, MAX_CELLS, StepLaw, run_length_from_zero, step_law

MAX_DENOMINATOR = 200
OVERSHOOT = 1.166  # 2 x .583, Siegmund's correction for the excess over both boundaries


@dataclass(frozen=True, slots=True)
class CusumThreshold:
    """The least lattice threshold with an in-control ARL of at least the target.

    `threshold` is h in units of the signal, `limit` the same in lattice units of 1/unit; `reference` is mu0 + k.
    """

    threshold: float
    arl0: float
    limit: int
    unit: int
    reference: Fraction

    def arl(self, rate: float) -> float:
        """Return the expected number of observations to alarm from C = 0 when P(x = 1) = rate."""
        return run_length_from_zero(bernoulli_law(rate, self.reference), self.limit)


def cusum_threshold(rate: float, slack: float, target_arl: float) -> CusumThreshold:
    """Return the exact threshold for a Bernoulli signal with P(x = 1) = rate in control and reference rate + slack.

    The reference is taken as the nearest fraction with a denominator of at most 200. ValueError on a rate outside (0, 1),
    a slack that is not positive, a reference of 1 or more or nearest to 0, or a target that is not above 1.
    """
    _open_unit("rate", rate)
    reference = reference_fraction(rate, slack)
    if not reference < 1:
        raise ValueError(
            f"rate + slack must be below 1, also as the nearest fraction with a denominator of at most {MAX_DENOMINATOR}, "
            f"got {rate} + {slack}, nearest to {reference}"
        )
    law = bernoulli_law(rate, reference)
    return threshold_for_arl(law, target_arl, unit=reference.denominator, reference=reference)


def reference_fraction(mean: float, slack: float, max_denominator: int = MAX_DENOMINATOR) -> Fraction:
    """Return mean + slack as the nearest fraction with a denominator of at most max_denominator."""
    if not (math.isfinite(slack) and slack > 0.0):
        raise ValueError(f"slack must be positive and finite, got {slack!r}")
    exact = Fraction(repr(float(mean))) + Fraction(repr(float(slack)))
    nearest = exact.limit_denominator(max_denominator)
    if not nearest > Fraction(repr(float(mean))):
        raise ValueError(
            f"reference {float(exact)!r} is nearest to {nearest} among fractions with a denominator of at most "
            f"{max_denominator}, which is not above the in-control mean {mean!r}: take a larger slack"
        )
    return nearest


def bernoulli_law(rate: float, reference: Fraction) -> StepLaw:
    """Return the step law of a Bernoulli signal: +b with probability rate, else -a, where reference = a/(a+b)."""
    if not (math.isfinite(rate) and 0.0 <= rate <= 1.0):
        raise ValueError(f"rate must lie in [0, 1], got {rate!r}")
    return step_law((0.0, 1.0), (1.0 - rate, rate), reference, reference.denominator)


def paired_law(discordance: float, mean: float, reference: Fraction) -> StepLaw:
    """Return the step law of a paired signal x in {-1, 0, 1} with P(x != 0) = discordance and the given mean."""
    if not (math.isfinite(discordance) and 0.0 < discordance <= 1.0):
        raise ValueError(f"discordance must lie in (0, 1], got {discordance!r}")
    if not (math.isfinite(mean) and abs(mean) <= discordance):
        raise ValueError(f"mean {mean!r} is impossible with discordance {discordance!r}: it must lie within +-discordance")
    worse, better = (discordance + mean) / 2.0, (discordance - mean) / 2.0
    return step_law((-1.0, 0.0, 1.0), (better, 1.0 - discordance, worse), reference, reference.denominator)


def threshold_for_arl(law: StepLaw, target_arl: float, unit: int, reference: Fraction) -> CusumThreshold:
    """Return the least limit at which the chart's ARL from 0 under `law` is at least target_arl."""
    if not 1.0 < target_arl <= LONGEST / 100:
        raise ValueError(f"target_arl must be above 1 and at most {LONGEST / 100:.0e}, got {target_arl!r}")
    if not law.mean < 0.0:
        raise ValueError(f"the in-control mean must be below the reference {reference}, got a drift of {law.mean / unit}")
    if law.steps[-1] <= 0 or law.probabilities[-1] == 0.0:
        raise ValueError(f"the signal never exceeds the reference {reference}: the chart cannot alarm")
    guess = siegmund_threshold(law.mean, law.standard_deviation, target_arl)
    limit, arl0 = _least_limit(law, target_arl, min(max(1, round(guess)), MAX_CELLS))
    return CusumThreshold(limit / unit, arl0, limit, unit, reference)


def siegmund_arl(drift: float, sd: float, threshold: float) -> float:
    """Return Siegmund's ARL (exp(-2 D b) - 1 + 2 D b) / (2 D^2), D = drift/sd, b = threshold/sd + 1.166."""
    d, b = drift / sd, threshold / sd + OVERSHOOT
    if abs(d) < 1e-8:
        return b * b
    exponent = min(-2.0 * d * b, 700.0)
    return (math.expm1(exponent) - exponent) / (2.0 * d * d)


def siegmund_threshold(drift: float, sd: float, target_arl: float) -> float:
    """Return the threshold with Siegmund's ARL of target_arl, or 0 where even that is longer: a first guess only."""
    if siegmund_arl(drift, sd, 0.0) >= target_arl:
        return 0.0
    top = sd
    while siegmund_arl(drift, sd, top) < target_arl:
        top *= 2.0
    return float(brentq(lambda h: siegmund_arl(drift, sd, h) - target_arl, 0.0, top))


def _least_limit(law: StepLaw, target: float, guess: int) -> tuple[int, float]:
    """Return the least whole limit with ARL >= target, and its ARL.

    log ARL grows by the adjustment coefficient a lattice unit, nearly: Newton steps of that slope, then halving.
    """
    slope = adjustment_coefficient(law)
    low, high, arl_high, trial = 0, MAX_CELLS + 1, math.inf, guess
    for trials in count(1):
        arl = run_length_from_zero(law, trial)
        low, high, arl_high = (low, trial, arl) if arl >= target else (trial, high, arl_high)
        if high - low == 1:
            break
        step = math.log(target / arl) / slope if math.isfinite(arl) else -trial / 2
        newton = trial + (max(1, math.ceil(step)) if step > 0 else min(-1, math.floor(step)))
        trial = min(max(newton, low + 1), high - 1) if trials < 8 or high > MAX_CELLS else (low + high) // 2
    if high > MAX_CELLS:
        raise ValueError(f"target_arl {target} needs more than {MAX_CELLS} lattice cells: take a larger slack")
    return high, arl_high


def adjustment_coefficient(law: StepLaw) -> float:
    """Return the positive root t of E exp(t s) = 1, at which rate the ARL grows with the limit."""

    def excess(t: float) -> float:
        return math.fsum(p * math.expm1(min(t * s, 700.0)) for s, p in zip(law.steps, law.probabilities, strict=True))

    top = 1.0 / law.steps[-1]
    while excess(top) <= 0.0:
        top *= 2.0
    bottom = top
    while excess(bottom) > 0.0:
        bottom /= 2.0
    return float(brentq(excess, bottom, top))


def within_reach(target_arl: float) -> tuple[float, float]:
    """Return an ARL that can be computed, at most the target, and the log of how many times as long the target is.

    Beyond it the ARL grows with the limit as exp(t limit), t the adjustment coefficient, so a limit is found by `further`.
    """
    asked = min(target_arl, LONGEST / 100)
    return asked, math.log(target_arl / asked)


def further(law: StepLaw, more: float) -> int:
    """Return how many lattice units a limit lies further where the ARL is exp(more) times as long."""
    return math.ceil(more / adjustment_coefficient(law))


def phase_arl(n_observations: int, p_false_alarm: float) -> float:
    """Return the ARL0 at which a memoryless alarm falls within n observations with probability p: -n / ln(1 - p).

    A chart started at 0 alarms later than a memoryless one at first, so its probability stays below p.
    """
    if n_observations < 1:
        raise ValueError(f"n_observations must be at least 1, got {n_observations}")
    _open_unit("p_false_alarm", p_false_alarm)
    return -n_observations / math.log1p(-p_false_alarm)


def brook_evans_law(
    values: Sequence[float], probabilities: Sequence[float], reference: float, threshold: float, cells: int
) -> StepLaw:
    """Return x - reference on cells of width 2 threshold / (2 cells - 1), so that h is where cell `cells` begins.

    A value between two cells is shared between them so that its mean stays: rounding it to the nearer one would move the drift,
    to which the ARL is exponentially sensitive.
    """
    if not (math.isfinite(threshold) and threshold > 0.0 and cells >= 2):
        raise ValueError(f"need threshold > 0 and cells >= 2, got {threshold!r} and {cells}")
    position = (np.asarray(values, dtype=np.float64) - reference) * (2 * cells - 1) / (2.0 * threshold)
    mass, below = np.asarray(probabilities, dtype=np.float64), np.floor(position)
    upper = mass * (position - below)
    steps = np.concatenate((below, below + 1.0)).astype(np.int64)
    distinct, where = np.unique(steps, return_inverse=True)
    shares = np.bincount(where, weights=np.concatenate((mass - upper, upper)))
    return StepLaw(tuple(int(s) for s in distinct), tuple(float(p) for p in shares))


def brook_evans_arl(
    values: Sequence[float], probabilities: Sequence[float], reference: float, threshold: float, cells: int = 600
) -> float:
    """Return the ARL from 0 of a chart on any bounded law, to the accuracy of `cells` cells below the threshold."""
    law = brook_evans_law(values, probabilities, reference, threshold, cells)
    return run_length_from_zero(law, cells)


def brook_evans_threshold(
    values: Sequence[float], probabilities: Sequence[float], reference: float, target_arl: float, cells: int | None = None
) -> float:
    """Return the threshold at which Brook and Evans' ARL is target_arl, in units of the signal.

    cells: below the threshold; five a standard deviation (50 to 600) unless given, where sharing values between cells adds
    at most a hundredth to the variance.
    """
    mean = math.fsum(v * p for v, p in zip(values, probabilities, strict=True))
    variance = math.fsum((v - mean) ** 2 * p for v, p in zip(values, probabilities, strict=True))
    if not (mean < reference and max(values) > reference and 1.0 < target_arl <= LONGEST / 100):
        raise ValueError(
            f"need mean < reference < max(values) and target_arl > 1, got {mean!r}, {reference!r}, {max(values)!r} "
            f"and {target_arl!r}"
        )

    guess = siegmund_threshold(mean - reference, math.sqrt(variance), target_arl)
    chosen = min(max(50, math.ceil(5 * guess / math.sqrt(variance))), 600) if cells is None else cells

    def excess(h: float) -> float:
        return math.log(min(brook_evans_arl(values, probabilities, reference, h, chosen), LONGEST) / target_arl)

    top = max(guess, max(values) - reference)
    while excess(top) < 0.0:
        top *= 1.25
    bottom = top / 1.25
    while excess(bottom) >= 0.0 and bottom > 1e-9:
        bottom /= 1.25
    return float(brentq(excess, bottom, top, xtol=1e-6 * top)) if bottom > 1e-9 else bottom


def _open_unit(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0.0 < value < 1.0):
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
