"""How many pairs are set aside before the counting: enough to fix bets from, more where a density is fitted to a small effect."""

from __future__ import annotations

import math

MIN_CALIBRATION = 300


def calibration_pairs(information: float | None = None, z: float = 1.645) -> int:
    """Return the calibrating pairs: 300, or where a density is fitted max(300, 2 z**2 / information).

    information: Kullback-Leibler divergence in nats an observation between the design and its null; a calibration sample of n
    caps the usable information near n, so the length grows with the inverse square of the effect.
    """
    if information is None:
        return MIN_CALIBRATION
    if not information > 0:
        raise ValueError(f"information {information!r}, accepted: above 0")
    return max(MIN_CALIBRATION, math.ceil(2 * z * z / information))
