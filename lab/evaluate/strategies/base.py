"""What a strategy is: it plays a `Traffic` to its end by its rules, and says how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from dualgate.lab.evaluate.traffic import Traffic

Verdict = Literal["promoted", "stopped", "open"]
"""Every user is on the challenger for good; the challenger was turned away; neither (users stay where they are)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a strategy ended.

    decided_ms is when it made up its mind (for a staged rollout: that the first user may come); pairs is how many scored
    units that took; claims_worse says whether a stop claims harm, where a strategy tells that from "not good enough";
    decided: per dimension the unit at which its own condition first held.
    """

    verdict: Verdict
    reason: str
    decided_ms: int | None
    pairs: int | None = None
    claims_worse: bool = True
    decided: Mapping[str, int] = field(default_factory=dict)


class Strategy(Protocol):
    """A strategy by name, with where its rule is published and with what settings it stands here."""

    @property
    def name(self) -> str:
        """Return the name."""
        ...

    @property
    def source(self) -> str:
        """Return where the rule is from."""
        ...

    @property
    def settings(self) -> str:
        """Return the settings, in words."""
        ...

    def run(self, traffic: Traffic) -> Ended:
        """Play the traffic to its end."""
        ...


def finish(traffic: Traffic, share: float) -> None:
    """Play on to the end of the stream with a share that no longer changes."""
    traffic.serve(float("inf"), share)
