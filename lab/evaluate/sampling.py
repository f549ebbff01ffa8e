"""Sampling from 100 % down to .1 %: the type I error that is kept, and the pairs that are needed.

Laws by stratum are those of the pool's executed answers. Under the null each stratum keeps its own effect, shifted by the
same so that the population's mean is 0: over-sampling the hard queries would then fool a test that does not weight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualgate.gate.stats import SamplingPlan, correctness_spec, log_threshold
from dualgate.gate.stats.process import Process
from dualgate.lab.characteristics.passage import Ints, Passages, Stream, passages
from dualgate.lab.evaluate.answers import OWN
from dualgate.lab.evaluate.measures import Measure, fraction, mean
from dualgate.lab.evaluate.pool import Floats, Pool
from dualgate.lab.evaluate.tables import Section, Table, number, percent
from dualgate.schemas.migration import MigrationSpec

MEANS = (1.0, 0.1, 0.01, 0.001)
HORIZON, DESIGN = 3_000, 0.03
_LEAST = 0.001
"""Probabilities are recorded in thousandths: what cannot be written cannot be weighted."""


@dataclass(frozen=True, slots=True)
class Strata:
    """Shares of traffic and, by stratum, mean and discordance of the paired difference."""

    share: Floats
    effect: Floats
    discordance: Floats

    def laws(self, shift: float) -> Floats:
        """Return the law of the difference (-1, 0, 1) in each stratum, its mean moved by `shift`."""
        effect = np.clip(self.effect + shift, -self.discordance, self.discordance)
        return np.stack([(self.discordance - effect) / 2, 1 - self.discordance, (self.discordance + effect) / 2], axis=1)


def strata(pool: Pool) -> Strata:
    """Return the pool's strata as they are between its recorded agents."""
    difference = pool.values["correctness"][OWN][1] - pool.values["correctness"][OWN][0]
    each = [difference[pool.stratum == s] for s in range(len(pool.strata))]
    share = np.array([len(one) for one in each]) / len(pool)
    return Strata(share, np.array([np.nanmean(one) for one in each]), np.array([np.nanmean(one != 0) for one in each]))


def designs(known: Strata, average: float) -> Mapping[str, Floats | None]:
    """Return the probabilities of each design with this mean; None where one of them cannot be written."""
    effect = known.effect - float(known.share @ known.effect)
    wanted = {
        "uniform": np.ones(len(known.share)),
        "stratified (hard queries more)": np.where(effect == effect.max(), 2.0, 0.6),
        "Neyman (by discordance)": np.sqrt(known.discordance),
    }
    found: dict[str, Floats | None] = {}
    for name, weight in wanted.items():
        pi = np.rint(1000 * average * weight / float(known.share @ weight)) / 1000
        found[name] = pi if pi.min() >= _LEAST and pi.max() <= 1 else None
    return found


def sampled(
    known: Strata, pi: Floats, shift: float, rng: np.random.Generator, *, weighted: bool, adaptive: bool = False
) -> Stream:
    """Return a stream of sampled pairs; adaptive: twice the probability while the evidence so far is good, else half.

    The probability of a pair depends on the past of its own run alone, in steps of a stretch: predictable, so the weights hold.
    """
    laws = np.cumsum(known.laws(shift), axis=1)[:, :-1]
    state: dict[str, Floats] = {}

    def stream(alive: Ints, length: int) -> tuple[Ints, Ints | None]:
        if "sum" not in state:
            state["sum"] = np.zeros(int(alive.max()) + 1)
        good = state["sum"][alive] > 0
        factor = np.where(good, 2.0, 0.5)[:, None] if adaptive else np.ones((len(alive), 1))
        thousandths = np.clip(np.rint(1000 * pi[None, :] * factor), 1, 1000).astype(np.int64)
        share = known.share * thousandths
        cut = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)[:, None, :-1]
        stratum = (rng.random((len(alive), length))[..., None] > cut).sum(axis=-1)
        codes = (rng.random((len(alive), length))[..., None] >= laws[stratum]).sum(axis=-1).astype(np.int64)
        each = np.take_along_axis(thousandths, stratum, axis=1)
        state["sum"][alive] += ((codes - 1) / each).sum(axis=1)
        return codes, each if weighted else None

    return stream


