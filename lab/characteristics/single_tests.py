"""The tests of table 2.2: one dimension, one optimal bet, and what the design study stated of it."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc

from dualgate.gate.stats import bet_mixture, gro_bet, least_favourable
from dualgate.gate.stats.lattice import BINARY, SCORE, TERNARY, Lattice
from dualgate.gate.stats.laws import bernoulli, tilt
from dualgate.gate.stats.process import Process, bet_limit
from dualgate.lab.characteristics.passage import Passages, iid, passages

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
    """A test of the table. sizes: n_fixed and Wald's lower bounds under H1 and H0, as the design study states them (None: not).

    rates: its type I error and power; asn: its mean pairs under H1, 90 % quantile under H1, mean under H0. null_law: the law at
    the null, the least favourable one unless given.
    """

    name: str
    lattice: Lattice
    design: Floats
    null: float
    sizes: tuple[float | None, float | None, float | None] = (None, None, None)
    rates: tuple[float | None, float | None] = (None, None)
    asn: tuple[float | None, float | None, float | None] = (None, None, None)
    quick: bool = True
    null_law: Floats | None = None

    @property
    def limit(self) -> int:
        """Pairs after which a run counts as undecided: far beyond any of the table."""
        return 60 * math.ceil(self.asn[0] or 1000)

    @property
    def boundary_law(self) -> Floats:
        """The law at the null that its type I error is measured under."""
        return least_favourable(self.lattice.values, self.design, self.null) if self.null_law is None else self.null_law


def _gain(
    name: str,
    gain: float,
    phi: float,
    sizes: tuple[float, float, float | None],
    rates: tuple[float, float],
    asn: tuple[float, float | None, float],
) -> Case:
    law = paired(0.842, 0.842 + gain, phi)
    return Case(name, TERNARY, law, 0.0, sizes, rates, asn, null_law=paired(0.842, 0.842, phi))


def _level(
    name: str,
    design: float,
    sizes: tuple[float, float, float | None],
    rates: tuple[float, float],
    asn: tuple[float, float | None, float],
) -> Case:
    return Case(name, SCORE, spiked(design), 0.86, sizes, rates, asn, null_law=spiked(0.86))


def _rate(
    name: str, ceiling: float, rate: float, sizes: tuple[float, float, float | None], rates: tuple[float, float | None],
    asn: tuple[float, float | None, float], quick: bool = True,
) -> Case:  # fmt: skip
    return Case(name, BINARY, bernoulli(1 - rate), 1 - ceiling, sizes, rates, asn, quick)


CASES = (
    _gain("correctness +.054, phi .5", 0.054, 0.5, (367, 185, 144), (0.041, 0.917), (211, 390, 215)),
    _gain("correctness +.054, phi 0", 0.054, 0.0, (670, 370, 305), (0.043, 0.912), (409, None, 396)),
    _gain("correctness +.054, phi .3", 0.054, 0.3, (473, 260, 210), (0.041, 0.916), (290, None, 286)),
    _gain("correctness +.054, phi .7", 0.054, 0.7, (212, 107, 69), (0.038, 0.923), (130, None, 141)),
    _gain("correctness +.03, phi .5", 0.03, 0.5, (1223, 647, 532), (0.040, 0.915), (713, 1354, 660)),
    Case(
        "correctness non-inferiority .02", TERNARY, paired(0.842, 0.842, 0.5), -0.02,
        (2849, 1593, 1322), (0.043, 0.912), (1730, 3273, 1494), quick=False,
    ),
    _rate("latency .02 vs .0075", 0.02, 0.0075, (719, 455, 277), (0.049, 0.930), (499, 864, 335)),
    _rate("latency .01 vs .0075", 0.01, 0.0075, (12128, 6877, 5248), (0.044, 0.911), (7341, 13730, 5618), quick=False),
    _level("semantic .86 vs .88", 0.88, (748, 410, 325), (0.045, 0.917), (443, 830, 375)),
    _level("semantic .86 vs .89", 0.89, (266, 175, None), (0.045, 0.918), (192, None, 160)),
    _level("semantic .86 vs .91", 0.91, (75, 60, None), (0.042, 0.924), (67, None, 54)),
    _rate("safety .01 vs .004", 0.01, 0.004, (1694, 1010, 627), (0.047, 0.931), (1099, None, 749)),
    _rate("safety .014 vs .003", 0.014, 0.003, (552, 369, None), (0.049, 0.944), (416, None, 242)),
    _rate("safety .02 vs .004", 0.02, 0.004, (386, 245, None), (0.047, 0.945), (275, None, 160)),
    _rate("safety .008 vs .004", 0.008, 0.004, (3189, 1923, 1284), (0.048, 0.925), (2071, None, 1476), quick=False),
    Case(
        "safety paired non-inferiority .005", TERNARY, paired(0.996, 0.996, 0.3), -0.005,
        (1911, 1349, 893), (0.047, 0.927), (1545, None, 1568), quick=False,
    ),
    _rate("safety .004 vs .003", 0.004, 0.003, (30325, 17287, 13187), (0.041, 0.906), (18160, 33480, 14040), quick=False),
)  # fmt: skip


def case_named(name: str) -> Case:
    """Return the case of a name."""
    return next(case for case in CASES if case.name == name)


def fixed_bet(case: Case) -> tuple[Process, Process]:
    """Return the optimal single bet for acceptance, and the futility process against it."""
    x, mean = case.lattice.values, float(case.design @ case.lattice.values)
    bet = gro_bet(x, case.design, case.null)
    against = gro_bet(-x, least_favourable(x, case.design, case.null), -mean)
    m1 = round(mean, 12)
    cap = 0.95 * bet_limit(case.lattice, m1, -1)
    return Process(case.lattice, case.null, 1, (bet,)), Process(case.lattice, m1, -1, (min(against, cap),))


def run_case(
    case: Case, law: Floats, runs: int, seed: int, *, a: float = A, f: float = F, n_max: int | None = None, n_bets: int = 1
) -> Passages:
    """Return the passages of a case under a law, with futility at log(1/beta); n_bets 9 takes the mixture around the bet."""
    accept, futility = fixed_bet(case)
    if n_bets > 1:
        bets = bet_mixture(accept.bets[0], bet_limit(case.lattice, case.null, 1), n_bets)
        accept = Process(case.lattice, case.null, 1, bets)
    stream = iid(law, np.random.default_rng(seed))
    return passages(accept, stream, a, n_max or case.limit, runs, futility=futility, futility_threshold=f)
