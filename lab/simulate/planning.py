"""What a migration will need before it starts: the document behind `dualgate plan`."""

import math
from typing import Any

import numpy as np

from dualgate.gate import phases
from dualgate.gate.admission import horizon_of
from dualgate.gate.budget import HUNDRED, budgets
from dualgate.gate.hypotheses import hypotheses, sampling_of, unscored
from dualgate.gate.stats import (
    DimensionSpec,
    HypothesisPlan,
    accept_threshold,
    futility_threshold,
    gro_bet,
    log_threshold,
)
from dualgate.gate.stats.cost import best_observations, chernoff_exponent, fixed_window_share
from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.laws import ternary
from dualgate.gate.stats.rated import RATED
from dualgate.gate.watched import unwatchable
from dualgate.lab.simulate.life import Outcome
from dualgate.lab.simulate.runs import Job, summary
from dualgate.schemas.migration import MigrationSpec


def plan_document(
    spec: MigrationSpec, job: Job, queries_per_hour: float | None, simulated: dict[str, list[Outcome]]
) -> dict[str, Any]:
    """Return expected pairs, time, cost and thresholds of a migration, and its chance to promote by simulation."""
    specs, plan = job.state.specs, job.state.plan
    expected = summary(simulated["design"])["pairs"]
    total = plan.calibrating + plan.max_pairs
    return {
        "migration": spec.migration,
        "pairs": {
            "calibrating": plan.calibrating,
            "min_pairs": plan.min_pairs,
            "max_pairs": plan.max_pairs,
            "expected": expected,
        },
        "hypotheses": [_hypothesis(s, p) for s, p in zip(specs, horizon_of(spec, hypotheses(spec)).hypotheses, strict=True)],
        "thresholds": thresholds(spec, specs),
        "unscored": unscored(spec),
        "promote": {name: summary(outcomes)["accepted"] for name, outcomes in simulated.items()},
        "time_hours": _hours(spec, queries_per_hour, expected["median"], total),
        "cost": _cost(spec, expected["mean"], total),
        "labels": _labels(spec, expected["median"], total),
        "live": live_phases(spec, specs),
        "unwatched": {s.name: why for s in specs if s.name == s.dimension and (why := unwatchable(s))},
        "suggested_shadow_share": _share(spec, specs, queries_per_hour),
    }


def _hypothesis(spec: DimensionSpec, plan: HypothesisPlan) -> dict[str, Any]:
    return {
        "name": spec.name,
        "measure": spec.measure,
        "null": _reported(spec, spec.accept.null),
        "design": _reported(spec, spec.design),
        "n_fixed": plan.sprt.n_fixed,
        "wald_n_h1": plan.sprt.wald_n_h1,
        "wald_n_h0": plan.sprt.wald_n_h0,
        "n_mixture": plan.n_mixture,
        "pairs": math.ceil(plan.n_mixture / plan.eligible),
    }


def _reported(spec: DimensionSpec, mean: float) -> float:
    return round(spec.report_offset + spec.report_sign * mean, 9)


def thresholds(spec: MigrationSpec, specs: tuple[DimensionSpec, ...]) -> dict[str, Any]:
    """Return every threshold of the shadow phase, in nats of a log e-value."""
    errors, k = spec.errors, len({s.dimension for s in specs})
    steps = {"holm": range(k, 0, -1), "bonferroni": [k] * k, "iut": [1] * k}[errors.gate]
    return {
        "accept_by_rank": [accept_threshold(errors.promote, errors.miss, step, errors.boundary) for step in steps],
        "futility": futility_threshold(errors.miss, len(specs)),
        "worse": log_threshold(errors.rollback / 4, sum(s.worse is not None for s in specs)),
    }


def live_phases(spec: MigrationSpec, specs: tuple[DimensionSpec, ...]) -> list[dict[str, Any]]:
    """Return each live phase's share, observations and error budgets in extra bad answers; longer phases have more of both."""
    names = [name for name in phases.order(spec) if phases.is_live(name)]
    return [
        {
            "phase": name,
            "share": phases.live_share(spec, name),
            "observations": phases.observations(spec, name),
            "bad_answers": {d: b.allowed(0) / HUNDRED for d, b in budgets(spec, specs, name, {}).items()},
        }
        for name in names
    ]


def _hours(spec: MigrationSpec, rate: float | None, median: float, total: int) -> dict[str, float] | None:
    """Return the hours that the pairs take at a rate of queries, at least the shadow phase's minimum duration."""
    if rate is None:
        return None
    least = spec.phases.shadow.min_duration_ms / 3_600_000
    sampled = rate * sampling_of(spec).mean
    return {"median": max(least, median / sampled), "at_most": max(least, total / sampled)}


def _cost(spec: MigrationSpec, mean: float, total: int) -> dict[str, Any]:
    return {"currency": spec.cost.currency, "expected": mean * spec.cost.per_query, "at_most": total * spec.cost.per_query}


def _labels(spec: MigrationSpec, median: float, total: int) -> dict[str, Any] | None:
    """Return how many pairs people are expected to label: to the decision, at most, and in each live phase."""
    rater = spec.scoring.rater
    if rater is None or "correctness" not in spec.dimensions.on:
        return None
    pi, live = rater.label_probability, [name for name in phases.order(spec) if phases.is_live(name)]
    each = {name: math.ceil(pi * phases.observations(spec, name)) for name in live}
    return {"probability": pi, "median": math.ceil(pi * median), "at_most": math.ceil(pi * total), "live": each}


def _share(spec: MigrationSpec, specs: tuple[DimensionSpec, ...], rate: float | None) -> float | None:
    """Return the share of queries worth mirroring over the minimum duration (cost form A), for a loss of correctness.

    The regression that it is worth finding is as large as the design's gain; None without a rate, a price or correctness.
    """
    found = next((s for s in specs if s.dimension == "correctness"), None)
    if rate is None or found is None or found.worse is None or found.measure == RATED:
        return None
    if not spec.cost.per_query or not spec.cost.regression_impact:
        return None
    discordance, boundary = found.law[0] + found.law[2], found.worse.null
    loss = boundary - (found.design - found.accept.null)
    law = ternary(loss, max(discordance, 1.25 * abs(loss)))
    bet = gro_bet(-TERNARY.values, law, -boundary)
    kappa = chernoff_exponent(np.log1p(bet * (boundary - TERNARY.values)).tolist(), law.tolist())
    n = best_observations(spec.cost.regression_probability, spec.cost.regression_impact, spec.cost.per_query, kappa)
    return fixed_window_share(n, rate, max(spec.phases.shadow.min_duration_ms / 3_600_000, 1 / 60))
