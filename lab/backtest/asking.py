"""A rater in a backtest: how far it is is told while it is asked, and one that says nothing of use ends the backtest."""

from collections.abc import Callable
from dataclasses import dataclass, field

from dualgate.processors.scoring.waiting import Waiting
from dualgate.schemas.errors import TransientError

LOOK_S = 0.5
HOPELESS = 16
"""Answers all of which are unusable, before the rater is given up: two rounds of the default concurrency, so that one failed
attempt at a time ends nothing, while nobody waits for thousands of them."""


@dataclass(frozen=True, slots=True)
class Heard:
    """How many different answers the rater has been asked about, how many of them have come back, and how many say nothing."""

    asked: int
    rated: int
    unusable: int
    first_reason: str | None = None

    def words(self) -> str:
        """Return it in one line."""
        first = f", the first: {self.first_reason}" if self.unusable else ""
        return f"rater: {self.rated:,} of {self.asked:,} answers rated, {self.unusable:,} ratings unusable{first}"


Hear = Callable[[Heard], None]


@dataclass(slots=True)
class Asking:
    """Waits for a rater in a backtest."""

    hear: Hear = lambda _: None
    look_s: float = LOOK_S
    _asked: set[str] = field(default_factory=set)
    _said: dict[str, str | None] = field(default_factory=dict)
    _first: str | None = None

    def wait(self, waiting: Waiting) -> None:
        """Wait until the rater has spoken or its time is over; TransientError where nothing that it says can be used."""
        self._asked |= waiting.keys()
        while not self._look(waiting):
            waiting.wait(self.look_s)

    def heard(self) -> Heard:
        """Return what was heard up to now."""
        return Heard(len(self._asked), len(self._said), sum(why is not None for why in self._said.values()), self._first)

    def _look(self, waiting: Waiting) -> bool:
        """Take in what was said and tell whether that is all."""
        over = waiting.ready()
        for key, rating in waiting.said().items():
            self._said[key] = rating.reason or "no reason was given" if rating.right is None else None
            self._first = self._first or self._said[key]
        heard = self.heard()
        self.hear(heard)
        if heard.rated >= HOPELESS and heard.unusable == heard.rated:
            raise TransientError(
                f"scoring.rater: all of the first {heard.rated} ratings are unusable, so correctness would have no data. The "
                f"first: {heard.first_reason}. Is it the right address and model, and does it answer as chat completions do?"
            )
        return over
