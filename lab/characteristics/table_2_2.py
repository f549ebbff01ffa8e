"""Table 2.2: what one sequential test costs and keeps, planned right; and its variants."""

import math
from collections.abc import Iterator

from dualgate.gate.stats import sprt_plan
from dualgate.gate.stats.laws import bernoulli
from dualgate.lab.characteristics.rivals import agrapa
from dualgate.lab.characteristics.rows import Row, exact_row, fraction_row, mean_row
from dualgate.lab.characteristics.single_tests import ALPHA, BETA, CASES, Case, case_named, paired, run_case

T = "2.2"
FOUR = tuple(
    case_named(name)
    for name in ("correctness +.054, phi .5", "latency .02 vs .0075", "semantic .86 vs .88", "safety .01 vs .004")
)


def table_2_2(runs: int, seed: int, names: tuple[str, ...]) -> Iterator[Row]:
    """Yield sizes, type I error, power and mean sample numbers of cases."""
    for case in (case_named(name) for name in names):
        yield from _sizes(case)
        h0, h1 = run_case(case, case.boundary_law, runs, seed), run_case(case, case.design, runs, seed + 1)
        yield fraction_row(T, case.name, "type I error", case.rates[0], h0.accepted)
        yield fraction_row(T, case.name, "type I error is at most alpha", ALPHA, h0.accepted, kind="at most")
        yield fraction_row(T, case.name, "power", case.rates[1], h1.accepted)
        yield mean_row(T, case.name, "ASN under H1", case.asn[0], h1.stopped_at)
        if case.asn[1] is not None:
            yield fraction_row(T, case.name, "decided by the stated 90 % quantile", 0.9, h1.stopped_at <= case.asn[1])
        yield mean_row(T, case.name, "ASN under H0", case.asn[2], h0.stopped_at)


def _sizes(case: Case) -> Iterator[Row]:
    plan = sprt_plan(case.lattice.values, case.design, case.null, ALPHA, BETA)
    found = (plan.n_fixed, plan.wald_n_h1, plan.wald_n_h0)
    for name, stated, value in zip(("n_fixed", "Wald's E1[N]", "Wald's E0[N]"), case.sizes, found, strict=True):
        yield exact_row(T, case.name, name, stated, value)


def variants(runs: int, seed: int) -> Iterator[Row]:
    """Yield Wald's boundary, other levels and powers, truncation, the mixture and learned bets on the four dimensions."""
    for case, wald in zip(FOUR, (None, 0.0542, None, 0.0553), strict=True):
        found = run_case(case, case.boundary_law, runs, seed, a=math.log((1 - BETA) / ALPHA))
        yield fraction_row(T, case.name, "type I error with Wald's A", wald, found.accepted, 20_000)
        yield fraction_row(T, case.name, "the same, at most alpha/(1-beta)", ALPHA / (1 - BETA), found.accepted, kind="at most")
    for case, asn, power in zip(FOUR, (178, 427, 367, 929), (0.78, 0.80, 0.77, 0.78), strict=True):
        n_max = math.ceil(1.5 * sprt_plan(case.lattice.values, case.design, case.null, ALPHA, 0.2).n_fixed)
        found = run_case(case, case.design, runs, seed + 1, f=math.log(5), n_max=n_max)
        yield fraction_row(T, case.name, "power at beta .2, n_max 1.5 n_fixed", power, found.accepted)
        yield mean_row(T, case.name, "ASN under H1 at beta .2", asn, found.stopped_at)
    for case, asn, size in zip(FOUR, (304, 731, 646, 1615), (538, 1114, 1099, 2367), strict=True):
        plan = sprt_plan(case.lattice.values, case.design, case.null, ALPHA / 4, BETA)
        yield exact_row(T, case.name, "n_fixed at alpha .0125", size, plan.n_fixed)
        found = run_case(case, case.design, runs, seed + 2, a=math.log(4 / ALPHA))
        yield mean_row(T, case.name, "ASN under H1 at alpha .0125", asn, found.stopped_at)


