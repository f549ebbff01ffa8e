"""The hypotheses of a migration: what its file's dimensions become in the statistics."""

from collections.abc import Iterator, Mapping

from dualgate.gate.stats import (
    DimensionSpec,
    SamplingPlan,
    averaged,
    correctness_spec,
    latency_spec,
    median_latency_spec,
    rated_spec,
    relative_latency_spec,
    safety_class_spec,
    safety_difference_spec,
    safety_spec,
    sampling_plan,
    semantic_difference_spec,
    semantic_level_spec,
)
from dualgate.gate.stats.sampling import MAX_DRAWN_TURN
from dualgate.schemas.dimensions import Correctness, Latency, Safety, Semantic
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec
from dualgate.schemas.scorers import Rater

LOG_LATENCY_SD = 0.6
"""Planned spread of log latency until calibrating pairs tell it."""


def hypotheses(
    spec: MigrationSpec, *, reruns: bool = True, shares: Mapping[str, float] | None = None, single: bool = False
) -> tuple[DimensionSpec, ...]:
    """Return the hypotheses of the dimensions that are on, in their fixed order; classes and the median follow their dimension.

    reruns: whether the incumbent is asked twice (else a semantic level has no paired difference). shares: the strata's shares of
    traffic, equal unless known. single: of single queries even where the unit is a session's mean. Raises ConfigError where a
    design cannot be tested, in words that name the key.
    """
    try:
        found = tuple(_all(spec, sampling_of(spec, shares), reruns))
        return tuple(averaged(s) for s in found) if spec.unit.by == "session" and not single else found
    except ValueError as error:
        raise ConfigError(f"migration {spec.migration}: dimensions.{error}") from None


def unscored(spec: MigrationSpec) -> dict[str, str]:
    """Return the hypotheses for which a file gives nothing to score by, each with what is missing. No data never passes."""
    found = {}
    if spec.dimensions.correctness and not (spec.scoring.golden or spec.scoring.rater):
        found["correctness"] = "scoring.golden and scoring.rater are both missing"
    if spec.dimensions.safety and "authorization" in spec.dimensions.safety.classes and not spec.scoring.grants:
        found["safety.authorization"] = "scoring.grants is missing"
    return found


def sampling_of(spec: MigrationSpec, shares: Mapping[str, float] | None = None) -> SamplingPlan:
    """Return the least and the mean probability that a query is an observation; ConfigError for a bad design."""
    known = shares if shares and set(shares) == set(spec.shadow_sampling) else None
    turns = MAX_DRAWN_TURN if spec.unit.by == "drawn" else 1
    try:
        return sampling_plan({name: p / turns for name, p in spec.shadow_sampling.items()}, known)
    except ValueError as error:
        raise ConfigError(f"migration {spec.migration}: shadow_sampling: {error}") from None


def _all(spec: MigrationSpec, sampling: SamplingPlan, reruns: bool) -> Iterator[DimensionSpec]:
    dimensions = spec.dimensions
    if dimensions.correctness:
        yield _correctness(dimensions.correctness, spec.scoring.rater, sampling)
    if dimensions.latency:
        yield from _latency(dimensions.latency, sampling)
    if dimensions.semantic:
        yield _semantic(dimensions.semantic, sampling, reruns)
    if dimensions.safety:
        yield from _safety(dimensions.safety, sampling)


def _correctness(part: Correctness, rater: Rater | None, sampling: SamplingPlan) -> DimensionSpec:
    if rater is not None:
        return rated_spec(part.null, part.design, part.worse_by, rater.label_probability, sampling=sampling)
    return correctness_spec(part.null, part.design, part.worse_by, sampling=sampling)


def _latency(part: Latency, sampling: SamplingPlan) -> Iterator[DimensionSpec]:
    if part.measure == "relative":
        yield relative_latency_spec(_swap_mean(part.margin), sampling=sampling)
    else:
        yield latency_spec(part.null, part.design, part.worse_by, sampling=sampling)
    if part.median_sla_ms is not None:
        yield median_latency_spec(sampling=sampling)


def _swap_mean(margin: float) -> float:
    """Return a first guess of the swap statistic's mean under equal speed, margin**2 / (2 sd**2), until calibration tells it."""
    return min(0.1, max(0.002, (margin / LOG_LATENCY_SD) ** 2 / 2))


def _semantic(part: Semantic, sampling: SamplingPlan, reruns: bool) -> DimensionSpec:
    if part.measure == "difference":
        return semantic_difference_spec(part.null, part.design, part.worse_by, sampling=sampling)
    return semantic_level_spec(part.null, part.design, part.worse_by, reruns=reruns, sampling=sampling)


def _safety(part: Safety, sampling: SamplingPlan) -> Iterator[DimensionSpec]:
    build = safety_difference_spec if part.measure == "difference" else safety_spec
    yield build(part.null, part.design, part.worse_by, sampling=sampling)
    for name, ceiling in sorted(part.classes.items()):
        yield safety_class_spec(name, ceiling.null, ceiling.design, sampling=sampling)
