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
        self._integers: dict[int, IntArray] = {}
        self._factors: dict[int, FloatArray] = {}
        self._known: dict[int, set[int]] = {}

    def column(self, code: int, thousandths: int) -> IntArray:
        """Return the increments of one observation, shape (bets,)."""
        self._fill(np.array([code]), thousandths)
        return self._integers[thousandths][:, code]

    def gather(self, codes: IntArray, thousandths: IntArray) -> IntArray:
        """Return the increments of a block, shape (bets, n)."""
        out = np.empty((len(self._bets), len(codes)), dtype=np.int64)
        for value, here in self._groups(codes, thousandths):
            out[:, here] = self._integers[value].take(codes[here], axis=1)
        return out

    def total(self, codes: IntArray, thousandths: IntArray) -> IntArray:
        """Return the sum of the increments of a block, shape (bets,)."""
        out = np.zeros(len(self._bets), dtype=np.int64)
        for value, here in self._groups(codes, thousandths):
            times = np.bincount(codes[here] + 1, minlength=self._lattice.size + 1)[1:]
            out += self._integers[value][:, :-1] @ times
        return out

    def moving(self, codes: IntArray, thousandths: IntArray) -> BoolArray:
        """Return which observations of a block change any sum: not the missing ones, nor those on the null."""
        out = np.zeros(len(codes), dtype=bool)
        for value, here in self._groups(codes, thousandths):
            out[here] = self._integers[value].any(axis=0).take(codes[here])
        return out

    def gather_factors(self, codes: IntArray, thousandths: IntArray) -> FloatArray:
        """Return the exponentials of the increments of a block, shape (bets, n)."""
        groups = self._groups(codes, thousandths)
        if len(groups) == 1:
            return self._factors[groups[0][0]].take(codes, axis=1)
        out = np.empty((len(self._bets), len(codes)))
        for value, here in groups:
            out[:, here] = self._factors[value].take(codes[here], axis=1)
        return out

    def _groups(self, codes: IntArray, thousandths: IntArray) -> list[tuple[int, slice | IntArray]]:
        """Return each probability of a block with the pairs that have it, their entries filled in."""
        groups: list[tuple[int, slice | IntArray]]
        if not len(codes):
            groups = []
        elif (thousandths == thousandths[0]).all():
            groups = [(int(thousandths[0]), slice(None))]
        else:
            groups = [(int(value), np.flatnonzero(thousandths == value)) for value in np.unique(thousandths)]
        for value, here in groups:
            self._fill(codes[here], value)
        return groups

    def _fill(self, codes: IntArray, thousandths: int) -> None:
        if thousandths not in self._integers:
            shape = (len(self._bets), self._lattice.size + 1)
            self._integers[thousandths], self._factors[thousandths] = np.zeros(shape, dtype=np.int64), np.ones(shape)
            self._known[thousandths] = set()
        known = self._known[thousandths]
        if len(known) == self._lattice.size:
            return
        for code in np.flatnonzero(np.bincount(codes + 1)[1:]):
            if int(code) not in known:
                self._enter(int(code), thousandths)
                known.add(int(code))

    def _enter(self, code: int, thousandths: int) -> None:
        if not self._floor <= thousandths <= _FULL:
            raise ValueError(
                f"sampling probability {thousandths / _FULL}, accepted: {self._floor / _FULL} to 1 "
                f"(the bets were fixed for a least probability of {self._min_probability})"
            )
        excess = self._direction * excess_over(self._lattice.value(code), self._null, thousandths)
        integers = [increment(bet, excess) for bet in self._bets]
        self._integers[thousandths][:, code] = integers
        self._factors[thousandths][:, code] = [math.exp(i / NANO) for i in integers]
