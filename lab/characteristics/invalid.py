"""Procedures that look like ours and are not valid: the checks must be able to fail."""

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.lattice import SCORE, TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import log_e_paths
from dualgate.lab.characteristics.single_tests import A, paired, spiked

Bools = npt.NDArray[np.bool_]


def peeked_mcnemar(runs: int, seed: int, n_pairs: int = 2000) -> Bools:
    """Return which runs of equal arms a one-sided McNemar z-test at 5 % rejects when it is looked at after every pair."""
    law = np.cumsum(paired(0.842, 0.842, 0.5))[:-1]
    rng = np.random.default_rng(seed)
    x = np.searchsorted(law, rng.random((runs, n_pairs)), side="right") - 1
    difference, discordant = np.cumsum(x, axis=1), np.cumsum(np.abs(x), axis=1)
    return np.asarray((difference >= 1.6449 * np.sqrt(np.maximum(discordant, 1))).any(axis=1))


def plug_in_baseline(n_calibration: int, runs: int, seed: int, n_pairs: int = 10_000) -> Bools:
    """Return which runs accept a challenger exactly at incumbent - .05, when the null is a mean estimated in calibration."""
    rng = np.random.default_rng(seed)
    values, step = SCORE.values, 250
    incumbent, challenger = np.cumsum(spiked(0.91))[:-1], np.cumsum(spiked(0.86))[:-1]
    null = values[np.searchsorted(incumbent, rng.random((runs, n_calibration)), side="right")].mean(axis=1) - 0.05
    bet = 0.02 / 0.187**2
    sums, rejected = np.zeros(runs), np.zeros(runs, dtype=bool)
    for _ in range(0, n_pairs, step):
        x = values[np.searchsorted(challenger, rng.random((runs, step)), side="right")]
        paths = sums[:, None] + np.cumsum(np.log1p(bet * (x - null[:, None])), axis=1)
        rejected |= (paths >= A).any(axis=1)
        sums = paths[:, -1]
    return rejected


def drifting(runs: int, seed: int) -> tuple[Bools, Bools]:
    """Return which runs reject while the running mean is below 0: the fixed mixture, and a bet learned from the last 200 pairs.

    The mean is -6 points for 500 pairs, then +6 for 450. Fixed bets keep their bound against the running mean; learned ones
    do not.
    """
    rng = np.random.default_rng(seed)
    laws = [np.cumsum([(0.12 - m) / 2, 0.88, (0.12 + m) / 2])[:-1] for m in (-0.06, 0.06)]
    codes = np.concatenate(
        [np.searchsorted(law, rng.random((runs, n)), side="right") for law, n in zip(laws, (500, 450), strict=True)], axis=1
    ).astype(np.int64)
    nine = Process(TERNARY, 0.0, 1, tuple(np.geomspace(0.1146, 0.95, 9).tolist()))
    fixed = (log_e_paths(nine, codes) >= A).any(axis=1)
    x = codes - 1.0
    total = np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1)
    square = np.cumsum(np.pad(np.abs(x), ((0, 0), (1, 0))), axis=1)
    at = np.arange(x.shape[1])
    since = np.maximum(at - 200, 0)
    bets = np.clip((total[:, at] - total[:, since]) / np.maximum(square[:, at] - square[:, since], 1), 0, 0.9)
    learned = (np.cumsum(np.log1p(bets * x), axis=1) >= A).any(axis=1)
    return np.asarray(fixed, dtype=bool), np.asarray(learned, dtype=bool)
