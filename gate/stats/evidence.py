"""The running log e-values of one process over a block.

Sums are 64-bit in a block: an increment is below 40 nat in size for any bet within its cap, so a sum can pass 9.2e18 nano-nats
after 2.3e8 pairs at the very earliest; one that could is refused.

The running mixture is a matrix product of running products of factors exp(increment): one multiplication a bet and pair
where a log-sum-exp takes an exponential. n products of floats are off by at most n last places (4,096 x 2.2e-16 in a piece), far
inside the doubt of 1e-11 nat within which a floor is settled with decimals, so it is the same floor. Where a product leaves
[e**-150, e**150] the piece is computed by log-sum-exp; a bet that begins e**450 below the best then stays e**150 below it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dualgate.gate.stats.fixed_point import NANO, floor_micro, mixture_micro

if TYPE_CHECKING:
    from dualgate.gate.stats.lattice import FloatArray, IntArray
    from dualgate.gate.stats.process import Process

_INT64 = 2**63 - 1
_LARGEST = 40 * NANO  # a factor of at least 2**-53 (the float next to a lost bet) is above -37 nat
_PIECE = 4096
_FAR, _REACH = -450.0, math.exp(150)


def same_probability(thousandths: IntArray) -> int | None:
    """Return the one sampling probability of a block, None where there are several or no pair."""
    return int(thousandths[0]) if len(thousandths) and (thousandths == thousandths[0]).all() else None


class EvidencePath:
    """The evidence of a process from its sums `start` over the pairs of a block; computed when first asked for."""

    def __init__(
        self, process: Process, start: Sequence[int], codes: IntArray, thousandths: IntArray, same: int | None = None
    ) -> None:
        reach = max(abs(s) for s in start) + _LARGEST * len(codes)
        if reach > _INT64:
            raise ValueError(f"evidence of {len(codes)} pairs could reach {reach} nano-nats, accepted: at most {_INT64}")
        self._process, self._start, self._codes, self._thousandths = process, tuple(start), codes, thousandths
        self._same = same

    def sums_after(self, n_pairs: int) -> tuple[int, ...]:
        """Return each bet's sum after the first n_pairs pairs, nano-nats."""
        if n_pairs == 0:
            return self._start
        if self._entries is None:
            added = self._steps[:, :n_pairs].sum(axis=1)
        else:
            integers = self._entries[0]
            added = integers[:, :-1] @ np.bincount(self._codes[:n_pairs] + 1, minlength=integers.shape[1])[1:]
        return tuple(s + a for s, a in zip(self._start, added.tolist(), strict=True))

    @cached_property
    def micro(self) -> IntArray:
        """The mixture's log e-value after each pair, micro-nats, floored; pairs that change nothing are not computed again."""
        if self._entries is None:
            return self._all
        moving = self._entries[0].any(axis=0).take(self._codes)
        if 3 * np.count_nonzero(moving) > 2 * len(moving):
            return self._all
        inner = EvidencePath(self._process, self._start, self._codes[moving], self._thousandths[moving], self._same)
        return np.append(self._process.log_e_micro(self._start), inner._all)[np.cumsum(moving)]

    @cached_property
    def _all(self) -> IntArray:
        n = len(self._codes)
        if len(self._start) == 1 or n == 0:
            return mixture_micro(self._sums(0, n), self._process.weights)
        return np.concatenate([self._piece(start, min(start + _PIECE, n)) for start in range(0, n, _PIECE)])

    @cached_property
    def _entries(self) -> tuple[IntArray, FloatArray] | None:
        return None if self._same is None else self._process.entries(self._codes, self._same)

    @cached_property
    def _steps(self) -> IntArray:
        if self._entries is not None:
            return self._entries[0].take(self._codes, axis=1)
        return self._process.increments_many(self._codes, self._thousandths)

    def _sums(self, start: int, stop: int) -> IntArray:
        """Return the running sums of the pairs start..stop - 1, shape (bets, n)."""
        steps = self._steps[:, start:stop].copy()
        if steps.shape[1]:
            steps[:, 0] += np.array(self.sums_after(start), dtype=np.int64)
        return np.asarray(np.cumsum(steps, axis=1, out=steps))

    def _piece(self, start: int, stop: int) -> IntArray:
        weights = self._process.weights
        before = self.sums_after(start)
        top, total = max(before), sum(weights)
        distance = [(s - top) / NANO for s in before]
        share = np.array([w * math.exp(d) / total if d > _FAR else 0.0 for w, d in zip(weights, distance, strict=True)])
        products = self._products(start, stop)
        if not 1 / _REACH < products.min() <= products.max() < _REACH:
            return mixture_micro(self._sums(start, stop), weights)
        return floor_micro(top, share @ products, lambda: self._sums(start, stop), weights)

    def _products(self, start: int, stop: int) -> FloatArray:
        codes = self._codes[start:stop]
        if self._entries is not None:
            factors = self._entries[1].take(codes, axis=1)
        else:
            factors = self._process.factors_many(codes, self._thousandths[start:stop])
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.cumprod(factors, axis=1, out=factors))
