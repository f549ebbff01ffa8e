"""What the rater's e-process is made for and what it remembers: sums, and the pairs whose labels are still awaited."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from dualgate.gate.stats.fixed_point import MICRO, NANO, exp_minus, probability_thousandths

VERSION = 1
NANO_PER_MICRO = NANO // MICRO


@dataclass(frozen=True, slots=True)
class RaterSpec:
    """What is tested: direction +1 for "mean above null", -1 for "below"; shift is the planned distance from the null.

    discordance: planned P(the arms differ), which sets the bet of the first round. least_probability: of drawing a label.
    """

    null: float
    shift: float
    direction: int = 1
    discordance: float = 0.15
    least_probability: float = 0.1
    round_size: int = 200
    max_open_rounds: int = 8

    def __post_init__(self) -> None:
        if self.direction not in (1, -1):
            raise ValueError(f"direction {self.direction!r}, accepted: 1, -1")
        if not -1.0 < self.null < 1.0:
            raise ValueError(f"null {self.null!r}, accepted: inside (-1, 1)")
        for name in ("shift", "discordance"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name} {getattr(self, name)!r}, accepted: in (0, 1]")
        if self.round_size < 1 or self.max_open_rounds < 1:
            raise ValueError(f"round_size {self.round_size} and max_open_rounds {self.max_open_rounds}, accepted: at least 1")
        probability_thousandths(self.least_probability)

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RaterSpec:
        """Return the spec that to_json wrote. ValueError on another version."""
        if data.get("version") != VERSION:
            raise ValueError(f"rater version {data.get('version')!r}, accepted: {VERSION}")
        return cls(**{name: value for name, value in data.items() if name != "version"})


@dataclass(frozen=True, slots=True)
class DrawnPair:
    """A pair whose labels were asked for: what the rater said, with what probability it was drawn, and what has come."""

    query_hash: str
    rater: int
    thousandths: int
    drawn_at_ms: int
    incumbent: int | None = None
    challenger: int | None = None

    @property
    def label(self) -> int | None:
        """Y, challenger minus incumbent, or None until both verdicts are in."""
        return None if self.incumbent is None or self.challenger is None else self.challenger - self.incumbent


@dataclass(frozen=True, slots=True)
class Round:
    """One round of pairs of one rater version: counts of the pairs not drawn by rater value -1, 0, 1, and the drawn ones."""

    rater_version: str
    undrawn: tuple[int, int, int] = (0, 0, 0)
    drawn: tuple[DrawnPair, ...] = ()
    closed: bool = False

    @property
    def size(self) -> int:
        """Pairs in the round."""
        return sum(self.undrawn) + len(self.drawn)

    @property
    def ready(self) -> bool:
        """Whether it may be applied: closed, with all of its labels."""
        return self.closed and all(pair.label is not None for pair in self.drawn)


@dataclass(frozen=True, slots=True)
class RaterState:
    """The evidence in nano-nats (one process), sums of the past that fix eta and the bet, and the open rounds."""

    log_e_nano: int = 0
    best_micro: int = 0
    n: int = 0
    n_labels: int = 0
    sum_squares: int = 0
    rater_version: str = ""
    sum_yr: int = 0
    sum_rr: int = 0
    rounds: tuple[Round, ...] = field(default=())
    n_refused: int = 0
    n_unknown_labels: int = 0

    @property
    def log_e(self) -> float:
        """The current log e-value, floored to 1e-6."""
        return self.log_e_nano // NANO_PER_MICRO / MICRO

    @property
    def p_value(self) -> float:
        """The anytime p-value, 1 / (greatest e-value so far), at most 1."""
        return exp_minus(self.best_micro)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        rounds = [
            [r.rater_version, list(r.undrawn), r.closed, [[getattr(p, name) for name in _PAIR] for p in r.drawn]]
            for r in self.rounds
        ]
        return {"version": VERSION, **plain, "rounds": rounds}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RaterState:
        """Return the state that to_json wrote. ValueError on another version."""
        if data.get("version") != VERSION:
            raise ValueError(f"rater state version {data.get('version')!r}, accepted: {VERSION}")
        rounds = tuple(
            Round(name, (undrawn[0], undrawn[1], undrawn[2]), tuple(DrawnPair(*pair) for pair in drawn), closed)
            for name, undrawn, closed, drawn in data["rounds"]
        )
        return cls(rounds=rounds, **{name: data[name] for name in _PLAIN})


_PLAIN = tuple(name for name in RaterState.__dataclass_fields__ if name != "rounds")
_PAIR = tuple(DrawnPair.__dataclass_fields__)
