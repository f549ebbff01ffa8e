"""Tables 2.2 and 2.3: one test with a single optimal bet, against its plan and with a wrong plan."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc

from dualgate.gate.stats import bet_mixture, gro_bet, least_favourable
from dualgate.gate.stats.lattice import BINARY, SCORE, TERNARY, Lattice
from dualgate.gate.stats.laws import bernoulli, tilt
from dualgate.gate.stats.process import Process, bet_limit
from dualgate.lab.characteristics.passage import Passages, iid, passages
from dualgate.lab.characteristics.rows import Row, fraction_row, mean_row

ALPHA, BETA = 0.05, 0.1
A, F = math.log(1 / ALPHA), math.log(1 / BETA)
Floats = npt.NDArray[np.float64]


def paired(incumbent: float, challenger: float, phi: float) -> Floats:
    """Return the law of Y_challenger - Y_incumbent for two success rates with correlation phi."""
    both = incumbent * challenger + phi * math.sqrt(incumbent * (1 - incumbent) * challenger * (1 - challenger))
    return np.array([incumbent - both, 1 - incumbent - challenger + 2 * both, challenger - both])


def spiked(mean: float) -> Floats:
    """Return the design study's law of semantic scores: 55 % exactly 1, the others Beta(4, .), in hundredths, of this mean."""
    rest = (mean - 0.55) / 0.45
    edges = np.clip((np.arange(SCORE.size + 1) - 0.5) / (SCORE.size - 1), 0, 1)
    law = 0.45 * np.diff(betainc(4.0, 4.0 * (1 / rest - 1), edges))
    law[-1] += 0.55
    return tilt(SCORE.values, law, mean)


@dataclass(frozen=True, slots=True)
class Case:
    """A test of the table, and what the design study measured: type I error, power, ASN under H1 and H0."""

    name: str
    lattice: Lattice
    design: Floats
    null: float
    type_i: float | None
    power: float | None
    asn_h1: float | None
    asn_h0: float | None
    quick: bool = True
    null_law: Floats | None = None

    @property
    def limit(self) -> int:
        """Pairs after which a run counts as undecided: far beyond any of the table."""
        return 60 * math.ceil(self.asn_h1 or 1000)


def _rate(name: str, ceiling: float, rate: float, stated: tuple[float, float | None, float, float], quick: bool = True) -> Case:
    return Case(name, BINARY, bernoulli(1 - rate), 1 - ceiling, *stated, quick)


CASES = (
    Case(
        "correctness +.054, phi .5",
        TERNARY,
        paired(0.842, 0.896, 0.5),
        0.0,
        0.041,
        0.917,
        211,
        215,
        null_law=paired(0.842, 0.842, 0.5),
    ),
    Case(
        "correctness +.054, phi 0",
        TERNARY,
        paired(0.842, 0.896, 0.0),
        0.0,
        0.043,
        0.912,
        409,
        396,
        null_law=paired(0.842, 0.842, 0.0),
    ),
    Case(
        "correctness +.054, phi .3",
        TERNARY,
        paired(0.842, 0.896, 0.3),
        0.0,
        0.041,
        0.916,
        290,
        286,
        null_law=paired(0.842, 0.842, 0.3),
    ),
    Case(
        "correctness +.054, phi .7",
        TERNARY,
        paired(0.842, 0.896, 0.7),
        0.0,
        0.038,
        0.923,
        130,
        141,
        null_law=paired(0.842, 0.842, 0.7),
    ),
    Case(
        "correctness +.03, phi .5",
        TERNARY,
        paired(0.842, 0.872, 0.5),
        0.0,
        0.040,
        0.915,
        713,
        660,
        null_law=paired(0.842, 0.842, 0.5),
    ),
    Case("correctness non-inferiority .02", TERNARY, paired(0.842, 0.842, 0.5), -0.02, 0.043, 0.912, 1730, 1494, quick=False),
    _rate("latency .02 vs .0075", 0.02, 0.0075, (0.049, 0.930, 499, 335)),
    _rate("latency .01 vs .0075", 0.01, 0.0075, (0.044, 0.911, 7341, 5618), quick=False),
    Case("semantic .86 vs .88", SCORE, spiked(0.88), 0.86, 0.045, 0.917, 443, 375),
    Case("semantic .86 vs .89", SCORE, spiked(0.89), 0.86, 0.045, 0.918, 192, 160),
    _rate("safety .01 vs .004", 0.01, 0.004, (0.047, None, 1099, 749)),
    _rate("safety .014 vs .003", 0.014, 0.003, (0.049, 0.944, 416, 242)),
    _rate("safety .02 vs .004", 0.02, 0.004, (0.047, 0.945, 275, 160)),
    _rate("safety .008 vs .004", 0.008, 0.004, (0.048, 0.925, 2071, 1476), quick=False),
    _rate("safety .004 vs .003", 0.004, 0.003, (0.041, 0.906, 18160, 14040), quick=False),
)


