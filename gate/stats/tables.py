"""Increments of one process by value and sampling probability, filled entry by entry on first use."""

from __future__ import annotations

import math

import numpy as np

from dualgate.gate.stats.fixed_point import NANO, excess_over, increment
from dualgate.gate.stats.lattice import BoolArray, FloatArray, IntArray, Lattice

_FULL = 1000  # thousandths: sampled with certainty


class IncrementTable:
    """A cache of a pure function of (position, probability): integers, and their exponentials for running mixtures.

    The last column of each table, which MISSING (-1) reads, adds nothing.
    """

    def __init__(self, lattice: Lattice, null: float, direction: int, bets: tuple[float, ...], min_probability: float) -> None:
        self._lattice, self._null, self._direction, self._bets = lattice, null, direction, bets
        self._min_probability = min_probability
        self._floor = math.ceil(min_probability * _FULL - 1e-6)
        self._tables: dict[int, tuple[IntArray, FloatArray, BoolArray]] = {}

    def entries(self, codes: IntArray, thousandths: int) -> tuple[IntArray, FloatArray]:
        """Return (increments, their exponentials), shape (bets, values + 1), with the entries of these codes filled in."""
        if thousandths not in self._tables:
            shape = (len(self._bets), self._lattice.size + 1)
            known = np.zeros(shape[1], dtype=bool)
            known[-1] = True
            self._tables[thousandths] = np.zeros(shape, dtype=np.int64), np.ones(shape), known
        integers, factors, known = self._tables[thousandths]
        if not known.all() and not known.take(codes).all():
            for code in np.unique(codes[~known.take(codes)]):
                self._enter(int(code), thousandths)
        return integers, factors

    def gather(self, codes: IntArray, thousandths: IntArray) -> IntArray:
        """Return the increments of a block, shape (bets, n)."""
        out = np.empty((len(self._bets), len(codes)), dtype=np.int64)
        for value in np.unique(thousandths):
            here = np.flatnonzero(thousandths == value)
            out[:, here] = self.entries(codes[here], int(value))[0].take(codes[here], axis=1)
        return out

    def gather_factors(self, codes: IntArray, thousandths: IntArray) -> FloatArray:
        """Return the exponentials of the increments of a block, shape (bets, n)."""
        out = np.empty((len(self._bets), len(codes)))
        for value in np.unique(thousandths):
            here = np.flatnonzero(thousandths == value)
            out[:, here] = self.entries(codes[here], int(value))[1].take(codes[here], axis=1)
        return out

    def _enter(self, code: int, thousandths: int) -> None:
        if not self._floor <= thousandths <= _FULL:
            raise ValueError(
                f"sampling probability {thousandths / _FULL}, accepted: {self._floor / _FULL} to 1 "
                f"(the bets were fixed for a least probability of {self._min_probability})"
            )
        integers, factors, known = self._tables[thousandths]
        excess = self._direction * excess_over(self._lattice.value(code), self._null, thousandths)
        integers[:, code] = [increment(bet, excess) for bet in self._bets]
        factors[:, code] = [math.exp(int(i) / NANO) for i in integers[:, code]]
        known[code] = True
