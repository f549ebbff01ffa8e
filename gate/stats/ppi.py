"""Prediction-powered evidence: an automatic rater on every pair, a human label on some, valid for any rater.

z = eta R + (drawn / pi)(Y - eta R) has the mean of Y whatever the rater's R is worth, so a process that bets on z is valid
even where the rater prefers one arm; eta and the bet come from the past (Angelopoulos, Duchi and Zrnic, 2023, as an e-process).
R and Y are differences challenger minus incumbent, in {-1, 0, 1}; z is rounded towards the null to a thousandth.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from dualgate.gate.stats.bets import recorded
from dualgate.gate.stats.fixed_point import increment
from dualgate.gate.stats.lattice import exact

THOUSAND = 1000
BET_CAP = 0.9


def power_tuned(sum_yr: int, sum_rr: int) -> int:
    """Return eta = clip(sum Y R / sum R^2, 0, 1) over past labelled pairs, in thousandths rounded down; 0 with none."""
    return min(max(sum_yr * THOUSAND // sum_rr, 0), THOUSAND) if sum_rr else 0


def corrected(rater: int, label: int | None, eta: int, thousandths: int, direction: int) -> int:
    """Return direction * z in thousandths, rounded down; label None where the pair was not drawn.

    eta and the label's probability are in thousandths.
    """
    z = Fraction(eta * rater, THOUSAND)
    if label is not None:
        z += (label - Fraction(eta * rater, THOUSAND)) * Fraction(THOUSAND, thousandths)
    return math.floor(direction * z * THOUSAND)


def worst(eta: int, least_thousandths: int) -> Fraction:
    """Return the least value of z: eta - (1 + eta) / pi, for R = 1 and Y = -1."""
    share = Fraction(eta, THOUSAND)
    return share - (1 + share) * Fraction(THOUSAND, least_thousandths)


def predictable_bet(shift: float, null: float, direction: int, mean_square: float, eta: int, least_thousandths: int) -> float:
    """Return min(shift / (mean z^2 + shift^2), .9 / (largest loss)), from past z only.

    shift: how far beyond the null the mean is planned to be. The first is the growth-optimal bet up to third order.
    """
    # z is rounded down by up to a thousandth, which the largest loss must cover.
    loss = -worst(eta, least_thousandths) + direction * Fraction(exact(null)) + Fraction(1, THOUSAND)
    return recorded(min(shift / (mean_square + shift * shift), BET_CAP / float(loss)))


def log_increment(bet: float, z_thousandths: int, null: float, direction: int) -> int:
    """Return floor(1e9 log(1 + bet (direction z - direction null))), nano-nats."""
    return increment(bet, Decimal(z_thousandths) / THOUSAND - direction * exact(null))


def attenuated_null(null: float, least_youden: float) -> float:
    """Return null * J: the boundary for a raw rater of non-differential error (Rogan and Gladen, 1978), J = Se + Sp - 1.

    Not what the gate does by default: it holds only if the rater errs equally on both arms, and J must be a lower
    confidence bound. With a rater that favours the challenger its type I error was .75 to 1.
    """
    if not (math.isfinite(null) and -1.0 < null <= 0.0):
        raise ValueError(f"null {null!r}, accepted: a non-inferiority boundary in (-1, 0]")
    if not 0.0 < least_youden <= 1.0:
        raise ValueError(f"least_youden {least_youden!r}, accepted: in (0, 1]")
    return null * least_youden
