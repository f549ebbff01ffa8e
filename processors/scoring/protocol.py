"""What a scorer is: a name, a version and a function from pairs to scores; third parties add theirs by entry point."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from dualgate.processors.scoring.context import ScoringContext
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import Pair, ScoreState

ENTRY_POINTS = "dualgate.scorers"
"""Group of entry points; each names a function without arguments that returns a scorer."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one dimension says of one pair, a value an arm.

    Scored: the challenger has a value, the incumbent has one unless the dimension knows none (a level). Missing: an arm that
    has a value keeps it, so the incumbent's value alone means that only the challenger has none.
    """

    incumbent: float | None
    challenger: float | None
    state: ScoreState = "scored"
    reason: str | None = None
    source: str | None = None
    rater_version: str | None = None
    label_probability: float | None = None
    label_drawn: bool | None = None


def missing(reason: str, incumbent: float | None = None, challenger: float | None = None, source: str | None = None) -> Score:
    """Return a score that is absent, with the values of the arms that do have one."""
    return Score(incumbent, challenger, "missing", reason, source)


def not_eligible(reason: str) -> Score:
    """Return a score for a pair that the dimension does not ask about."""
    return Score(None, None, "not_eligible", reason)


Columns = Mapping[str, Sequence[Score]]
"""Scores by column (``safety``, ``safety.authorization``), one a pair, in the order of the pairs."""


class Scorer(Protocol):
    """One dimension, or one with its classes.

    `score` is deterministic; what it raises becomes *missing with a reason* for the pair that makes it raise.
    """

    @property
    def name(self) -> str:
        """Return the dimension."""
        ...

    @property
    def version(self) -> str:
        """Return the version, which changes whenever a value can."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """Return the names of the columns that `score` returns."""
        ...

    def score(self, pairs: Sequence[Pair], context: ScoringContext, earlier: Columns) -> Columns:
        """Return the scores of a batch by column; `earlier` holds those of the dimensions before this one."""
        ...


def third_party_scorers(name: str) -> dict[str, Callable[[], Scorer]]:
    """Return the scorers that installed distributions offer by a name; ConfigError where one cannot be loaded, or two do."""
    found: dict[str, Callable[[], Scorer]] = {}
    for point in entry_points(group=ENTRY_POINTS, name=name):
        if point.name in found:
            raise ConfigError(f"scorer {name} is offered twice, by {point.value} too; uninstall one of the distributions")
        try:
            found[point.name] = point.load()
        except Exception as error:  # a foreign module may raise anything while it is imported
            raise ConfigError(f"scorer {point.name} ({point.value}): {type(error).__name__}: {error}") from error
    return found