def _process(pi: Floats, share: Floats, *, weighted: bool, adaptive: bool) -> Process:
    if not weighted:
        return correctness_spec(0.0, DESIGN, 0.0).accept
    scale = 0.5 if adaptive else 1.0
    least = max(_LEAST, round(float(pi.min()) * scale, 3))
    return correctness_spec(0.0, DESIGN, 0.0, sampling=SamplingPlan(least, max(least, float(share @ pi)))).accept


def run(
    known: Strata, pi: Floats, shift: float, runs: int, seed: int, *, weighted: bool = True, adaptive: bool = False
) -> Passages:
    """Return when runs accept, over sampled pairs."""
    rng = np.random.default_rng(seed)
    process = _process(pi, known.share, weighted=weighted, adaptive=adaptive)
    stream = sampled(known, pi, shift, rng, weighted=weighted, adaptive=adaptive)
    return passages(process, stream, log_threshold(0.05), HORIZON, runs)


def section(pool: Pool, spec: MigrationSpec, runs: int = 1_000, seed: int = 6) -> Section:
    """Return type I error and pairs needed by design and mean probability."""
    known = strata(pool)
    null = -float(known.share @ known.effect)
    rows: list[tuple[str, ...]] = []
    levels: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    for average in MEANS:
        uniform = np.full(len(known.share), average)
        every = [(name, pi, False) for name, pi in designs(known, average).items()]
        for name, pi, adaptive in [*every, ("adaptive (x2 while good, else x1/2)", uniform, True)]:
            row, kept = _row(known, name, average, pi, null, runs, seed, adaptive=adaptive)
            rows.append(row)
            levels += [kept] if kept else []
    promote = spec.errors.promote
    words = (
        f"Type I error at {promote:g} over {HORIZON:,} sampled pairs of a null with effects by stratum, and the sampled "
        f"pairs until the recorded challenger is accepted (+{float(known.share @ known.effect):.1%} points); {runs} runs "
        "each.",
        _told(levels, spec.errors.promote),
        "The number of queries is the sampled pairs over the ratio. Probabilities are recorded in thousandths: at .1 % "
        "designs are rounded to almost the uniform one, and what would be below that cannot be written.",
    )
    columns = ("mean probability", "design", "type I error, weighted", "unweighted", "sampled pairs needed", "queries needed")
    return Section("Sampling, characterised", words, (Table("", columns, rows),))


def _told(levels: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], level: float) -> str:
    """Return in words whether the level is kept with weights and without."""
    lost = [sum(told[which]["low"] > level for told in levels) for which in (0, 1)]
    greatest = [max(told[which]["estimate"] for told in levels) for which in (0, 1)]
    kept = "keep the level in every row" if not lost[0] else f"lose the level in {lost[0]} rows"
    without = f"is lost in {lost[1]} of {len(levels)} rows" if lost[1] else "is kept as well"
    return (
        f"The weights (Horvitz-Thompson) {kept} (at most {greatest[0]:.1%}); without them it {without} (up to "
        f"{greatest[1]:.1%}), where strata are sampled unequally."
    )


def _row(
    known: Strata, name: str, average: float, pi: Floats | None, null: float, runs: int, seed: int, *, adaptive: bool
) -> tuple[tuple[str, ...], tuple[Measure, Measure] | None]:  # fmt: skip
    if pi is None or (adaptive and (average * 2 > 1 or average / 2 < _LEAST)):
        return (f"{average:g}", name, "cannot be written", "-", "-", "-"), None
    wrongly = run(known, pi, null, runs, seed, adaptive=adaptive).accepted
    unweighted = run(known, pi, null, runs, seed + 1, weighted=False, adaptive=adaptive).accepted
    rightly = run(known, pi, 0.0, runs, seed + 2, adaptive=adaptive)
    needed = mean([float(n) for n in rightly.accepted_at[rightly.accepted]])
    taken = float(known.share @ pi)
    queries = "-" if needed["estimate"] is None or adaptive else f"{needed['estimate'] / taken:,.0f}"
    levels = fraction(int(wrongly.sum()), runs), fraction(int(unweighted.sum()), runs)
    return (f"{average:g}", name, percent(levels[0]), percent(levels[1]), f"{number(needed)}", queries), levels