def fixed_bet(case: Case) -> tuple[Process, Process]:
    """Return the optimal single bet for acceptance, and the futility process against it."""
    x, mean = case.lattice.values, float(case.design @ case.lattice.values)
    bet = gro_bet(x, case.design, case.null)
    against = gro_bet(-x, least_favourable(x, case.design, case.null), -mean)
    m1 = round(mean, 12)
    cap = 0.95 * bet_limit(case.lattice, m1, -1)
    return Process(case.lattice, case.null, 1, (bet,)), Process(case.lattice, m1, -1, (min(against, cap),))


def run_case(case: Case, law: Floats, runs: int, seed: int) -> Passages:
    """Return the passages of a case under a law, with futility at log(1/beta)."""
    accept, futility = fixed_bet(case)
    stream = iid(law, np.random.default_rng(seed))
    return passages(accept, stream, A, case.limit, runs, futility=futility, futility_threshold=F)


def table_2_2(runs: int, seed: int, quick: bool = True) -> Iterator[Row]:
    """Yield type I error, power and mean sample numbers of each case.

    The null is the least favourable law, and equal arms where the correctness difference is tested for superiority.
    """
    for case in CASES:
        if quick and not case.quick:
            continue
        null = case.null_law
        if null is None:
            null = least_favourable(case.lattice.values, case.design, case.null)
        h0, h1 = run_case(case, null, runs, seed), run_case(case, case.design, runs, seed + 1)
        yield fraction_row("2.2", case.name, "type I error", case.type_i, h0.accepted)
        yield fraction_row("2.2", case.name, "power", case.power, h1.accepted)
        yield mean_row("2.2", case.name, "ASN under H1", case.asn_h1, h1.stopped_at)
        yield mean_row("2.2", case.name, "ASN under H0", case.asn_h0, h0.stopped_at)


@dataclass(frozen=True, slots=True)
class Misplan:
    """A correlation that was planned and the true one, with the stated powers of four tests."""

    planned: float
    true: float
    wald: float
    futility: float
    mixture_asn: float


MISPLANS = (
    Misplan(0.5, 0.5, 0.92, 0.91, 283),
    Misplan(0.7, 0.0, 0.17, 0.23, 552),
    Misplan(0.7, 0.3, 0.31, 0.50, 367),
    Misplan(0.0, 0.7, 1.00, 0.97, 196),
)


def table_2_3(runs: int, seed: int) -> Iterator[Row]:
    """Yield the power of a fixed bet with Wald's B, of one with the futility process, and the mixture's, under wrong plans."""
    wald_floor = math.log(BETA / (1 - ALPHA))
    for plan in MISPLANS:
        name = f"planned phi {plan.planned}, true {plan.true}"
        accept, futility = fixed_bet(Case(name, TERNARY, paired(0.842, 0.896, plan.planned), 0.0, None, None, None, None))
        truth = paired(0.842, 0.896, plan.true)
        with_b = passages(accept, iid(truth, np.random.default_rng(seed)), A, 10_000, runs, wald_floor=wald_floor)
        with_e = passages(
            accept, iid(truth, np.random.default_rng(seed + 1)), A, 10_000, runs, futility=futility, futility_threshold=F
        )
        nine = Process(TERNARY, 0.0, 1, bet_mixture(accept.bets[0], 1.0))
        mixed = passages(nine, iid(truth, np.random.default_rng(seed + 2)), A, 4_000, runs)
        yield fraction_row("2.3", name, "power, fixed bet, Wald B", plan.wald, with_b.accepted, 4_000)
        yield fraction_row("2.3", name, "power, fixed bet, futility e", plan.futility, with_e.accepted, 4_000)
        yield fraction_row("2.3", name, "power, nine-bet mixture", 1.0, mixed.accepted, 4_000)
        yield mean_row("2.3", name, "ASN, nine-bet mixture", plan.mixture_asn, mixed.stopped_at, 4_000)
