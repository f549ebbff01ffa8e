"""The sequential test of one hypothesis: what is fixed before the first pair, what is remembered, and how a pair changes it.

A dimension has one hypothesis, or several that are intersected (a safety class, the median beside the tail): each has a spec of
its own with the same `dimension`. Acceptance (against a level, a ceiling or the incumbent) and "worse" (always the paired
difference to the incumbent) are separate observations of one pair. Larger is better in every observation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dualgate.gate.stats.fixed_point import MICRO, exp_minus, probability_thousandths
from dualgate.gate.stats.kde import SwapScore
from dualgate.gate.stats.lattice import MISSING
from dualgate.gate.stats.process import Process

VERSION = 1

Counts = tuple[tuple[int, int, int], ...]
"""(position on the lattice, sampling probability in thousandths, how often), sorted."""


@dataclass(frozen=True, slots=True)
class DimensionSpec:
    """One hypothesis, its bets and how its mean is reported; everything in it is recorded, nothing is fitted again.

    accept gathers evidence for "good enough" (mean > null), futility for "below the design", worse for "worse than the
    incumbent". law is the planned law of the accept observation under the design. A mean m of the observation is reported as
    report_offset + report_sign * m (an exceedance is 1 - m). scores, of a relative latency once it is calibrated: the fitted
    scores of acceptance and of worse; before, nothing is observed.
    """

    name: str
    dimension: str
    measure: str
    design: float
    accept: Process
    futility: Process
    worse: Process | None
    report_offset: float = 0.0
    report_sign: int = 1
    law: tuple[float, ...] = ()
    scores: tuple[SwapScore, ...] = ()

    def __post_init__(self) -> None:
        if self.accept.direction != 1 or self.futility.direction != -1:
            raise ValueError(f"{self.name}: accept must bet on a larger mean and futility on a smaller one")
        if self.worse is not None and self.worse.direction != -1:
            raise ValueError(f"{self.name}: worse must bet on a smaller mean")
        if self.accept.lattice != self.futility.lattice:
            raise ValueError(f"{self.name}: accept and futility see the same observation, their lattices must agree")
        if not self.accept.null < self.design:
            raise ValueError(f"{self.name}: null {self.accept.null!r} and design {self.design!r}, accepted: null below design")

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return {
            "version": VERSION,
            "name": self.name,
            "dimension": self.dimension,
            "measure": self.measure,
            "design": self.design,
            "accept": self.accept.to_json(),
            "futility": self.futility.to_json(),
            "worse": self.worse.to_json() if self.worse else None,
            "report_offset": self.report_offset,
            "report_sign": self.report_sign,
            "law": list(self.law),
            "scores": [score.to_json() for score in self.scores],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DimensionSpec:
        """Return the spec that to_json wrote. Raises ValueError for another version."""
        fields = _versioned(data)
        for name in ("accept", "futility", "worse"):
            fields[name] = Process.from_json(fields[name]) if fields[name] else None
        fields["law"] = tuple(fields["law"])
        fields["scores"] = tuple(SwapScore.from_json(score) for score in fields["scores"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class DimensionState:
    """What a hypothesis remembers: sums of evidence (nano-nats, one a bet), records, and histograms; no observation."""

    accept: tuple[int, ...]
    futility: tuple[int, ...]
    worse: tuple[int, ...]
    n_accept: int = 0
    n_worse: int = 0
    n_calibration: int = 0
    best_accept: int = 0
    best_worse: int = 0
    accept_counts: Counts = ()
    worse_counts: Counts = ()
    calibration_counts: Counts = ()

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values: integers only."""
        sums = {name: list(getattr(self, name)) for name in ("accept", "futility", "worse")}
        records = {name: getattr(self, name) for name in ("n_accept", "n_worse", "n_calibration", "best_accept", "best_worse")}
        counts = {
            name: [list(c) for c in getattr(self, name)] for name in ("accept_counts", "worse_counts", "calibration_counts")
        }
        return {"version": VERSION, **sums, **records, **counts}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DimensionState:
        """Return the state that to_json wrote. Raises ValueError for another version."""
        fields = _versioned(data)
        for name in ("accept", "futility", "worse"):
            fields[name] = tuple(fields[name])
        for name in ("accept_counts", "worse_counts", "calibration_counts"):
            fields[name] = tuple((c[0], c[1], c[2]) for c in fields[name])
        return cls(**fields)


