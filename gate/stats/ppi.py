"""Prediction-powered observations: an automatic rater on every pair, a human label on some, unbiased for any rater.

z = eta R + (drawn / pi)(Y - eta R) has the mean of Y whatever the rater's R is worth, so a process that bets on z is valid even
where the rater prefers one arm (Angelopoulos, Duchi and Zrnic, 2023, as an e-process). eta comes from the labels before. R and
Y are differences challenger minus incumbent, in {-1, 0, 1}; z is in thousandths, rounded against the claim.
"""

from __future__ import annotations

from fractions import Fraction

from dualgate.gate.stats.lattice import Lattice

THOUSAND = 1000
STEPS = 10
"""The weight eta is a whole number of tenths: finer ones save no labels worth counting, and z keeps few values."""
_PER_STEP = THOUSAND // STEPS


def power_tuned(sum_yr: int, sum_rr: int) -> int:
    """Return eta = clip(sum Y R / sum R^2, 0, 1) over past labelled pairs, in tenths rounded down; 0 with none."""
    return min(max(sum_yr * STEPS // sum_rr, 0), STEPS) if sum_rr else 0


def corrected(rater: int, label: int | None, eta: int, thousandths: int, direction: int) -> int:
    """Return direction * z in thousandths, rounded down; label None where the pair was not drawn.

    eta in tenths, the label's probability in thousandths.
    """
    rated = direction * _PER_STEP * eta * rater
    if label is None:
        return rated
    return rated + (direction * THOUSAND * label - rated) * THOUSAND // thousandths


def worst(eta: int, thousandths: int) -> Fraction:
    """Return the least value of z: eta - (1 + eta) / pi, for R = 1 and Y = -1."""
    share = Fraction(eta, STEPS)
    return share - (1 + share) * Fraction(THOUSAND, thousandths)


def position(signal: Lattice, z_thousandths: int) -> int:
    """Return the place of z on its lattice, which holds it exactly."""
    quantum, low = round(signal.quantum * THOUSAND), round(signal.low * THOUSAND)
    return (z_thousandths - low) // quantum
