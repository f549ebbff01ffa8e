"""The cost model against what happens: predicted and obtained cost of shadowing and of regressions that are missed.

Evidence is the gate's own process for "worse" on correctness; pairs are drawn from the pool's executed answers. Predicted is
the closed form of a fixed window (case A of the statistics page): C = c n + P I U(n), U(n) = C0 exp(-kappa n) at C0 = 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.stats import log_threshold
from dualgate.gate.stats.bets import gro_bet
from dualgate.gate.stats.cost import (
    ShareController,
    best_observations,
    chernoff_exponent,
    fixed_window_cost,
    fixed_window_share,
    undetected_probability,
)
from dualgate.lab.characteristics.passage import iid, log_e_paths, passages
from dualgate.lab.evaluate.answers import AGAIN, OWN
from dualgate.lab.evaluate.measures import fraction
from dualgate.lab.evaluate.pool import Floats, Ints, Pool
from dualgate.lab.evaluate.tables import Curves, Section, Table, percent, short
from dualgate.schemas.migration import MigrationSpec

HOURS, IMPACT = 24.0, 5_000.0
RATES, PRICES, PRIORS = (30.0, 300.0, 3000.0), (0.001, 0.01, 0.1), (0.02, 0.1, 0.3)
_HORIZON = 6_000
_LOSS = 0.04


@dataclass(frozen=True, slots=True)
class Finding:
    """How the evidence grows: when a worse and a fine challenger are called worse, and the closed form's constants."""

    worse_at: Ints
    fine_at: Ints
    kappa: float
    drift: float
    spread: float
    level: float
    ratio: Floats

    def undetected(self, n: float) -> float:
        """Return the share of worse challengers not found within n observations."""
        return float((self.worse_at > n).mean())

    def used(self, n: float, prior: float) -> float:
        """Return the mean number of observations mirrored in a window of n: mirroring ends with an alarm."""
        worse, fine = (float(np.minimum(at, n).mean()) for at in (self.worse_at, self.fine_at))
        return prior * worse + (1 - prior) * fine

    def cost(self, n: float, price: float, prior: float) -> float:
        """Return the obtained mean cost of a window of n observations."""
        return price * self.used(n, prior) + prior * IMPACT * self.undetected(n)


def laws(pool: Pool) -> tuple[Floats, Floats]:
    """Return the laws of the paired difference (-1, 0, 1): four points worse, and as the log's challenger is."""
    incumbent, again = pool.values["correctness"][AGAIN]
    q = _LOSS / float(np.nanmean(again))
    both, first, second = (float(np.mean((incumbent == i) & (again == a))) for i, a in ((1, 1), (1, 0), (0, 1)))
    down, up = first + q * both, second * (1 - q)
    own = pool.values["correctness"][OWN][1] - pool.values["correctness"][OWN][0]
    fine = np.array([float(np.mean(own == d)) for d in (-1, 0, 1)])
    return np.array([down, 1 - down - up, up]), fine / fine.sum()


def found(pool: Pool, spec: MigrationSpec, runs: int, seed: int) -> Finding:
    """Simulate first passages once; every window is a look-up in them."""
    process = next(s for s in hypotheses(spec) if s.dimension == "correctness").worse
    assert process is not None
    level, (worse, fine) = log_threshold(spec.errors.rollback / 4, 4), laws(pool)
    rng = np.random.default_rng(seed)
    at = [passages(process, iid(law, rng), level, _HORIZON, runs).accepted_at for law in (worse, fine)]
    values = np.array([-1.0, 0.0, 1.0])
    bet = gro_bet((-values).tolist(), worse.tolist(), -process.null)
    steps = np.log1p(bet * (process.null - values))
    drift = float(worse @ steps)
    spread = float(np.sqrt(worse @ (steps - drift) ** 2))
    kappa = chernoff_exponent(steps.tolist(), worse.tolist())
    return Finding(at[0], at[1], kappa, drift, spread, level, np.log(worse / fine))


