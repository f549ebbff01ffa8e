"""Many pairs at once: the running evidence after every pair of a block, and the state after any of them.

Rules are evaluated at every pair, so a block's fold is computed as paths; the caller finds the first pair where a condition holds
and takes `state_at` exactly there. `update_many` equals the fold of `update`, at any cut into blocks, because both add the
same
integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dualgate.gate.stats.dimension import Counts, DimensionSpec, DimensionState, add_counts
from dualgate.gate.stats.evidence import EvidencePath, same_probability
from dualgate.gate.stats.fixed_point import MICRO
from dualgate.gate.stats.lattice import MISSING, FloatArray, IntArray

_FULL = 1000


@dataclass(frozen=True, slots=True)
class Block:
    """Encoded observations of one hypothesis, one entry a pair: positions on the lattices (MISSING: none), thousandths."""

    accept: IntArray
    worse: IntArray
    thousandths: IntArray

    def __len__(self) -> int:
        return len(self.accept)

    def part(self, start: int, stop: int) -> Block:
        """Return the pairs start..stop - 1."""
        return Block(self.accept[start:stop], self.worse[start:stop], self.thousandths[start:stop])


def encode_block(
    spec: DimensionSpec,
    accept_values: npt.ArrayLike,
    worse_values: npt.ArrayLike | None = None,
    probabilities: npt.ArrayLike | None = None,
) -> Block:
    """Return a block from columns of floats, NaN or None where there is no observation; probabilities default to 1.

    Raises ValueError naming the first value off its lattice, the first probability outside 0.001..1 or unequal lengths.
    """
    accept = spec.accept.lattice.encode_many(np.asarray(accept_values, dtype=float))
    nothing = np.full(len(accept), MISSING, dtype=np.int64)
    given = spec.worse is not None and worse_values is not None
    worse = spec.worse.lattice.encode_many(np.asarray(worse_values, dtype=float)) if spec.worse and given else nothing
    thousandths = np.full(len(accept), _FULL, dtype=np.int64) if probabilities is None else _thousandths(probabilities)
    if not len(accept) == len(worse) == len(thousandths):
        raise ValueError(f"columns of {len(accept)}, {len(worse)} and {len(thousandths)} pairs, accepted: one length")
    return Block(accept, worse, thousandths)


def _thousandths(probabilities: npt.ArrayLike) -> IntArray:
    scaled = np.asarray(probabilities, dtype=float) * _FULL
    good = (scaled >= 1) & (scaled <= _FULL)
    good &= np.abs(scaled - np.rint(np.where(good, scaled, 0))) <= 1e-6
    if not good.all():
        raise ValueError(f"sampling probability {float(scaled[~good][0]) / _FULL!r}, accepted: 0.001, 0.002, ... 1")
    return np.asarray(np.rint(scaled), dtype=np.int64)


class Trace:
    """The paths of one hypothesis over a block, entry i after pair i (0-based); computed when first asked for."""

    def __init__(self, spec: DimensionSpec, state: DimensionState, block: Block, *, counted: bool = True) -> None:
        self._spec, self._start, self._block, self._counted = spec, state, block, counted
        _check_codes(spec, block)
        self._counts = block.accept if counted else np.full(len(block), MISSING, dtype=np.int64)
        thousandths, same = block.thousandths, same_probability(block.thousandths)
        self._accept = EvidencePath(spec.accept, state.accept, self._counts, thousandths, same)
        self._futility = EvidencePath(spec.futility, state.futility, self._counts, thousandths, same)
        self._worse = EvidencePath(spec.worse, state.worse, block.worse, thousandths, same) if spec.worse else None

    def __len__(self) -> int:
        return len(self._block)

    @cached_property
    def log_e_accept(self) -> FloatArray:
        """Current log e-values against "not good enough"."""
        return np.asarray(self._accept.micro / MICRO)

    @cached_property
    def log_e_futility(self) -> FloatArray:
        """Current log e-values against "as good as the design"."""
        return np.asarray(self._futility.micro / MICRO)

    @cached_property
    def log_e_worse(self) -> FloatArray:
        """Current log e-values against "not worse"; zeros where it is not tested."""
        return np.asarray(self._worse_micro / MICRO)

    @cached_property
    def n_accept(self) -> IntArray:
        """Observations counted for acceptance so far."""
        return np.asarray(self._start.n_accept + np.cumsum(self._counts != MISSING))

    @cached_property
    def n_worse(self) -> IntArray:
        """Paired differences so far."""
        return np.asarray(self._start.n_worse + np.cumsum(self._block.worse != MISSING))

    def state_at(self, n_pairs: int) -> DimensionState:
        """Return the state after the first n_pairs pairs of the block; 0 is the state that it began with."""
        if not 0 <= n_pairs <= len(self):
            raise ValueError(f"n_pairs {n_pairs!r}, accepted: 0 to {len(self)}")
        if n_pairs == 0:
            return self._start
        start, block = self._start, self._block.part(0, n_pairs)
        calibration = self._block.accept[:n_pairs] if not self._counted else block.accept[:0]
        return DimensionState(
            accept=self._accept.sums_after(n_pairs),
            futility=self._futility.sums_after(n_pairs),
            worse=self._worse.sums_after(n_pairs) if self._worse else (),
            n_accept=start.n_accept + int(np.count_nonzero(self._counts[:n_pairs] != MISSING)),
            n_worse=start.n_worse + int(np.count_nonzero(block.worse != MISSING)),
            n_calibration=start.n_calibration + int((calibration != MISSING).sum()),
            best_accept=max(start.best_accept, int(self._accept.micro[:n_pairs].max())),
            best_worse=max(start.best_worse, int(self._worse_micro[:n_pairs].max())),
            accept_counts=_count(start.accept_counts, self._counts[:n_pairs], block.thousandths),
            worse_counts=_count(start.worse_counts, block.worse, block.thousandths),
            calibration_counts=_count(start.calibration_counts, calibration, block.thousandths[: len(calibration)]),
        )

    @property
    def final(self) -> DimensionState:
        """The state after the whole block."""
        return self.state_at(len(self))

    @cached_property
    def _worse_micro(self) -> IntArray:
        return self._worse.micro if self._worse else np.zeros(len(self._block), dtype=np.int64)


def update_many(spec: DimensionSpec, state: DimensionState, block: Block, *, counted: bool = True) -> Trace:
    """Return the paths of a block; `update_many(...).final` is the fold of `update` over it.

    Raises ValueError for a position outside a lattice; the paths do for an observation whose probability is below the one that
    the bets were fixed for.
    """
    return Trace(spec, state, block, counted=counted)


def _check_codes(spec: DimensionSpec, block: Block) -> None:
    processes = ((spec.accept, block.accept, "accept"), (spec.worse, block.worse, "worse"))
    for process, codes, name in processes:
        size = process.lattice.size if process else 0
        bad = (codes < MISSING) | (codes >= size)
        if bad.any():
            raise ValueError(f"{spec.name}: {name} code {int(codes[bad][0])}, accepted: {MISSING} to {size - 1}")


def _count(counts: Counts, codes: IntArray, thousandths: IntArray) -> Counts:
    """Return a histogram with the observed codes of a block in it."""
    if not len(codes):
        return counts
    if (thousandths == thousandths[0]).all():
        sampled = int(thousandths[0])
        times = np.bincount(codes + 1)[1:].tolist()
        return add_counts(counts, {(code, sampled): n for code, n in enumerate(times) if n})
    seen = codes != MISSING
    keys, times = np.unique(codes[seen] * (_FULL + 1) + thousandths[seen], return_counts=True)
    return add_counts(counts, {divmod(int(k), _FULL + 1): int(n) for k, n in zip(keys, times, strict=True)})
