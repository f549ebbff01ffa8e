"""Latency where only the challenger's answers are at hand: split calibration beside the conformal martingale that ships.

Log-normal latencies (sd .632), the null a challenger slower by just the margin, the alternative an equal one; 2,000 answers,
level .05. Split calibration fits the KDE score on half of the calibrating latencies, bounds its mean under the null from the
other half at .99 and tests at .04 with what is left.

python -m benchmarks.latency_without_pairs [--json]
"""

from __future__ import annotations

import math

import numpy as np
from benchmarks.side_by_side import Measurement, Ratio, ratio, report
from numpy.typing import NDArray

from dualgate.gate.stats import CONFORMAL, CONFORMAL_BETS, fit_swap_score, log_e_process, start_conformal, update_conformal_many

Floats = NDArray[np.float64]
RUNS, ANSWERS, SD, CENTRE_MS = 150, 2000, 0.632, 40.0
Z_99, LEFT, LEVEL = 2.326, 0.04, 0.05


def _draw(rng: np.random.Generator, n: int, slower: float = 1.0) -> Floats:
    return np.asarray(np.exp(rng.normal(math.log(CENTRE_MS), SD, n)) * slower)


def split(calibration: Floats, answers: Floats, margin: float) -> bool:
    """Tell whether split calibration accepts within these answers."""
    half = len(calibration) // 2
    score = fit_swap_score(calibration[:half], margin)
    psi = np.array(score.psi) / 1000
    null = np.exp(psi[score.cells(calibration[half:] * (1 + margin))])
    bound = null.mean() + Z_99 * null.std(ddof=1) / math.sqrt(null.size)
    return bool((np.cumsum(psi[score.cells(answers)] - math.log(bound)) >= math.log(1 / LEFT)).any())


def conformal(calibration: Floats, answers: Floats, margin: float, ties: Floats) -> bool:
    """Tell whether the conformal martingale accepts within these answers."""
    score, bag = start_conformal(calibration, margin)
    _, codes = update_conformal_many(score, bag, answers, ties)
    return bool((log_e_process(CONFORMAL.values[codes], 0.0, CONFORMAL_BETS) >= math.log(1 / LEVEL)).any())


def _accepted(margin: float, n: int, slower: float, seed: int) -> tuple[float, float]:
    """Return the fractions of (conformal, split) runs that accept."""
    rng = np.random.default_rng(seed)
    hits = []
    for _ in range(RUNS):
        calibration, answers = _draw(rng, n), _draw(rng, ANSWERS, slower)
        hits.append((conformal(calibration, answers, margin, rng.random(ANSWERS)), split(calibration, answers, margin)))
    ours, other = np.array(hits).mean(axis=0)
    return float(ours), float(other)


def main() -> None:
    """Measure and print."""
    told: list[Measurement] = []
    ratios: list[Ratio] = []
    for margin in (0.10, 0.25, 0.50):
        for n in (300, 3000):
            for what, slower, seed in (("false acceptance", 1 + margin, 1), ("power", 1.0, 2)):
                ours, other = _accepted(margin, n, slower, seed)
                case = f"{what}, margin {margin:.0%}, {n} calibrating"
                pair = Measurement(f"dualgate: {case}", 100 * ours, "%"), Measurement(f"split: {case}", 100 * other, "%")
                told += pair
                if what == "power" and other:
                    ratios.append(ratio(f"{case}: conformal over split", *pair))
    report(told, ratios, str(__doc__))


if __name__ == "__main__":
    main()