def section(pool: Pool, spec: MigrationSpec, runs: int = 4_000, seed: int = 5) -> Section:
    """Return predicted beside obtained over rates, prices and priors, and the controller beside both."""
    evidence = found(pool, spec, runs, seed)
    cells = [_cell(evidence, *cell) for cell in product(RATES, PRICES, PRIORS)]
    steered = [
        _steered(pool, spec, evidence, *cell, seed, max(1, runs // 2))
        for cell in ((300.0, 0.01, 0.1), (300.0, 0.01, 0.02), (3000.0, 0.001, 0.1))
    ]
    grid = [float(n) for n in (50, 100, 200, 300, 500, 800, 1200, 2000, 3000, 5000)]
    lines = {
        "obtained (the gate's mixture)": (grid, [evidence.undetected(n) for n in grid]),
        "inverse Gaussian": (grid, [undetected_probability(n, evidence.drift, evidence.spread, evidence.level) for n in grid]),
        "C0 exp(-kappa n), C0 = 1": (grid, [float(np.exp(-evidence.kappa * n)) for n in grid]),
    }
    words = (
        f"A window of {HOURS:g} hours, a missed regression costs {IMPACT:,.0f}; the regression is {_LOSS:.0%} points of "
        f"right answers, found by the gate's own evidence at its first level (log e {evidence.level:.2f}); kappa "
        f"{evidence.kappa:.5f}.",
        f"Over the {len(cells)} cells the closed form's predicted cost is off by {_spread([c.error for c in cells])} (with "
        f"the inverse Gaussian for U: {_spread([c.gaussian_error for c in cells])}); following its share costs "
        f"{_spread([c.regret for c in cells])} more than the best share found by search.",
        _wrong([c.error for c in cells]),
        "The controller sets the share anew every hour from what is known by then; it never decides. *At most* is its cost "
        "with as many missed as the 95 % interval of their share leaves open: a single one costs more than all the mirroring.",
    )
    columns = (
        "queries an hour", "price", "P(regression)", "s*", "predicted cost", "obtained", "predicted U", "obtained U",
        "best share", "its cost",
    )  # fmt: skip
    names = (
        "queries an hour",
        "price",
        "P(regression)",
        "controller",
        "closed form's share",
        "everything",
        "missed by the controller",
    )
    tables = (
        Table("Fixed window, closed form", columns, [cell.row for cell in cells]),
        Table("Mean cost: controller beside fixed shares", names, steered),
    )
    return Section("The cost model, validated", words, tables, (Curves("Regressions not yet found", "pairs", "share", lines),))


@dataclass(frozen=True, slots=True)
class _Cell:
    """A row of the table; relative errors of the predictions, and what following the form costs over the best share."""

    row: tuple[str, ...]
    error: float
    gaussian_error: float
    regret: float


def _spread(values: list[float]) -> str:
    sizes = np.abs(values)
    return f"{np.median(sizes):.0%} in the median and {sizes.max():.0%} at worst"


def _wrong(errors: Sequence[float]) -> str:
    """Return in words in how many cells the closed form predicts too little and too much, and why it does either."""
    hopeful, dear = [e for e in errors if e < 0], [e for e in errors if e > 0]
    parts = []
    if hopeful:
        parts.append(
            f"It predicts too little in {len(hopeful)} of {len(errors)} cells (down to {min(hopeful):+.0%}): the exponential "
            "falls from the first pair on, but evidence must first climb to its level, and the gate's mixture of bets "
            "climbs slower than the form's one best bet."
        )
    if dear:
        parts.append(
            f"It predicts too much in {len(dear)} (up to {max(dear):+.0%}): it pays for the whole window, while mirroring "
            "ends when a regression is found."
        )
    return " ".join(parts)


def _cell(evidence: Finding, rate: float, price: float, prior: float) -> _Cell:
    wanted = best_observations(prior, IMPACT, price, evidence.kappa)
    share = fixed_window_share(wanted, rate, HOURS)
    n = share * rate * HOURS
    missed = min(1.0, float(np.exp(-evidence.kappa * n)))
    gaussian = undetected_probability(n, evidence.drift, evidence.spread, evidence.level)
    predicted, other = (fixed_window_cost(share, rate, HOURS, price, prior * IMPACT, u) for u in (missed, gaussian))
    obtained = evidence.cost(n, price, prior)
    shares = np.linspace(0, 1, 401)
    costs = [evidence.cost(s * rate * HOURS, price, prior) for s in shares]
    best = min(range(len(costs)), key=lambda k: costs[k])
    row = (
        short(rate), f"{price:g}", f"{prior:g}", f"{share:.3f}", short(predicted), short(obtained), f"{missed:.3f}",
        f"{evidence.undetected(n):.3f}", f"{shares[best]:.3f}", short(costs[best]),
    )  # fmt: skip
    return _Cell(row, predicted / obtained - 1, other / obtained - 1, max(0.0, obtained / costs[best] - 1))


def _steered(
    pool: Pool, spec: MigrationSpec, evidence: Finding, rate: float, price: float, prior: float, seed: int, runs: int
) -> tuple[str, ...]:
    """Return the controller's mean cost beside the closed form's share and mirroring everything."""
    controller = ShareController(prior, IMPACT, price, evidence.kappa, 1.0, least_share=0.002)
    process = next(s for s in hypotheses(spec) if s.dimension == "correctness").worse
    assert process is not None
    rng, spent, missed = np.random.default_rng(seed), [0.0, 0.0], 0
    for kind, law in enumerate(laws(pool)):
        for _ in range(runs):
            codes, log_ratio = np.zeros(0, dtype=np.int64), 0.0
            for hour in range(int(HOURS)):
                share = controller.share(log_ratio, HOURS - hour, rate)
                more = rng.choice(3, int(rng.binomial(int(rate), share)), p=law)
                codes, log_ratio = np.concatenate([codes, more]), log_ratio + float(evidence.ratio[more].sum())
            path = log_e_paths(process, codes[None, :])[0] if len(codes) else np.zeros(1)
            alarmed = path >= evidence.level
            spent[kind] += (int(np.argmax(alarmed)) + 1 if alarmed.any() else len(codes)) / runs
            missed += int(kind == 0 and not alarmed.any())
    cost = price * (prior * spent[0] + (1 - prior) * spent[1]) + prior * IMPACT * missed / runs
    n = fixed_window_share(best_observations(prior, IMPACT, price, evidence.kappa), rate, HOURS) * rate * HOURS
    lost = fraction(missed, runs)
    most = cost + prior * IMPACT * (float(lost["high"] or 0.0) - missed / runs)
    told = (evidence.cost(n, price, prior), evidence.cost(rate * HOURS, price, prior))
    own = f"{short(cost)}, at most {short(most)}"
    return (short(rate), f"{price:g}", f"{prior:g}", own, *(short(value) for value in told), f"{percent(lost)} of {runs:,}")
