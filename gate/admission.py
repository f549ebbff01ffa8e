"""Whether a configuration can run, and what it is run with: hypotheses with their bets, and the plan of its length."""

from collections.abc import Sequence
from functools import lru_cache

from dualgate.gate import phases
from dualgate.gate.hypotheses import LOG_LATENCY_SD, hypotheses
from dualgate.gate.state import Plan, parsed
from dualgate.gate.stats import DimensionSpec, Horizon, calibration_pairs, horizon, kde_calibration_pairs
from dualgate.gate.stats.kde import MIN_FIT
from dualgate.gate.stats.rated import without_law
from dualgate.gate.watched import most_observations
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec

BOTH_CORRECT = 0.75
"""Planned share of pairs in which both answers are right: only those have a semantic score."""


def admit(config: str, *, closed: bool = False) -> tuple[tuple[DimensionSpec, ...], Plan]:
    """Return the hypotheses and the plan of a configuration; ConfigError says why it cannot run.

    closed: the log has ended (a backtest), so that the means of its sessions are known.
    """
    spec = parsed(config).spec
    runnable(spec, closed=closed)
    return tuple(without_law(s) for s in hypotheses(spec)), plan_of(spec, hypotheses(spec, single=True))


def runnable(spec: MigrationSpec, *, closed: bool = False) -> None:
    """Raise ConfigError for what a running gate does not do, in words that say what to use instead."""
    if spec.unit.by == "session" and not closed:
        raise ConfigError(
            "unit.by=session: sessions are open while a migration runs, so their means are not known; use first or drawn "
            "(backtest takes session)"
        )
    part = spec.dimensions.latency
    if spec.unit.by == "session" and part and (part.measure == "relative" or part.median_sla_ms is not None):
        raise ConfigError("unit.by=session: dimensions.latency is averaged as exceedance; accepted: that alone")
    if spec.unit.by == "session" and set(spec.shadow_sampling.values()) != {1.0}:
        raise ConfigError(
            f"unit.by=session with shadow_sampling={dict(spec.shadow_sampling)}: a mean needs all of a session; use 1"
        )
    pairs, latency = spec.phases.calibrating.pairs, spec.dimensions.latency
    if latency and latency.measure == "relative" and pairs != "auto" and pairs < MIN_FIT:
        raise ConfigError(
            f"phases.calibrating.pairs={pairs}: dimensions.latency.measure=relative fits a density to the incumbent's latencies, "
            f"use auto or at least {MIN_FIT}"
        )
    if spec.scoring.rater is not None and spec.unit.by == "session":
        raise ConfigError("unit.by=session with scoring.rater: a mean has no label; use query, first or drawn")
    _without_reruns(spec)
    _watched(spec)


def _watched(spec: MigrationSpec) -> None:
    """Refuse live phases of more observations than any monitor can be planned over: users would go unwatched."""
    asked = {phase: phases.observations(spec, phase) for phase in phases.order(spec) if phases.is_live(phase)}
    n, most = sum(asked.values()), most_observations(spec, hypotheses(spec, reruns=False))
    if n > most:
        each = ", ".join(f"{phase} {own:,}" for phase, own in asked.items())
        raise ConfigError(
            f"phases: {n:,} observations in the live phases ({each}) are more than a monitor can be planned over; accepted: "
            f"canary, rollout steps and tail of at most {most:,} together at errors.rollback={spec.errors.rollback:g}"
        )


def _without_reruns(spec: MigrationSpec) -> None:
    """Refuse what CALIBRATING could not go on with where no query asks the incumbent twice."""
    hypotheses(spec)
    try:
        hypotheses(spec, reruns=False)
    except ConfigError as error:
        part = spec.dimensions.semantic
        least = f"null - worse_by = {part.null - part.worse_by:g}" if part else "it"
        words = f"dimensions.semantic: without re-runs of the incumbent worse is below {least}, which no score tells"
        raise ConfigError(f"{error}; {words}") from None


def plan_of(spec: MigrationSpec, specs: tuple[DimensionSpec, ...]) -> Plan:
    """Return the counts of the phases before the canary, `auto` filled in from power and effect size."""
    calibrating, shadow = spec.phases.calibrating.pairs, spec.phases.shadow
    least, most = shadow.min_pairs, shadow.max_pairs
    if least == "auto" or most == "auto":
        planned = horizon_of(spec, specs)
        least = planned.min_pairs if least == "auto" else least
        most = planned.max_pairs if most == "auto" else most
    if least > most:
        raise ConfigError(f"phases.shadow: min_pairs={least} is above max_pairs={most}")
    return Plan(_calibrating(spec) if calibrating == "auto" else calibrating, int(least), int(most))


def _calibrating(spec: MigrationSpec) -> int:
    """Return the calibrating pairs: more where a density is fitted and the margin is small."""
    latency = spec.dimensions.latency
    relative = latency is not None and latency.measure == "relative"
    return kde_calibration_pairs(latency.margin, LOG_LATENCY_SD) if latency and relative else calibration_pairs()


def horizon_of(spec: MigrationSpec, specs: tuple[DimensionSpec, ...]) -> Horizon:
    """Return what power and effect size ask for; ConfigError where a design is too close to its null to be planned."""
    try:
        return _horizon(specs, spec.errors.promote, spec.errors.miss)
    except ValueError as error:
        raise ConfigError(f"migration {spec.migration}: {error}") from None


@lru_cache(maxsize=16)
def _horizon(specs: tuple[DimensionSpec, ...], alpha: float, beta: float) -> Horizon:
    return horizon(specs, alpha, beta, eligible=eligible_shares(specs))


def eligible_shares(specs: Sequence[DimensionSpec]) -> dict[str, float]:
    """Return the planned share of pairs that observe each dimension, where it is not all."""
    return {s.dimension: BOTH_CORRECT for s in specs if s.dimension == "semantic"}
