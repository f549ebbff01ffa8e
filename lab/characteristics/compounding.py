"""The compounding part of section 7: four small losses at once, and what adds them up.

The study's unit, "the minimum detectable shift at 2,000", is not defined there; ours is each monitor's own design shift.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from dualgate.gate.stats.composite import composite_weights
from dualgate.gate.stats.monitor_plan import mixture_bets
from dualgate.lab.characteristics.detectors import Detector, Floats, cusum, esr
from dualgate.lab.characteristics.rows import Row, fraction_row, mean_row

N, ONSET, P_FA = 20_000, 5000, 0.05
SHIFTS = np.array([0.04, 0.0275, 0.011, 0.03])
DISCORDANCE = np.array([0.133, 0.06, 0.024, 0.08])
NAMES = ("correctness", "latency", "safety", "semantic")
_BY_NAME = composite_weights(dict(zip(NAMES, SHIFTS, strict=True)), dict(zip(NAMES, np.sqrt(DISCORDANCE), strict=True)))
WEIGHTS = np.array([_BY_NAME[name] for name in NAMES]) / 100
_CHUNK = 2000

STATED: Mapping[tuple[float, float], tuple[int, int, int, int]] = {
    (0.3, 0.0): (4065, 1765, 1942, 2885), (0.3, 0.4): (4398, 3400, 3606, 3410), (0.5, 0.0): (1312, 632, 621, 1028),
    (0.5, 0.4): (1476, 1218, 1175, 1206), (1.0, 0.0): (317, 230, 212, 357), (1.0, 0.4): (319, 451, 379, 377),
}  # fmt: skip
RULES = ("greatest of four CUSUMs", "CUSUM of the weighted sum", "SR of the product of e^.5", "average of four e-SR")


def losses(fraction: float, rho: float, rng: np.random.Generator) -> Callable[[int, int, int], Floats]:
    """Return a stream of paired losses, (4, runs, n): worse by `fraction` of each shift from the onset on, copula rho."""
    calm, worse = (np.array([[d / 2 + f * s, d / 2] for d, s in zip(DISCORDANCE, SHIFTS, strict=True)]) for f in (0.0, fraction))

    def draw(runs: int, start: int, n: int) -> Floats:
        z = rng.standard_normal((4, runs, n))
        if rho:
            z = np.sqrt(rho) * rng.standard_normal((1, runs, n)) + np.sqrt(1 - rho) * z
        late = (np.arange(start, start + n) >= ONSET)[None, :]
        out = np.empty(z.shape)
        for d in range(4):
            bad, good = (np.where(late, worse[d, i], calm[d, i]) for i in range(2))
            out[d] = (z[d] > -ndtri(bad)).astype(float) - (z[d] < ndtri(good))
        return out

    return draw


def _product(bets: Floats) -> Detector:
    """Return SR on the product of the square roots of four e-values: valid only where the dimensions are independent."""

    def move(state: Floats, z: Floats) -> tuple[Floats, Floats]:
        steps = 0.5 * np.log1p(bets[:, None, None] * z).sum(axis=0)
        sums = np.cumsum(steps, axis=1)
        path = sums + np.logaddexp(np.logaddexp.accumulate(steps - sums, axis=1), state)
        return path[:, -1:], path

    return Detector(lambda runs: np.full((runs, 1), -np.inf), move)


def paths(draw: Callable[[int, int, int], Floats], runs: int) -> Iterator[tuple[int, dict[str, Floats]]]:
    """Yield (start, paths of each rule) chunk by chunk; the four CUSUMs are in units of their design shift."""
    charts = [cusum(float(s) / 2) for s in SHIFTS]
    best = SHIFTS / DISCORDANCE
    monitors = [esr(mixture_bets(float(b), 1.0)) for b in best]
    whole, product = cusum(float(WEIGHTS @ SHIFTS) / 4), _product(np.minimum(best, 0.9))
    state = {
        "charts": [c.begin(runs) for c in charts], "monitors": [m.begin(runs) for m in monitors],
        "whole": [whole.begin(runs)], "product": [product.begin(runs)],
    }  # fmt: skip
    for start in range(0, N, _CHUNK):
        z = draw(runs, start, _CHUNK)
        each = [c.move(s, z[d]) for d, (c, s) in enumerate(zip(charts, state["charts"], strict=True))]
        restarted = [m.move(s, z[d]) for d, (m, s) in enumerate(zip(monitors, state["monitors"], strict=True))]
        one = whole.move(state["whole"][0], np.tensordot(WEIGHTS, z, axes=1))
        both = product.move(state["product"][0], z)
        state = {
            "charts": [s for s, _ in each], "monitors": [s for s, _ in restarted], "whole": [one[0]], "product": [both[0]],
        }  # fmt: skip
        scaled = [path * s / d for (_, path), s, d in zip(each, SHIFTS, DISCORDANCE, strict=True)]
        average = np.logaddexp.reduce([path for _, path in restarted], axis=0) - np.log(4)
        yield start, dict(zip(RULES, (np.max(scaled, axis=0), one[1], both[1], average), strict=True))


@lru_cache(maxsize=2)
def levels(rho: float, runs: int, seed: int = 77) -> Mapping[str, float]:
    """Return the level of each rule that 5 % of streams without a loss reach within 20,000 pairs."""
    top = {rule: np.full(runs, -np.inf) for rule in RULES}
    for _, found in paths(losses(0.0, rho, np.random.default_rng(seed)), runs):
        top = {rule: np.maximum(top[rule], found[rule].max(axis=1)) for rule in RULES}
    return {rule: float(np.quantile(values, 1 - P_FA)) for rule, values in top.items()}


def compounding(
    runs: int, seed: int, rho: float, fractions: tuple[float, ...] = (0.3, 0.5, 1.0), null_runs: int = 400
) -> Iterator[Row]:
    """Yield how often and when each rule finds losses of these fractions of each dimension's design shift."""
    limit = levels(rho, null_runs)
    for fraction in fractions:
        at = {rule: np.full(runs, N + 1) for rule in RULES}
        for start, found in paths(losses(fraction, rho, np.random.default_rng(seed)), runs):
            for rule in RULES:
                hit = found[rule] >= limit[rule]
                now = np.where(hit.any(axis=1), start + hit.argmax(axis=1) + 1, N + 1)
                at[rule] = np.minimum(at[rule], now)
        name = f"four dimensions worse by {fraction:g} of their shift, rho {rho:g}"
        for rule, stated in zip(RULES, STATED[fraction, rho], strict=True):
            late = at[rule][at[rule] > ONSET]
            yield fraction_row("7", name, f"found, {rule}", None, late <= N)
            yield mean_row("7", name, f"mean delay, {rule} (study: {stated}, in another unit)", None, late[late <= N] - ONSET)
