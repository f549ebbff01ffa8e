"""Table 3: a semantic null that is a calibrated mean, one with a confidence bound, and a paired re-run of the incumbent."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import norm

from dualgate.gate.stats import gro_bet
from dualgate.gate.stats.lattice import SCORE, SCORE_DIFFERENCE
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import Ints, Stream, passages
from dualgate.lab.characteristics.rows import Row, fraction_row, mean_row
from dualgate.lab.characteristics.single_tests import ALPHA, A, spiked

Floats = npt.NDArray[np.float64]
INCUMBENT, MARGIN, N = 0.91, 0.05, 10_000
BET = 0.02 / 0.187**2
_STEP = 250


def _cuts(mean: float) -> Floats:
    return np.asarray(np.cumsum(spiked(mean))[:-1])


def estimated_null(
    truth: float, n_calibration: int, runs: int, seed: int, *, quantile: float = 0.0, level: float = ALPHA
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Return (accepted, pairs) where the null is a calibrated mean less the margin, plus quantile standard errors, at `level`."""
    rng, values = np.random.default_rng(seed), SCORE.values
    calibration = values[np.searchsorted(_cuts(INCUMBENT), rng.random((runs, n_calibration)), side="right")]
    null = calibration.mean(axis=1) - MARGIN + quantile * calibration.std(axis=1, ddof=1) / np.sqrt(n_calibration)
    alive, sums, stopped = np.arange(runs), np.zeros(runs), np.full(runs, float(N))
    accepted, cuts = np.zeros(runs, dtype=bool), _cuts(truth)
    for start in range(0, N, _STEP):
        x = values[np.searchsorted(cuts, rng.random((len(alive), _STEP)), side="right")]
        paths = sums[:, None] + np.cumsum(np.log1p(BET * (x - null[alive, None])), axis=1)
        hit = paths >= np.log(1 / level)
        found = hit.any(axis=1)
        accepted[alive[found]], stopped[alive[found]] = True, start + hit[found].argmax(axis=1) + 1
        alive, sums = alive[~found], paths[~found, -1]
    return accepted, stopped


def reruns(truth: float, rho: float, rng: np.random.Generator) -> Stream:
    """Return positions of S_challenger - S_rerun; the latent scores of a pair have correlation rho."""
    own, other = _cuts(truth), _cuts(INCUMBENT)

    def stream(alive: Ints, length: int) -> tuple[Ints, None]:
        z = rng.standard_normal((2, len(alive), length))
        challenger = ndtr(rho * z[1] + np.sqrt(1 - rho**2) * z[0])
        codes = np.searchsorted(own, challenger, side="right") - np.searchsorted(other, ndtr(z[1]), side="right")
        return codes.astype(np.int64) + SCORE_DIFFERENCE.size // 2, None

    return stream


def paired(truth: float, rho: float, runs: int, seed: int) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Return (accepted, pairs) of one bet, best for a challenger at .88, on the difference to a re-run."""
    codes = reruns(0.88, rho, np.random.default_rng(0))(np.arange(200), 1000)[0]
    law = np.bincount(codes.ravel(), minlength=SCORE_DIFFERENCE.size) / codes.size
    process = Process(SCORE_DIFFERENCE, -MARGIN, 1, (gro_bet(SCORE_DIFFERENCE.values, law, -MARGIN),))
    found = passages(process, reruns(truth, rho, np.random.default_rng(seed)), A, N, runs)
    return found.accepted, found.stopped_at


def table_3(runs: int, seed: int) -> Iterator[Row]:
    """Yield type I error at .86 and power at .88 and .90 of the three baselines."""
    for n, type_i, powers in ((300, 0.193, (0.93, 1.0)), (1000, 0.095, (0.99, 1.0)), (5000, 0.057, (1.0, 1.0))):
        name = f"mean of {n} plugged in"
        yield fraction_row("3", name, "type I error", type_i, estimated_null(0.86, n, runs, seed)[0], 2000)
        for truth, power in zip((0.88, 0.90), powers, strict=True):
            yield fraction_row("3", name, f"power at {truth}", power, estimated_null(truth, n, runs, seed + 1)[0], 2000)
    upper = {"quantile": float(norm.ppf(0.99)), "level": 0.04}
    for n, type_i, at_88, at_90 in (
        (300, 0.003, (0.22, 8171), (0.95, 1143)),
        (1000, 0.004, (0.62, 4773), (1.0, 288)),
        (5000, 0.010, (0.99, 1179), (1.0, 215)),
    ):
        name = f"upper bound from {n}, .01 + .04"
        accepted, _ = estimated_null(0.86, n, runs, seed + 2, **upper)
        yield fraction_row("3", name, "type I error", type_i, accepted, 2000)
        yield fraction_row("3", name, "type I error is at most alpha", ALPHA, accepted, kind="at most")
        for truth, (power, asn) in zip((0.88, 0.90), (at_88, at_90), strict=True):
            accepted, stopped = estimated_null(truth, n, runs, seed + 3, **upper)
            yield fraction_row("3", name, f"power at {truth}", power, accepted, 2000)
            yield mean_row("3", name, f"ASN at {truth}", asn, stopped, 2000)
    for rho, type_i, asns in ((0.0, 0.044, (816, 264)), (0.5, 0.046, (434, 144))):
        name = f"re-run of the incumbent, rho {rho}"
        accepted, _ = paired(0.86, rho, runs, seed + 4)
        yield fraction_row("3", name, "type I error", type_i, accepted, 2000)
        yield fraction_row("3", name, "type I error is at most alpha", ALPHA, accepted, kind="at most")
        for truth, asn in zip((0.88, 0.90), asns, strict=True):
            accepted, pairs = paired(truth, rho, runs, seed + 5)
            yield fraction_row("3", name, f"power at {truth}", 1.0, accepted, 2000)
            yield mean_row("3", name, f"ASN at {truth}", asn, pairs, 2000)
