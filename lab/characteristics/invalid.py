"""Procedures that look like ours and are not valid: the checks must be able to fail."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import iid, log_e_paths, passages
from dualgate.lab.characteristics.rows import Row, fraction_row
from dualgate.lab.characteristics.single_tests import ALPHA, BETA, A, F, case_named, fixed_bet, paired

Bools = npt.NDArray[np.bool_]


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


def theorems(runs: int, seed: int) -> Iterator[Row]:
    """Yield what theorems 3 (fixed bets under a drifting mean) and 5 (futility under any plan) promise, and what breaks."""
    name = "mean -6 points for 500 pairs, then +6 for 450"
    fixed, learned = drifting(runs, seed)
    yield fraction_row("1", name, "rejects, nine fixed bets", 0.0035, fixed, 2000)
    yield fraction_row("1", name, "rejects, nine fixed bets, at most alpha", ALPHA, fixed, kind="at most")
    yield fraction_row(
        "1", name, "rejects, bet learned from the last 200 pairs (study: .375, its window not stated)", None, learned
    )
    _, futility = fixed_bet(case_named("correctness +.054, phi .7"))
    never = Process(TERNARY, 0.0, 1, (0.1,))
    for phi in (0.0, 0.5, 0.7):
        stream = iid(paired(0.842, 0.896, phi), np.random.default_rng(seed + 1))
        found = passages(never, stream, math.inf, 3000, runs, futility=futility, futility_threshold=F)
        words = "a challenger on its design is turned away, at most beta"
        yield fraction_row("1", f"futility planned at phi .7, true {phi:g}", words, BETA, found.futile_at < 10**9, kind="at most")
