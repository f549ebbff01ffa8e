"""The calibrating and shadow phases of one simulated migration, decided at every pair by the rules of the gate."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dualgate.gate.stats import (
    ALL,
    Block,
    DimensionSpec,
    SamplingPlan,
    Trace,
    alarm_path,
    futility_threshold,
    gate_path,
    initial,
    refit,
    update_many,
    wald_futility,
)


@dataclass(frozen=True, slots=True)
class ShadowPolicy:
    """Levels and lengths of the phases before any user sees the challenger; counts are of sampled pairs."""

    alpha: float
    beta: float
    rollback: float
    gate: str = "holm"
    alarms: str = "holm"
    boundary: str = "ville"
    calibrating: int = 300
    min_pairs: int = 1
    max_pairs: int = 4000
    sampling: SamplingPlan = ALL

    @property
    def degradation(self) -> float:
        """The level of the degradation e-processes together: a quarter of the rollback budget."""
        return self.rollback / 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended, and after how many sampled pairs."""

    verdict: str
    reason: str
    pairs: int


def run_shadow(specs: tuple[DimensionSpec, ...], policy: ShadowPolicy, stream: Iterator[list[Block]], limit: int) -> Outcome:
    """Return the outcome of a migration over a stream of blocks, `undecided` where `limit` pairs bring none.

    Calibrating pairs feed only the degradation processes; the bets of acceptance are fixed from them. At every pair: worse before
    accepted before futile before the horizon.
    """
    states, seen, live = [initial(spec) for spec in specs], 0, specs
    for blocks in stream:
        for part, counted in _split(blocks, policy.calibrating - seen):
            if counted and live is specs and policy.calibrating:
                live = tuple(refit(s, st, sampling=policy.sampling) for s, st in zip(specs, states, strict=True))
            traces = [update_many(s, st, b, counted=counted) for s, st, b in zip(live, states, part, strict=True)]
            found = _first(live, policy, traces, seen, counted)
            if found is not None and found.pairs <= limit:
                return found
            states, seen = [t.final for t in traces], seen + len(part[0])
            if seen >= limit:
                return Outcome("undecided", "the pairs ran out", limit)
    raise ValueError("the stream of pairs ended; accepted: an endless one")


def _split(blocks: list[Block], calibrating: int) -> Iterator[tuple[list[Block], bool]]:
    """Yield the calibrating part of the blocks, then the counted one; none that is empty."""
    n = len(blocks[0])
    cut = min(max(calibrating, 0), n)
    if cut:
        yield [b.part(0, cut) for b in blocks], False
    if cut < n:
        yield [b.part(cut, n) for b in blocks], True


def _first(
    specs: tuple[DimensionSpec, ...], policy: ShadowPolicy, traces: list[Trace], seen: int, counted: bool
) -> Outcome | None:
    """Return the decision at the earliest pair where a rule holds; among rules of one pair the first in order."""
    n = len(traces[0])
    counting = np.arange(seen + 1, seen + n + 1) - policy.calibrating
    worse = alarm_path([t.log_e_worse for s, t in zip(specs, traces, strict=True) if s.worse], policy.degradation, policy.alarms)
    rules = [("rejected", "worse", worse)]
    if counted:
        accept = [
            np.min([t.log_e_accept for s, t in zip(specs, traces, strict=True) if s.dimension == d], axis=0) for d in _dims(specs)
        ]
        passed = gate_path(np.array(accept), policy.alpha, policy.gate, policy.beta, policy.boundary)
        rules += [
            ("promoted", "all accepted", passed & (counting >= policy.min_pairs)),
            ("rejected", "futile", _futile(policy, traces)),
            ("inconclusive", "max_pairs", counting >= policy.max_pairs),
        ]
    hits = [(int(np.argmax(path)), i) for i, (_, _, path) in enumerate(rules) if path.any()]
    if not hits:
        return None
    at, rule = min(hits)
    return Outcome(rules[rule][0], rules[rule][1], seen + at + 1)


def _dims(specs: tuple[DimensionSpec, ...]) -> list[str]:
    return list(dict.fromkeys(s.dimension for s in specs))


def _futile(policy: ShadowPolicy, traces: list[Trace]) -> np.typing.NDArray[np.bool_]:
    if policy.boundary == "wald":
        floor = wald_futility(policy.alpha, policy.beta)
        return np.asarray((np.array([t.log_e_accept for t in traces]) <= floor).any(axis=0))
    threshold = futility_threshold(policy.beta, len(traces))
    return np.asarray((np.array([t.log_e_futility for t in traces]) >= threshold).any(axis=0))
