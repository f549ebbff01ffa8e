"""Table 6: exact CUSUM thresholds and run lengths beside the stated ones (no simulation: the chain's own numbers)."""

from collections.abc import Iterator

from dualgate.gate.stats.cusum import bernoulli_law, cusum_threshold
from dualgate.gate.stats.run_length import run_lengths
from dualgate.lab.characteristics.rows import Row

SIGNALS = (
    ("correctness .158, +.04", 0.158, 0.04, ((1000, 7.33, 222), (5000, 11.97, 437), (20_000, 17.0, 661))),
    ("over the SLA .0075, +.0275", 0.0075, 0.0275, ((1000, 1.55, 79), (5000, 2.34, 134), (20_000, 3.06, 186))),
    ("safety .004, +.011", 0.004, 0.011, ((1000, 1.03, 152), (5000, 2.13, 292), (20_000, 3.00, 438))),
)
_DIGITS_H, _SHARE_ARL = 0.02, 0.01


def table_6() -> Iterator[Row]:
    """Yield the exact threshold and out-of-control run length for each target; agreement is to the stated digits."""
    for name, rate, shift, targets in SIGNALS:
        for target, h, arl1 in targets:
            found = cusum_threshold(rate, shift / 2, target)
            at = f"{name}, ARL0 {target}"
            delay = float(run_lengths(bernoulli_law(rate + shift, found.reference), found.limit)[0])
            yield Row("6", at, "threshold h", h, found.threshold, found.threshold - _DIGITS_H, found.threshold + _DIGITS_H, 0)
            yield Row("6", at, "ARL1", arl1, delay, delay * (1 - _SHARE_ARL), delay * (1 + _SHARE_ARL), 0)
