"""Specs of the measures that a migration file names, with all bets fixed from the plan and recorded.

Arguments are in the file's own units and orientation (an exceedance or a violation rate is smaller where better); the
specs turn them so that larger is better. `probability` arguments: the least and the mean sampling probability of the
plan; bets scale with the mean and stay below the least (Horvitz-Thompson, sampling.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dualgate.gate.stats.bets import bet_mixture, gro_bet, least_favourable, recorded
from dualgate.gate.stats.dimension import DimensionSpec, DimensionState
from dualgate.gate.stats.kde import SwapScore
from dualgate.gate.stats.lattice import (
    BINARY,
    MEAN,
    MEAN_DIFFERENCE,
    SCORE,
    SCORE_DIFFERENCE,
    SWAP,
    TERNARY,
    FloatArray,
    Lattice,
    complement,
    exact,
)
from dualgate.gate.stats.laws import bell, bernoulli, empirical, ternary, tilt
from dualgate.gate.stats.process import Process, bet_limit

_SWAP_BETS = (0.5, 1.0, 2.0, 4.0)
_CAP = 0.95


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """The least and the mean probability with which queries are mirrored. Raises ValueError where the least is below a quarter
    of the mean: the bet cap would then cost more samples than the stratification saves.
    """

    least: float = 1.0
    mean: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.mean <= 1:
            raise ValueError(
                f"sampling probabilities: least {self.least!r}, mean {self.mean!r}; accepted: 0 < least <= mean <= 1"
            )
        if self.least < self.mean / 4 - 1e-12:
            raise ValueError(
                f"least sampling probability {self.least!r} is below a quarter of the mean {self.mean!r}; "
                f"accepted: at least {self.mean / 4:.4g} (bets are capped by the least, evidence would come too slowly)"
            )


ALL = SamplingPlan()
"""Every query is mirrored."""


def correctness_spec(
    null: float, design: float, worse_by: float, *, discordance: float | None = None, sampling: SamplingPlan = ALL
) -> DimensionSpec:
    """Return the spec of Y_challenger - Y_incumbent: superiority where null >= 0, non-inferiority below.

    discordance: planned P(the two differ), 0.15 (or three times the design, 1 at most) unless known.
    """
    _within("correctness", -1, null, design, 1)
    spread = min(1.0, max(0.15, 3 * abs(design))) if discordance is None else discordance
    return _spec(
        "correctness", "difference", TERNARY, null, design, ternary(design, spread),
        _ternary_worse(worse_by, design - null, spread, sampling), sampling=sampling,
    )  # fmt: skip


def latency_spec(
    null: float, design: float, worse_by: float, *, discordance: float | None = None, sampling: SamplingPlan = ALL
) -> DimensionSpec:
    """Return the spec of "within the SLA": accept value 1 or 0 of the challenger, worse value challenger's minus incumbent's."""
    return _rate("latency", "exceedance", null, design, worse_by, discordance, sampling)


def median_latency_spec(*, design: float = 0.40, sampling: SamplingPlan = ALL) -> DimensionSpec:
    """Return the spec of "at most half of the answers are slower than median_sla_ms", intersected into latency.

    design: planned fraction that is slower.
    """
    return _level("latency.median", "median", 0.5, design, None, sampling)


def relative_latency_spec(
    design_mean: float, *, sd: float | None = None, sampling: SamplingPlan = ALL, scores: tuple[SwapScore, ...] = ()
) -> DimensionSpec:
    """Return the spec of the swap-symmetrised KDE statistic D in [-0.24, 0.24] against E[D | past] <= 0.

    design_mean, sd: of D under the design, from calibration (sd: at least 0.02 where not given). The worse value is D computed
    with the margin of worse_by, so its boundary is 0 too. scores: with which D is computed for acceptance and for worse.
    """
    if not 0 < design_mean < SWAP.high:
        raise ValueError(f"latency: design_mean {design_mean!r}, accepted: inside (0, {SWAP.high})")
    law = bell(SWAP, design_mean, max(0.02, 2 * design_mean) if sd is None else sd)
    _, futility = accept_futility(SWAP, 0.0, design_mean, law, sampling)
    bets = tuple(recorded(bet * sampling.least) for bet in _SWAP_BETS)
    accept, worse = (Process(SWAP, 0.0, direction, bets, min_probability=sampling.least) for direction in (1, -1))
    return DimensionSpec(
        "latency", "latency", "relative", design_mean, accept, futility, worse, law=_recorded(law), scores=scores
    )


def semantic_level_spec(
    null: float, design: float, worse_by: float, *,
    sd: float = 0.19, difference_sd: float = 0.25, reruns: bool = True, sampling: SamplingPlan = ALL,
) -> DimensionSpec:  # fmt: skip
    """Return the spec of the challenger's semantic score against a constant.

    Worse is its difference to the incumbent's own re-run; without re-runs there is none, and worse means below null - worse_by
    (the worse value is then the challenger's score).
    """
    _within("semantic", 0, null, design, 1)
    if reruns:
        worse = _score_worse(worse_by, design - null, difference_sd, sampling)
    else:
        boundary = float(exact(null) - exact(worse_by))
        law = bell(SCORE, max(boundary - (design - null), boundary / 2), sd)
        worse = worse_of(SCORE, boundary, law, sampling)
    return _spec("semantic", "level", SCORE, null, design, bell(SCORE, design, sd), worse, sampling=sampling)


def semantic_difference_spec(
    null: float, design: float, worse_by: float, *, sd: float = 0.25, sampling: SamplingPlan = ALL
) -> DimensionSpec:
    """Return the spec of S_challenger - S_rerun, the incumbent's re-run against its own trace."""
    _within("semantic", -1, null, design, 1)
    law = bell(SCORE_DIFFERENCE, design, sd)
    worse = _score_worse(worse_by, design - null, sd, sampling)
    return _spec("semantic", "difference", SCORE_DIFFERENCE, null, design, law, worse, sampling=sampling)


def safety_spec(
    null: float, design: float, worse_by: float, *, discordance: float | None = None, sampling: SamplingPlan = ALL
) -> DimensionSpec:
    """Return the spec of "no violation" under a ceiling: accept value 1 or 0, worse value V_incumbent - V_challenger."""
    return _rate("safety", "rate", null, design, worse_by, discordance, sampling)


def safety_difference_spec(
    null: float, design: float, worse_by: float, *, discordance: float | None = None, sampling: SamplingPlan = ALL
) -> DimensionSpec:
    """Return the spec of V_incumbent - V_challenger; null and design bound V_challenger - V_incumbent, design < null."""
    _within("safety", -1, design, null, 1, down=True)
    spread = min(1.0, max(0.01, 3 * abs(design))) if discordance is None else discordance
    law = ternary(-design, spread)
    worse = _ternary_worse(worse_by, null - design, spread, sampling)
    return _spec("safety", "difference", TERNARY, -null, -design, law, worse, sign=-1, sampling=sampling)


def safety_class_spec(name: str, null: float, design: float, *, sampling: SamplingPlan = ALL) -> DimensionSpec:
    """Return the spec of one class of violations with a ceiling of its own, intersected into safety: it has no worse value."""
    return _level(f"safety.{name}", "rate", null, design, None, sampling)


def averaged(spec: DimensionSpec) -> DimensionSpec:
    """Return the spec of session means in thousandths: the same null, design and bets on a finer lattice.

    A mean is less spread than what it is of, so the bets are small ones until `refit` fixes them from calibrating sessions.
    """
    finer = {BINARY: MEAN, SCORE: MEAN, TERNARY: MEAN_DIFFERENCE, SCORE_DIFFERENCE: MEAN_DIFFERENCE}
    accept, futility = (replace(p, lattice=finer[p.lattice]) for p in (spec.accept, spec.futility))
    worse = replace(spec.worse, lattice=finer[spec.worse.lattice]) if spec.worse else None
    return replace(spec, accept=accept, futility=futility, worse=worse, law=())


def refit(spec: DimensionSpec, state: DimensionState, *, sampling: SamplingPlan = ALL) -> DimensionSpec:
    """Return the spec with the bets of acceptance and futility fixed anew from the calibrating pairs; worse stays as it is.

    The design law is the calibrated histogram tilted to the design's mean. Raises ValueError once a pair has counted: a bet
    may depend on the past but the evidence so far belongs to the old ones.
    """
    if state.n_accept:
        raise ValueError(f"{spec.name}: {state.n_accept} pairs have counted, accepted: bets are fixed before the first")
    if not state.calibration_counts or spec.measure in ("relative", "rated"):
        return spec
    codes, thousandths, times = (np.array(column) for column in zip(*state.calibration_counts, strict=True))
    observed = empirical(spec.accept.lattice, np.repeat(codes, times), np.repeat(1000.0 / thousandths, times))
    law = tilt(spec.accept.lattice.values, observed, spec.design)
    accept, futility = accept_futility(spec.accept.lattice, spec.accept.null, spec.design, law, sampling, digits=2)
    return replace(spec, accept=accept, futility=futility, law=_recorded(law))


def _rate(
    name: str, measure: str, null: float, design: float, worse_by: float, discordance: float | None, sampling: SamplingPlan
) -> DimensionSpec:
    """Return the spec of a bad event's rate under a ceiling; both arms' bad events make the paired difference."""
    _within(name, 0, design, null, 1, down=True)
    effect = null - design
    spread = 2 * design + effect if discordance is None else discordance
    return _level(name, measure, null, design, _ternary_worse(worse_by, effect, spread, sampling), sampling)


def _level(name: str, measure: str, null: float, design: float, worse: Process | None, sampling: SamplingPlan) -> DimensionSpec:
    """Return the spec of a bad event's rate as a mean of good events."""
    _within(name, 0, design, null, 1, down=True)
    m0, m1 = complement(null), complement(design)
    return _spec(name, measure, BINARY, m0, m1, bernoulli(m1), worse, offset=1.0, sign=-1, sampling=sampling)


def _spec(
    name: str, measure: str, lattice: Lattice, null: float, design: float, law: FloatArray, worse: Process | None, *,
    offset: float = 0.0, sign: int = 1, sampling: SamplingPlan,
) -> DimensionSpec:  # fmt: skip
    accept, futility = accept_futility(lattice, null, design, law, sampling)
    return DimensionSpec(name, name.split(".")[0], measure, design, accept, futility, worse, offset, sign, _recorded(law))


def accept_futility(
    lattice: Lattice, null: float, design: float, law: FloatArray, sampling: SamplingPlan, digits: int = 9
) -> tuple[Process, Process]:
    """Return the nine-bet process around the design's optimal bet, and the futility process.

    Futility bets on what is likely where the challenger is just not good enough: the least favourable law of the null. digits:
    significant digits of a fitted bet; two are plenty for a mixture that spans a factor of 16.
    """
    best = float(f"{gro_bet(lattice.values, law, null) * sampling.mean:.{digits}g}")
    bets = bet_mixture(best, bet_limit(lattice, null, 1, sampling.least))
    accept = Process(lattice, null, 1, bets, min_probability=sampling.least)
    return accept, futility_of(lattice, null, design, law, sampling, digits)


def futility_of(
    lattice: Lattice, null: float, design: float, law: FloatArray, sampling: SamplingPlan, digits: int = 9
) -> Process:
    """Return the process of one bet that gathers evidence for a mean below the design."""
    against = gro_bet(-lattice.values, least_favourable(lattice.values, law, null), -design)
    best = float(f"{against:.{digits}g}")
    bet = min(best * sampling.mean, _CAP * bet_limit(lattice, design, -1, sampling.least))
    return Process(lattice, design, -1, (recorded(bet),), min_probability=sampling.least)


def worse_of(lattice: Lattice, boundary: float, law: FloatArray, sampling: SamplingPlan) -> Process:
    """Return the nine-bet process that gathers evidence for a mean below the boundary, best under `law`."""
    best = gro_bet(-lattice.values, law, -boundary) * sampling.mean
    bets = bet_mixture(best, bet_limit(lattice, boundary, -1, sampling.least))
    return Process(lattice, boundary, -1, bets, min_probability=sampling.least)


def _ternary_worse(worse_by: float, effect: float, discordance: float, sampling: SamplingPlan) -> Process:
    """Return the worse process of a paired difference of binary outcomes, planned for a loss of worse_by + effect."""
    _tolerated(worse_by)
    mean = _clearly_worse(worse_by, effect)
    law = ternary(mean, min(1.0, max(discordance, 1.25 * abs(mean))))
    return worse_of(TERNARY, -worse_by, law, sampling)


def _score_worse(worse_by: float, effect: float, sd: float, sampling: SamplingPlan) -> Process:
    """Return the worse process of a paired difference of scores."""
    _tolerated(worse_by)
    return worse_of(SCORE_DIFFERENCE, -worse_by, bell(SCORE_DIFFERENCE, _clearly_worse(worse_by, effect), sd), sampling)


def _recorded(law: FloatArray) -> tuple[float, ...]:
    return tuple(round(float(p), 9) for p in law)


def _clearly_worse(worse_by: float, effect: float) -> float:
    """Return the loss that the worse process is planned for: the gate's effect beyond worse_by, and well inside -1."""
    return -min(worse_by + effect, (1 + worse_by) / 2)


def _tolerated(worse_by: float) -> None:
    if not 0 <= worse_by < 1:
        raise ValueError(f"worse_by {worse_by!r}, accepted: in [0, 1)")


def _within(name: str, low: float, first: float, second: float, high: float, *, down: bool = False) -> None:
    """Raise ValueError unless low < null < design < high (down: low < design < null < high), which NaN never is."""
    names = ("design", "null") if down else ("null", "design")
    if not low < first < second < high:
        order = " < ".join((str(low), *names, str(high)))
        raise ValueError(f"{name}: {names[0]} {first!r} and {names[1]} {second!r}, accepted: {order}")