def _versioned(data: dict[str, Any]) -> dict[str, Any]:
    if data.get("version") != VERSION:
        raise ValueError(f"snapshot version {data.get('version')!r}, accepted: {VERSION}")
    return {name: value for name, value in data.items() if name != "version"}


def initial(spec: DimensionSpec) -> DimensionState:
    """Return the state before the first pair."""
    return DimensionState(spec.accept.zeros(), spec.futility.zeros(), spec.worse.zeros() if spec.worse else ())


def update(
    spec: DimensionSpec,
    state: DimensionState,
    accept_value: float | None,
    worse_value: float | None,
    probability: float = 1.0,
    *,
    counted: bool = True,
) -> DimensionState:
    """Return the state after one pair.

    None is no observation. A pair that is not counted (calibrating) feeds the worse process, and its accept value only the
    histogram that the bets are fixed from. Raises ValueError for a value off its lattice or a probability out of range.
    """
    thousandths = probability_thousandths(probability)
    code = spec.accept.lattice.encode(accept_value)
    paired = MISSING if spec.worse is None else spec.worse.lattice.encode(worse_value)
    if counted:
        state = _accept(spec, state, code, thousandths)
    elif code != MISSING:
        counts = add_counts(state.calibration_counts, {(code, thousandths): 1})
        state = replace(state, n_calibration=state.n_calibration + 1, calibration_counts=counts)
    return _worse(spec, state, paired, thousandths)


def _accept(spec: DimensionSpec, state: DimensionState, code: int, thousandths: int) -> DimensionState:
    if code == MISSING:
        return state
    accept = _plus(state.accept, spec.accept.increments(code, thousandths))
    return replace(
        state,
        accept=accept,
        futility=_plus(state.futility, spec.futility.increments(code, thousandths)),
        n_accept=state.n_accept + 1,
        best_accept=max(state.best_accept, spec.accept.log_e_micro(accept)),
        accept_counts=add_counts(state.accept_counts, {(code, thousandths): 1}),
    )


def _worse(spec: DimensionSpec, state: DimensionState, code: int, thousandths: int) -> DimensionState:
    if code == MISSING or spec.worse is None:
        return state
    worse = _plus(state.worse, spec.worse.increments(code, thousandths))
    return replace(
        state,
        worse=worse,
        n_worse=state.n_worse + 1,
        best_worse=max(state.best_worse, spec.worse.log_e_micro(worse)),
        worse_counts=add_counts(state.worse_counts, {(code, thousandths): 1}),
    )


def _plus(sums: tuple[int, ...], increments: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(s + i for s, i in zip(sums, increments, strict=True))


def add_counts(counts: Counts, more: dict[tuple[int, int], int]) -> Counts:
    """Return a histogram with more observations in it."""
    if not more:
        return counts
    total = {(code, thousandths): n for code, thousandths, n in counts}
    for key, n in more.items():
        total[key] = total.get(key, 0) + n
    return tuple((code, thousandths, n) for (code, thousandths), n in sorted(total.items()))


def log_e_accept(spec: DimensionSpec, state: DimensionState) -> float:
    """Return the current log e-value against "not good enough", floored to 1e-6."""
    return spec.accept.log_e_micro(state.accept) / MICRO


def log_e_futility(spec: DimensionSpec, state: DimensionState) -> float:
    """Return the current log e-value against "as good as the design", floored to 1e-6."""
    return spec.futility.log_e_micro(state.futility) / MICRO


def log_e_worse(spec: DimensionSpec, state: DimensionState) -> float:
    """Return the current log e-value against "not worse than the incumbent", floored to 1e-6; 0 where it is not tested."""
    return spec.worse.log_e_micro(state.worse) / MICRO if spec.worse else 0.0


def p_value(state: DimensionState) -> float:
    """Return the anytime p-value of acceptance, 1 / (greatest e-value so far), at most 1."""
    return exp_minus(state.best_accept)


def p_value_worse(state: DimensionState) -> float:
    """Return the anytime p-value of "worse"."""
    return exp_minus(state.best_worse)
