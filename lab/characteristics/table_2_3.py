"""Tables 2.3 and 2.4: a wrong plan, and other methods on the same streams."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats import bet_mixture
from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics import rivals
from dualgate.lab.characteristics.passage import iid, log_e_paths, passages
from dualgate.lab.characteristics.rows import Row, fraction_row, mean_row
from dualgate.lab.characteristics.single_tests import ALPHA, BETA, A, Case, F, case_named, fixed_bet, paired

Floats = npt.NDArray[np.float64]
DELTA, N_24 = 0.054, 2000
WALD_B = math.log(BETA / (1 - ALPHA))


@dataclass(frozen=True, slots=True)
class Misplan:
    """A correlation that was planned and the true one; stated power and ASN of four tests (None: not stated)."""

    planned: float
    true: float
    wald: tuple[float, float | None]
    futility: tuple[float, float | None]
    running: tuple[float, float]
    mixture_asn: float


MISPLANS = (
    Misplan(0.5, 0.5, (0.92, None), (0.91, 211), (0.91, 225), 283),
    Misplan(0.7, 0.0, (0.17, None), (0.23, None), (0.91, 500), 552),
    Misplan(0.7, 0.3, (0.31, None), (0.50, None), (0.92, 360), 367),
    Misplan(0.0, 0.7, (1.00, 285), (0.97, 281), (0.92, 165), 196),
)


def table_2_3(runs: int, seed: int, plan: Misplan) -> Iterator[Row]:
    """Yield power and mean pairs of four tests under a wrong plan, and their type I errors."""
    name = f"planned phi {plan.planned}, true {plan.true}"
    accept, futility = fixed_bet(Case(name, TERNARY, paired(0.842, 0.896, plan.planned), 0.0))
    nine = Process(TERNARY, 0.0, 1, bet_mixture(accept.bets[0], 1.0))
    for law, truth in ((paired(0.842, 0.896, plan.true), "power"), (paired(0.842, 0.842, plan.true), "type I error")):
        with_b = passages(accept, iid(law, np.random.default_rng(seed)), A, 10_000, runs, wald_floor=WALD_B)
        with_e = passages(
            accept, iid(law, np.random.default_rng(seed + 1)), A, 10_000, runs, futility=futility, futility_threshold=F
        )
        mixed = passages(nine, iid(law, np.random.default_rng(seed + 2)), A, 4_000, runs)
        found = running(law, accept.bets[0], runs, seed + 3)
        tests = (("fixed bet, Wald B", with_b.accepted, with_b.stopped_at, plan.wald),
                 ("fixed bet, futility e", with_e.accepted, with_e.stopped_at, plan.futility),
                 ("bet from the running discordance", found[0], found[1], plan.running),
                 ("nine-bet mixture", mixed.accepted, mixed.stopped_at, (1.0, plan.mixture_asn)))  # fmt: skip
        for words, accepted, stopped, stated in tests:
            if truth == "type I error":
                yield fraction_row("2.3", name, f"type I error, {words}", ALPHA, accepted, kind="at most")
                continue
            yield fraction_row("2.3", name, f"power, {words}", stated[0], accepted, 4_000)
            if stated[1] is not None:
                yield mean_row("2.3", name, f"ASN, {words}", stated[1], stopped, 4_000)
        seed += 10


def running(law: Floats, planned_bet: float, runs: int, seed: int, n_max: int = 10_000) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Return (accepted, pairs) of bets delta / d from the discordance d so far, for acceptance and for futility.

    The plan's discordance counts for 50 pairs. Predictable bets: valid, with no bound against a running mean.
    """
    rng, cumulative = np.random.default_rng(seed), np.cumsum(law)[:-1]
    alive, up, down = np.arange(runs), np.zeros(runs), np.zeros(runs)
    seen = np.full(runs, 50 * DELTA / planned_bet)
    accepted, stopped = np.zeros(runs, dtype=bool), np.full(runs, float(n_max))
    for n in range(1, n_max + 1):
        x = np.searchsorted(cumulative, rng.random(len(alive)), side="right") - 1.0
        bet = np.minimum(DELTA * (50 + n - 1) / seen, 0.9)
        up, down = up + np.log1p(bet * x), down + np.log1p(np.minimum(bet, 0.9) * (DELTA - x) / (1 + DELTA))
        seen = seen + np.abs(x)
        done = (up >= A) | (down >= F)
        if done.any():
            accepted[alive[done]] = up[done] >= A
            stopped[alive[done]] = n
            alive, up, down, seen = alive[~done], up[~done], down[~done], seen[~done]
        if not len(alive):
            break
    return accepted, stopped