def mixtures(runs: int, seed: int) -> Iterator[Row]:
    """Yield what nine bets cost where the plan is right, and their type I error (stated: .02 to .03)."""
    for case, asn in zip(FOUR, (248, 610, 516, 1338), strict=True):
        h1 = run_case(case, case.design, runs, seed, n_bets=9)
        yield mean_row(T, case.name, "ASN under H1, nine bets", asn, h1.stopped_at)
        h0 = run_case(case, case.boundary_law, runs, seed + 1, n_bets=9)
        yield fraction_row(T, case.name, "type I error, nine bets", ALPHA, h0.accepted, kind="at most")
    for case, stated in ((FOUR[0], 299), (FOUR[1], 1730)):
        found = agrapa(case, case.design, runs, seed + 2, 10_000)
        yield _shown(mean_row(T, case.name, "ASN under H1, learned bets (aGRAPA)", stated, found))


def _shown(row: Row) -> Row:
    """Return a row that is not judged: the design study does not say enough to repeat it."""
    return Row(row.table, row.row, row.quantity, row.expected, row.obtained, row.low, row.high, row.runs, "shown")


def truths_beside_the_design(runs: int, seed: int) -> Iterator[Row]:
    """Yield tests whose challenger is better than their design, and the effect of a horizon."""
    for name, law, n_bets, asn in (
        ("correctness non-inferiority .02", paired(0.842, 0.896, 0.5), 1, 315),
        ("correctness non-inferiority .02", paired(0.842, 0.896, 0.5), 9, 189),
        ("safety .01 vs .004", bernoulli(0.997), 1, 881),
        ("safety .008 vs .004", bernoulli(0.997), 1, 1508),
        ("safety paired non-inferiority .005", paired(0.996, 0.997, 0.3), 1, 1164),
    ):
        found = run_case(case_named(name), law, runs, seed, n_bets=n_bets)
        words = f"truth better than the design, {n_bets} bet{'s' if n_bets > 1 else ''}"
        yield mean_row(T, name, f"ASN, {words}", asn, found.stopped_at)
        stated = {"correctness non-inferiority .02": 1.0, "safety .01 vs .004": 0.981}.get(name)
        yield fraction_row(T, name, f"power, {words}", stated, found.accepted)
    case = FOUR[0]
    for share, power, asn in ((1.0, 0.808, 195), (1.5, 0.889, 207)):
        found = run_case(case, case.design, runs, seed + 1, n_max=round(share * 367))
        yield fraction_row(T, case.name, f"power, cut at {share:g} n_fixed (367)", power, found.accepted)
        yield mean_row(T, case.name, f"ASN under H1, cut at {share:g} n_fixed (367)", asn, found.stopped_at)


def least_without_events(_: int) -> Iterator[Row]:
    """Yield the least n that accepts a ceiling without any event (2.1): ln(1/alpha) / -ln(1 - ceiling), and p of 489 (0)."""
    for ceiling, stated in ((0.01, 299), (0.005, 598), (0.004, 748), (0.002, 1497)):
        yield exact_row("2.1", f"ceiling {ceiling:.1%}", "least n to accept with no event", stated, _least(ceiling))
    yield exact_row("0", "ceiling .4 %", "chance of no violation in 489", 0.141, 0.996**489)
    yield exact_row("0", "ceiling .4 %", "least n at alpha / 4", 1094, _least(0.004, ALPHA / 4))


def _least(ceiling: float, alpha: float = ALPHA) -> int:
    return math.ceil(math.log(1 / alpha) / -math.log1p(-ceiling))


def studys_489(runs: int, seed: int) -> Iterator[Row]:
    """Yield what 489 observations are enough for: a ceiling of about 1.4 % (stated: ASN 416, 90 % quantile 690)."""
    case = case_named("safety .014 vs .003")
    found = run_case(case, bernoulli(0.997), runs, seed)
    yield mean_row("0", "ceiling 1.4 %, truth .3 %", "ASN", 416, found.stopped_at)
    yield fraction_row("0", "ceiling 1.4 %, truth .3 %", "decided by 690", 0.9, found.stopped_at <= 690)


QUICK = tuple(case.name for case in CASES if case.quick)
SLOW = tuple((case.name,) for case in CASES if not case.quick)
