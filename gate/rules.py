"""The rules of each phase, evaluated after every row: which fires first, and what is still being waited for.

Automation may only lower the challenger's share or follow the configured steps on a positive verdict. Every condition of a step
upwards is listed in `conditions`; a missing one can only hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dualgate.gate.phases import CALIBRATING, SHADOW, Phase, following, is_live, phase_named
from dualgate.gate.rows import BoolArray
from dualgate.gate.segment import Segment
from dualgate.gate.stats import alarm_path, gate_path
from dualgate.gate.stats.lattice import IntArray
from dualgate.gate.policy import DEGRADATION

MIN_LIVE_ANSWERS = 50
"""Live answers before their latency may hold a step: fewer say little about a rate of a percent."""

RETURN_PAIRS = 20
"""Pairs after a silence until the challenger re-enters: enough to see that the evidence flows again."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fires after row `index` of a segment; `detail` names the dimension or monitor at fault."""

    index: int
    rule: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a step upwards, as a path; `words` say it with both numbers as of the last row."""

    name: str
    holds: BoolArray
    words: str


def first_hit(segment: Segment) -> Hit | None:
    """Return the rule that fires at the earliest row; among those of one row the first in the order of `rules`."""
    hits = [(int(np.argmax(path)), i) for i, (_, path) in enumerate(found := list(rules(segment))) if path.any()]
    if not hits:
        return None
    index, number = min(hits)
    rule = found[number][0]
    return Hit(index, rule, _detail(segment, rule, index))


def rules(segment: Segment) -> Iterator[tuple[str, BoolArray]]:
    """Yield the rules of the phase with where they hold, most urgent first."""
    phase, policy, state = segment.phase, segment.policy, segment.state
    if phase == CALIBRATING:
        yield "worse", worse(segment)
        yield "calibrated", segment.n_pairs >= state.numbers.calibrating
    elif phase == SHADOW:
        counting, passed = segment.n_pairs - state.numbers.n_calibrated, accepted(segment)
        yield "worse", worse(segment)
        yield "accepted", advance(segment)
        yield "futile", segment.futile.any(axis=0) & ~passed & (counting > 0)
        yield "max_pairs", (counting >= state.numbers.max_pairs) & ~passed
    elif is_live(phase):
        yield "worse", worse(segment)
        yield "alarm", np.logical_or.reduce(list(segment.alarms.values())) if segment.alarms else np.zeros(len(segment), bool)
        if state.position.retreated:
            yield "data_returned", state.position.returned + np.cumsum(segment.counted) >= RETURN_PAIRS
        else:
            step = "completed" if following(policy.rungs, phase).name == "COMPLETED" else "step"
            yield step, advance(segment)


def worse(segment: Segment) -> BoolArray:
    """Return where the degradation processes say that the challenger is worse than tolerated."""
    errors = segment.policy.spec.errors
    if not len(segment.log_e_worse):
        return np.zeros(len(segment), dtype=bool)
    return alarm_path(segment.log_e_worse, errors.rollback * DEGRADATION, errors.alarms)


def accepted(segment: Segment) -> BoolArray:
    """Return where the gate accepts every dimension that is on, by the current evidence."""
    errors = segment.policy.spec.errors
    return gate_path(segment.log_e_accept, errors.promote, errors.gate, errors.miss, errors.boundary)


def advance(segment: Segment) -> BoolArray:
    """Return where every condition of the next step upwards holds."""
    return np.logical_and.reduce([condition.holds for condition in conditions(segment)])


def conditions(segment: Segment) -> list[Condition]:
    """Return what the next step upwards needs, in words with both numbers."""
    found = list(_evidence_conditions(segment))
    found += _coverage(segment)
    found += _holds(segment)
    found += _approval(segment)
    return found


def _evidence_conditions(segment: Segment) -> Iterator[Condition]:
    state, rung = segment.state, phase_named(segment.policy.rungs, segment.phase)
    if segment.phase == SHADOW:
        counting = segment.n_pairs - state.numbers.n_calibrated
        yield _at_least("min_pairs", counting, state.numbers.min_pairs, "pairs")
        passed = accepted(segment)
        missing = [name for name, ok in zip(segment.policy.on, segment.claimed[:, -1], strict=True) if not ok]
        yield Condition("accepted", passed, f"evidence for {', '.join(missing) or 'all dimensions'}")
    else:
        yield _at_least("observations", segment.observations, rung.observations, "observations")
    lasted = segment.duration_ms
    words = f"{duration(int(lasted[-1]))} of {duration(rung.min_duration_ms)} of evidence"
    yield Condition("min_duration", lasted >= rung.min_duration_ms, words)


def _at_least(name: str, counts: IntArray, needed: int, what: str) -> Condition:
    return Condition(name, counts >= needed, f"{int(counts[-1]):,} of {needed:,} {what}")


def _coverage(segment: Segment) -> Iterator[Condition]:
    floor = segment.policy.spec.missing.coverage_floor
    for name in segment.policy.on:
        scored, eligible = segment.covered(name)
        share = f"{int(scored[-1])}/{int(eligible[-1])}"
        words = f"coverage of {name} {share} ≥ {floor:g}" if eligible[-1] else f"a scored pair of {name}"
        yield Condition("coverage", (scored > 0) & (scored >= floor * eligible), words)


def _holds(segment: Segment) -> Iterator[Condition]:
    position, n = segment.state.position, len(segment)
    if position.paused:
        yield Condition("resume", np.zeros(n, dtype=bool), "an operator's resume (paused)")
    if position.held:
        yield Condition("retry", np.zeros(n, dtype=bool), f"an operator's retry ({position.held})")
    if is_live(segment.phase):
        yield from _budgets(segment)
        yield from _live_latency(segment)


def _budgets(segment: Segment) -> Iterator[Condition]:
    planned = phase_named(segment.policy.rungs, segment.phase).observations
    for name in segment.policy.on:
        share = getattr(segment.policy.spec.error_budget, name)
        if share is not None:
            net, allowed = segment.net_bad(name), share * planned
            words = f"the error budget of {name}: {int(net[-1])} net extra bad answers ≤ {allowed:g}"
            yield Condition("error_budget", net <= allowed, words)


def _live_latency(segment: Segment) -> Iterator[Condition]:
    latency = segment.policy.spec.dimensions.latency
    if latency is None or latency.measure != "exceedance":
        return
    answers, over = segment.live_latency
    fine = (answers < MIN_LIVE_ANSWERS) | (over <= latency.null * answers)
    words = f"live answers over the SLA, queueing included: {int(over[-1])}/{int(answers[-1])} ≤ {latency.null:g}"
    yield Condition("live_latency", fine, words)


def _approval(segment: Segment) -> Iterator[Condition]:
    if needs_approval(segment) and not segment.state.position.approved:
        step: Phase = following(segment.policy.rungs, segment.phase)
        yield Condition("approve", np.zeros(len(segment), dtype=bool), f"an operator's approve for {step.name}")


def needs_approval(segment: Segment) -> bool:
    """Tell whether the next step upwards waits for an operator: by the file, or because a dimension is off."""
    step = following(segment.policy.rungs, segment.phase)
    asked = step.share in segment.policy.spec.phases.rollout.approval and step.name != "COMPLETED"
    return asked or (segment.phase == SHADOW and segment.policy.some_off)


def unmet(segment: Segment) -> list[Condition]:
    """Return the conditions that do not hold after the last row."""
    return [condition for condition in conditions(segment) if not condition.holds[-1]]


def _detail(segment: Segment, rule: str, index: int) -> str:
    if rule == "alarm":
        return next(name for name, path in segment.alarms.items() if path[index])
    if rule == "worse":
        tested = [s.dimension for s in segment.state.specs if s.worse is not None]
        return tested[int(np.argmax(segment.log_e_worse[:, index]))]
    if rule == "futile":
        return segment.state.specs[int(np.argmax(segment.futile[:, index]))].name
    return ""



def duration(ms: int) -> str:
    """Return a duration for people: the two greatest units."""
    seconds, parts = ms // 1000, []
    for name, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if seconds >= size or (name == "s" and not parts):
            parts.append(f"{seconds // size}{name}")
            seconds %= size
    return " ".join(parts[:2])