def table_2_4(runs: int, seed: int) -> Iterator[Row]:
    """Yield type I error, power and mean pairs of ours and of other methods: correctness at phi .5, 2,000 pairs, no futility."""
    laws = {"null": paired(0.842, 0.842, 0.5), "design": paired(0.842, 0.896, 0.5)}
    found: dict[str, dict[str, list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]]] = {}
    for truth, law in laws.items():
        for done in range(0, runs, 500):
            x = rivals.draws(law, min(500, runs - done), N_24, seed + done + (truth == "null"))
            for name, times in _methods(x, float(laws["design"] @ np.array([1, 0, 1])) - DELTA**2).items():
                found.setdefault(name, {}).setdefault(truth, []).append(times)
    for name, stated in STATED_2_4.items():
        parts = {truth: [np.concatenate(column) for column in zip(*found[name][truth], strict=True)] for truth in laws}
        yield fraction_row("2.4", name, "type I error", stated[0], parts["null"][0] < rivals.NEVER, 4000)
        yield mean_row("2.4", name, "ASN under H1", stated[1], parts["design"][1], 4000)
        yield fraction_row("2.4", name, "power", stated[2], parts["design"][0] < rivals.NEVER, 4000)


STATED_2_4: dict[str, tuple[float | None, float | None, float | None]] = {
    "SPRT, one fixed bet (ours)": (0.041, 243, 1.0),
    "nine-bet mixture (ours)": (0.036, 281, None),
    "beta-binomial mixture on discordant pairs, one-sided": (0.032, 283, None),
    "one-sided truncated mixture SPRT, known sd, tau .054": (0.049, 295, None),
    "two-sided normal mixture SPRT, known sd, tau .054": (0.053, 356, None),
    "two-sided normal mixture SPRT, known sd, tau .1": (0.064, 361, None),
    "truncated mixture SPRT, running variance": (0.089, 268, None),
    "the same after 100 pairs": (0.0275, None, None),
    "Hoeffding normal mixture": (0.0, None, 0.09),
    "McNemar once after 343 pairs": (0.046, 343, 0.91),
    "O'Brien-Fleming, 5 looks up to 354 pairs": (0.049, 248, 0.91),
    "McNemar looked at every pair (invalid)": (0.333, 106, None),
}


def _methods(x: npt.NDArray[np.int64], variance: float) -> dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return (rejection, pairs taken) of each method."""
    accept, _ = fixed_bet(case_named("correctness +.054, phi .5"))
    nine = Process(TERNARY, 0.0, 1, bet_mixture(accept.bets[0], 1.0))
    plugged = rivals.running_variance(x)
    once = rivals.mcnemar_fixed(x, 343)
    times = {
        "SPRT, one fixed bet (ours)": rivals.first(log_e_paths(accept, x + 1) >= A),
        "nine-bet mixture (ours)": rivals.first(log_e_paths(nine, x + 1) >= A),
        "beta-binomial mixture on discordant pairs, one-sided": rivals.beta_binomial(x),
        "one-sided truncated mixture SPRT, known sd, tau .054": rivals.one_sided_msprt(x, DELTA, variance),
        "two-sided normal mixture SPRT, known sd, tau .054": rivals.two_sided_msprt(x, DELTA, variance),
        "two-sided normal mixture SPRT, known sd, tau .1": rivals.two_sided_msprt(x, 0.1, variance),
        "truncated mixture SPRT, running variance": rivals.one_sided_msprt(x, DELTA, plugged),
        "the same after 100 pairs": rivals.one_sided_msprt(x, DELTA, plugged, burn_in=100),
        "Hoeffding normal mixture": rivals.hoeffding_mixture(x),
        "McNemar looked at every pair (invalid)": rivals.peeked_mcnemar(x),
    }
    out = {name: (t, np.minimum(t, N_24)) for name, t in times.items()}
    out["McNemar once after 343 pairs"] = (once, np.full_like(once, 343))
    out["O'Brien-Fleming, 5 looks up to 354 pairs"] = rivals.obrien_fleming(x, 354)
    return out
