"""One betting process: a null about a mean, fixed bets against it, and the table of their increments.

Under every law with E[x_i | past] <= null (direction +1; >= null for -1) and bets in [0, 1/(largest loss)) the product
prod(1 + bet * z_i), z_i = direction * (x_i - null) / probability_i, is a nonnegative supermartingale from 1, and so is a
mixture of such products with fixed weights. Ville's inequality bounds the chance that it ever reaches 1/alpha by alpha
(Ville 1939; Waudby-Smith and Ramdas 2024 for bounded means; the weight 1/probability is Horvitz and Thompson's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dualgate.gate.stats.fixed_point import mixture_micro
from dualgate.gate.stats.lattice import MISSING, FloatArray, IntArray, Lattice, exact
from dualgate.gate.stats.tables import IncrementTable


@dataclass(frozen=True)
class Process:
    """A null, the direction of the evidence, and the fixed bets.

    direction +1 gathers evidence that the mean is above `null`, -1 that it is below. weights are integers (relative);
    min_probability is the least sampling probability that an observation may have, in (0, 1].
    """

    lattice: Lattice
    null: float
    direction: int
    bets: tuple[float, ...]
    weights: tuple[int, ...] = ()
    min_probability: float = 1.0

    def __post_init__(self) -> None:
        if self.direction not in (1, -1):
            raise ValueError(f"direction {self.direction!r}, accepted: 1, -1")
        if not (math.isfinite(self.null) and self.lattice.low < self.null < self.lattice.high):
            raise ValueError(f"null {self.null!r}, accepted: inside ({self.lattice.low}, {self.lattice.high})")
        if not 0 < self.min_probability <= 1:
            raise ValueError(f"min_probability {self.min_probability!r}, accepted: in (0, 1]")
        if not self.bets:
            raise ValueError("bets are empty, accepted: at least one")
        for bet in self.bets:
            if not (math.isfinite(bet) and 0 < bet < self.bet_limit):
                raise ValueError(
                    f"bet {bet!r}, accepted: in (0, {self.bet_limit:.6g}), the least sampling probability over the largest loss"
                )
        if not self.weights:
            object.__setattr__(self, "weights", (1,) * len(self.bets))
        if len(self.weights) != len(self.bets) or any(type(w) is not int or w <= 0 for w in self.weights):
            raise ValueError(f"weights {self.weights!r}, accepted: {len(self.bets)} positive integers")

    @property
    def bet_limit(self) -> float:
        """The bet at which the worst observation would lose everything: min_probability / largest loss."""
        return bet_limit(self.lattice, self.null, self.direction, self.min_probability)

    def zeros(self) -> tuple[int, ...]:
        """Return the evidence before any observation, in nano-nats, one integer a bet."""
        return (0,) * len(self.bets)

    def increments(self, code: int, thousandths: int) -> tuple[int, ...]:
        """Return what one observation adds to each bet's sum; nothing where it is MISSING."""
        if code == MISSING:
            return self.zeros()
        return tuple(int(entry) for entry in _table(self).entries(np.array([code]), thousandths)[0][:, code])

    def entries(self, codes: IntArray, thousandths: int) -> tuple[IntArray, FloatArray]:
        """Return increments (nano-nats) and their exponentials at one probability, shape (bets, values + 1), to `take` from.

        Entries of other codes may not be filled in; the last column, which MISSING reads, adds nothing. Not to be written to.
        """
        return _table(self).entries(codes, thousandths)

    def increments_many(self, codes: IntArray, thousandths: IntArray) -> IntArray:
        """Return what each observation of a block adds, shape (bets, n), nano-nats."""
        return _table(self).gather(codes, thousandths)

    def factors_many(self, codes: IntArray, thousandths: IntArray) -> FloatArray:
        """Return exp of the increments of a block, shape (bets, n), each correct to a float's last place."""
        return _table(self).gather_factors(codes, thousandths)

    def log_e_micro(self, sums: tuple[int, ...]) -> int:
        """Return the mixture's log e-value in micro-nats, floored."""
        return int(mixture_micro(np.array(sums, dtype=np.int64)[:, None], self.weights)[0])

    def to_json(self) -> dict[str, Any]:
        """Return the process as JSON values."""
        return {
            "lattice": self.lattice.to_json(),
            "null": self.null,
            "direction": self.direction,
            "bets": list(self.bets),
            "weights": list(self.weights),
            "min_probability": self.min_probability,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Process:
        """Return the process that to_json wrote."""
        return cls(
            Lattice.from_json(data["lattice"]),
            data["null"],
            data["direction"],
            tuple(data["bets"]),
            tuple(data["weights"]),
            data["min_probability"],
        )


def bet_limit(lattice: Lattice, null: float, direction: int, min_probability: float = 1.0) -> float:
    """Return min_probability / largest loss: bets must stay below it."""
    bound = lattice.low if direction == 1 else lattice.high
    return min_probability / float(abs(exact(null) - exact(bound)))


@lru_cache(maxsize=1024)
def _table(process: Process) -> IncrementTable:
    """Return the table of a process: a cache of a pure function, never stored."""
    return IncrementTable(process.lattice, process.null, process.direction, process.bets, process.min_probability)
