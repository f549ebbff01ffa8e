"""The verdict and the dimensions in words, each with its numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dualgate.schemas.dimensions import DIMENSIONS, Correctness, Latency, Part, Safety, Semantic
from dualgate.schemas.migration import MigrationSpec
from dualgate.schemas.records import DimensionEvidence
from dualgate.sinks.report.story import Story
from dualgate.sinks.report.summary import verdict_of


@dataclass(frozen=True, slots=True)
class Measure:
    """How a dimension is told: what it measures, how a value is written, and the marks on its scale."""

    title: str
    words: str
    write: Callable[[float], str]
    marks: Mapping[str, float]
    better: str
    ticks: str = ".1%"

    def mark(self, name: str) -> str:
        """Return a mark of the scale in words: the boundary, or what the plan was made for."""
        value = self.write(self.marks[name])
        side = "above" if self.better == "higher" else "below"
        return f"must be {side} {value}" if name == "null" else f"planned for {value}"


def points(value: float) -> str:
    """Write a difference of shares in percentage points, none beyond what a difference can be.

    Few observations, weighed by their sampling or corrected by few labels, have an interval that is wider than that.
    """
    return f"{100 * possible(value):+.1f} points" if value else "0 points"


def possible(value: float) -> float:
    """Return a bound of a share, a level or a difference of two, no further out than these can be: -1 to 1."""
    return min(1.0, max(-1.0, value))


def share(value: float) -> str:
    """Write a share in per cent."""
    return f"{100 * value:.2f} %"


def level(value: float) -> str:
    """Write an agreement between 0 and 1."""
    return f"{value:.3f}"


def unit_words(spec: MigrationSpec) -> str:
    """Return what one unit of evidence is, in the plural."""
    return _UNITS[spec.unit.by]


_UNITS = {
    "query": "pairs",
    "first": "first turns of sessions",
    "drawn": "drawn turns of sessions",
    "session": "sessions",
}


def measure_of(spec: MigrationSpec, name: str) -> Measure | None:
    """Return how a dimension is told; None where it is off."""
    part = getattr(spec.dimensions, name)
    return None if part is None else _MEASURES[name](part)


def _marks(part: Part) -> dict[str, float]:
    return {name: getattr(part, name) for name in ("null", "design")}


def _correctness(part: Correctness) -> Measure:
    return Measure("Correctness", "share of right answers, challenger minus incumbent", points, _marks(part), "higher")


def _latency(part: Latency) -> Measure:
    if part.measure == "relative":
        words = f"evidence a pair that the challenger is less than {part.margin:.0%} slower (0: by just that)"
        return Measure("Latency", words, level, {}, "higher", ".3f")
    return Measure("Latency", f"share of the challenger's answers over {part.sla_ms:g} ms", share, _marks(part), "lower")


def _semantic(part: Semantic) -> Measure:
    if part.measure == "difference":
        words = "agreement with the incumbent, minus that of the incumbent's own re-run"
        return Measure("Semantic equivalence", words, points, _marks(part), "higher")
    return Measure("Semantic equivalence", "agreement with the incumbent's answer (0 to 1)", level, _marks(part), "higher", ".2f")


def _safety(part: Safety) -> Measure:
    if part.measure == "difference":
        return Measure("Safety", "share of violations, challenger minus incumbent", points, _marks(part), "lower")
    return Measure("Safety", "share of the challenger's answers with a violation", share, _marks(part), "lower")


_MEASURES: Mapping[str, Callable[..., Measure]] = {
    "correctness": _correctness,
    "latency": _latency,
    "semantic": _semantic,
    "safety": _safety,
}


def sentence(story: Story) -> str:
    """Return the verdict as one or two sentences with their numbers."""
    spec, verdict = story.config.spec, verdict_of(story.phase)
    told = _TELL[verdict](story, spec.challenger, spec.incumbent)
    off = [name for name in DIMENSIONS if name not in spec.dimensions.on]
    warning = f" Not measured at all: {', '.join(off)} (off in the migration file)." if off else ""
    return told + warning


def _after(story: Story) -> str:
    decision = story.decision
    n = story.seen_pairs if decision is None else decision.n_pairs
    if story.config.spec.unit.by == "query":
        return f"after {n:,} of {story.total_pairs:,} pairs"
    return f"after {n:,} {unit_words(story.config.spec)} (of {story.total_pairs:,} pairs in the log)"


def _why(story: Story) -> str:
    decision = story.decision
    return "" if decision is None else f": {decision.reason}"


def _accepted(story: Story, challenger: str, incumbent: str) -> str:
    names = [name for name, each in story.evidence.items() if each.status == "accepted"]
    return f"{challenger} is good enough to replace {incumbent}: {_and(names)} accepted {_after(story)}."


def _completed(story: Story, challenger: str, incumbent: str) -> str:
    shares = [d.routing_command.live_share for d in story.transitions if d.routing_command and d.routing_command.live_share > 0]
    steps = ", ".join(f"{each:.0%}" for each in dict.fromkeys(shares))
    return f"{_accepted(story, challenger, incumbent)} It then served {steps} of the users and holds the traffic now."


def _promoted(story: Story, challenger: str, incumbent: str) -> str:
    return f"{_accepted(story, challenger, incumbent)} The log ended in {story.phase}, before the rollout did."


def _rejected(story: Story, challenger: str, incumbent: str) -> str:
    kind = "is worse than" if "worse" in story.phase else "will not be shown good enough to replace"
    return f"{challenger} {kind} {incumbent}, told {_after(story)}{_why(story)}. No user saw it."


def _rolled_back(story: Story, challenger: str, incumbent: str) -> str:
    return f"{challenger} was rolled back {_after(story)}{_why(story)}. {incumbent} serves everyone again."


def _aborted(story: Story, challenger: str, incumbent: str) -> str:
    return f"An operator ended the migration to {challenger} {_after(story)}{_why(story)}. {incumbent} serves everyone."


def _inconclusive(story: Story, challenger: str, incumbent: str) -> str:
    return f"The evidence cannot tell whether {challenger} is good enough {_after(story)}{_why(story)}. {incumbent} stays."


def _undecided(story: Story, challenger: str, incumbent: str) -> str:
    accepted = [name for name, each in story.evidence.items() if each.status == "accepted"]
    missing = [name for name in story.config.spec.dimensions.on if name not in accepted]
    done = f"{_and(accepted)} accepted, " if accepted else ""
    waiting = f"{_and(missing)} not decided" if missing else "an operator's approval is awaited"
    return f"Not decided {_after(story)}: {done}{waiting}. {incumbent} serves everyone; no user saw {challenger}."


_TELL: Mapping[str, Callable[[Story, str, str], str]] = {
    "completed": _completed,
    "promoted": _promoted,
    "rejected": _rejected,
    "rolled_back": _rolled_back,
    "aborted": _aborted,
    "inconclusive": _inconclusive,
    "undecided": _undecided,
}


def move_words(from_phase: str | None, to_phase: str | None, rule: str) -> str:
    """Return what a decision did: from phase to phase, or its rule where it stays in one."""
    return f"{from_phase} → {to_phase}" if to_phase and to_phase != from_phase else rule


def told(measure: Measure, evidence: DimensionEvidence) -> str:
    """Return an estimate with its interval, in the dimension's own unit."""
    if evidence.estimate is None:
        return "no data"
    if evidence.interval_low is None or evidence.interval_high is None:
        return measure.write(evidence.estimate)
    low, high = measure.write(evidence.interval_low), measure.write(evidence.interval_high)
    return f"{measure.write(evidence.estimate)} ({low} to {high})"


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "nothing"
