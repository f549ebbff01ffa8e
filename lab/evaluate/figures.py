"""The figures of a run as the findings ask for them, and what a finding is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dualgate.lab.evaluate.goals import OURS, Told, fixed_samples, measures_of
from dualgate.schemas.migration import MigrationSpec


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim and what became of it; holds: whether it does, None where it is neither a success nor a failure."""

    holds: bool | None
    claim: str
    words: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The measures of a run, asked for by strategy, event and measure; `spec` is the migration file's."""

    told: Told
    spec: MigrationSpec

    def of(self, event: str, measure: str, name: str = OURS) -> Mapping[str, Any] | None:
        """Return a measure, None where the run does not have it."""
        return measures_of(self.told, name, event, measure)

    def value(self, event: str, measure: str, name: str = OURS) -> float:
        """Return an estimate; KeyError where the run does not have it: the finding is then left out."""
        found = self.of(event, measure, name)
        if found is None:
            raise KeyError(f"{name} {event} {measure}")
        return float(found["estimate"])

    def streams(self, event: str, measure: str, name: str = OURS) -> str:
        """Return a share as `k of n`."""
        found = self.of(event, measure, name)
        if found is None:
            raise KeyError(f"{name} {event} {measure}")
        return f"{round(found['estimate'] * found['n'])} of {found['n']}"

    def known(self, events: Iterable[str], measure: str, *names: str) -> list[str]:
        """Return the events for which the run has a measure of all these strategies; KeyError where there is none."""
        found = [event for event in events if all(self.of(event, measure, name) for name in names or (OURS,))]
        if not found:
            raise KeyError(measure)
        return found

    def rivals(self) -> list[str]:
        """Return the names of the strategies that are not this gate's."""
        return [name for name in self.told if not name.startswith(OURS)]

    def slowest(self) -> float:
        """Return the fixed sample of the slowest hypothesis, at the file's errors."""
        return max(fixed_samples(self.spec).values())


def listed(words: Sequence[str]) -> str:
    """Return words in a row: a, b and c."""
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)


def plain(event: str) -> str:
    """Return an event's name in words."""
    return event.replace("_", " ")
