"""Many runs of a simulated migration, over several processes, and their summary.

Each run has its own seed, spawned from the one given, so the result does not depend on how many processes share the work.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from dualgate.gate.hypotheses import hypotheses, sampling_of
from dualgate.gate.stats import DimensionSpec, Horizon, calibration_pairs, horizon
from dualgate.lab.simulate.pairs import blocks, draw
from dualgate.lab.simulate.scenario import Scenario
from dualgate.lab.simulate.shadow import Outcome, ShadowPolicy, run_shadow
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec

VERDICTS = ("promoted", "rejected", "inconclusive", "undecided")
_FIRST_BATCH = 1000
BOTH_CORRECT = 0.75
"""Planned share of pairs on which both arms are correct, where semantics is defined."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every run shares."""

    specs: tuple[DimensionSpec, ...]
    policy: ShadowPolicy
    scenario: Scenario
    sampling: Mapping[str, float]
    unit: str
    limit: int


def eligible_shares(specs: Sequence[DimensionSpec]) -> dict[str, float]:
    """Return the planned share of pairs that observe each dimension, where it is not all."""
    return {s.dimension: BOTH_CORRECT for s in specs if s.dimension == "semantic"}


def planned(spec: MigrationSpec, specs: tuple[DimensionSpec, ...]) -> Horizon:
    """Return min_pairs and max_pairs as planned; ConfigError where a design is too close to its null to be planned."""
    try:
        return horizon(specs, spec.errors.promote, spec.errors.miss, eligible=eligible_shares(specs))
    except ValueError as error:
        raise ConfigError(f"migration {spec.migration}: {error}") from None


def policy_of(spec: MigrationSpec, plan: Horizon) -> ShadowPolicy:
    """Return the file's levels, with every `auto` filled in from the plan."""
    shadow, errors = spec.phases.shadow, spec.errors
    auto = {"calibrating": calibration_pairs(), "min_pairs": plan.min_pairs, "max_pairs": plan.max_pairs}
    given = {"calibrating": spec.phases.calibrating.pairs, "min_pairs": shadow.min_pairs, "max_pairs": shadow.max_pairs}
    counts = {name: auto[name] if value == "auto" else int(value) for name, value in given.items()}
    return ShadowPolicy(
        errors.promote, errors.miss, errors.rollback, errors.gate, errors.alarms, errors.boundary,
        **counts, sampling=sampling_of(spec),
    )  # fmt: skip


def job_of(spec: MigrationSpec, scenario: Scenario, limit: int) -> Job:
    """Return what the runs of a migration file share; ConfigError where it cannot be simulated."""
    if spec.unit.by == "session":
        raise ConfigError("unit.by=session cannot be simulated: session means are for backtests; accepted: query, first, drawn")
    specs = hypotheses(spec)
    if any(s.measure in ("relative", "median") for s in specs):
        raise ConfigError("latency measure relative and median_sla_ms cannot be simulated; accepted: exceedance")
    missing = {s.name.split(".")[1] for s in specs if "." in s.name} - set(scenario.classes)
    if missing:
        raise ConfigError(f"the scenario has no rate for the classes {sorted(missing)}; accepted: one under classes for each")
    return Job(specs, policy_of(spec, planned(spec, specs)), scenario, spec.shadow_sampling, spec.unit.by, limit)


def run_one(job: Job, seed: np.random.SeedSequence) -> Outcome:
    """Return the outcome of one run."""
    rng = np.random.default_rng(seed)
    batches = draw(job.scenario, job.sampling, job.unit, rng, min(_FIRST_BATCH, job.limit + 1))
    return run_shadow(job.specs, job.policy, (blocks(job.specs, batch) for batch in batches if len(batch)), job.limit)


def _run_some(job: Job, seeds: list[np.random.SeedSequence]) -> list[Outcome]:
    return [run_one(job, seed) for seed in seeds]


def run_many(job: Job, runs: int, seed: int, processes: int | None = None) -> Iterator[Outcome]:
    """Yield the outcomes of all runs, in order; processes default to the machine's cores."""
    seeds = np.random.SeedSequence(seed).spawn(runs)
    workers = min(processes or os.cpu_count() or 1, runs)
    if workers == 1:
        yield from (run_one(job, s) for s in seeds)
        return
    size = max(1, min(25, runs // (4 * workers)))
    parts = [seeds[i : i + size] for i in range(0, runs, size)]
    with ProcessPoolExecutor(workers) as pool:
        for some in pool.map(_run_some, [job] * len(parts), parts):
            yield from some


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the fraction of each final verdict (exact 95 % binomial interval), of each reason, and the pairs used."""
    n = len(outcomes)
    verdicts, reasons = Counter(o.verdict for o in outcomes), Counter((o.verdict, o.reason) for o in outcomes)
    return {
        "runs": n,
        "verdicts": {name: _fraction(verdicts[name], n) for name in VERDICTS},
        "reasons": {f"{verdict}: {reason}": _fraction(k, n) for (verdict, reason), k in sorted(reasons.items())},
        "pairs": _pairs([o.pairs for o in outcomes]),
        "pairs_by_verdict": {v: _pairs([o.pairs for o in outcomes if o.verdict == v]) for v in VERDICTS if verdicts[v]},
    }


def _fraction(k: int, n: int) -> dict[str, float]:
    ci = binomtest(k, n).proportion_ci(0.95)
    return {"fraction": k / n, "low": float(ci.low), "high": float(ci.high), "n": k}


def _pairs(pairs: Sequence[int]) -> dict[str, float]:
    values = np.array(pairs)
    return {"mean": float(values.mean()), "median": float(np.median(values)), "q90": float(np.quantile(values, 0.9))}
