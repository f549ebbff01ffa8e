"""The shadow phase's evidence in blocks, beside the package ville and a plain-Python SPRT on the same streams.

python -m benchmarks.statistics [--json]
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import ville
from benchmarks.side_by_side import Measurement, processor_seconds, ratio, report

from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.stats import Block, DimensionSpec, DimensionState, alarm_path, gate_path, initial, update, update_many
from dualgate.lab.characteristics.whole_gate import default_file
from dualgate.lab.simulate.pairs import blocks, draw
from dualgate.lab.simulate.scenario import Scenario

BLOCK, BLOCKS, ONE_BY_ONE = 2000, 10, 300


def _four() -> tuple[tuple[DimensionSpec, ...], list[list[Block]]]:
    """Return the default file's four dimensions and blocks of the study's good challenger."""
    specs = tuple(s for s in hypotheses(default_file()) if s.name == s.dimension)
    batches = draw(Scenario(), {"all": 1.0}, "query", np.random.default_rng(1), BLOCK)
    return specs, [blocks(specs, next(batches)) for _ in range(BLOCKS)]


def _in_blocks(specs: tuple[DimensionSpec, ...], stream: list[list[Block]]) -> list[DimensionState]:
    """Fold with the rules of acceptance, futility and rollback looked at after every pair."""
    states = [initial(s) for s in specs]
    for part in stream:
        traces = [update_many(s, state, block) for s, state, block in zip(specs, states, part, strict=True)]
        gate_path(np.array([t.log_e_accept for t in traces]), 0.05)
        alarm_path(np.array([t.log_e_worse for t in traces]), 0.01)
        [t.log_e_futility.max() for t in traces]
        states = [t.final for t in traces]
    return states


def _one_at_a_time(specs: tuple[DimensionSpec, ...], part: list[Block]) -> None:
    for spec, block in zip(specs, part, strict=True):
        state = initial(spec)
        accept, worse = spec.accept.lattice.values, spec.worse.lattice.values if spec.worse else np.zeros(1)
        for a, w in zip(block.accept[:ONE_BY_ONE].tolist(), block.worse[:ONE_BY_ONE].tolist(), strict=True):
            state = update(spec, state, None if a < 0 else float(accept[a]), None if w < 0 else float(worse[w]))


def _values(specs: tuple[DimensionSpec, ...], part: list[Block]) -> list[npt.NDArray[np.float64]]:
    return [s.accept.lattice.values[b.accept[b.accept >= 0]] for s, b in zip(specs, part, strict=True)]


def _ville(specs: tuple[DimensionSpec, ...], part: list[Block]) -> None:
    """One adaptive betting test a dimension: acceptance only, no futility, no rollback, no mixture."""
    for spec, values in zip(specs, _values(specs, part), strict=True):
        bounds = (spec.accept.lattice.low, spec.accept.lattice.high)
        ville.BettingTest(spec.accept.null, bounds=bounds, alternative="greater").fit(values)


def _plain_sprt(specs: tuple[DimensionSpec, ...], part: list[Block]) -> None:
    """One fixed bet a dimension in a Python loop: the least that a sequential test can do."""
    for spec, values in zip(specs, _values(specs, part), strict=True):
        bet, null, total, best = spec.accept.bets[4], spec.accept.null, 0.0, 0.0
        for x in values.tolist():
            total += math.log1p(bet * (x - null))
            best = max(best, total)


def main() -> None:
    """Measure and print."""
    specs, stream = _four()
    _in_blocks(specs, stream)
    _ville(specs, stream[0])
    ours = Measurement("dualgate", BLOCK * BLOCKS / processor_seconds(lambda: _in_blocks(specs, stream), 7), "vectors/s")
    single = Measurement(
        "dualgate, one pair at a time", ONE_BY_ONE / processor_seconds(lambda: _one_at_a_time(specs, stream[0])), "vectors/s"
    )
    other = Measurement("ville, acceptance only", BLOCK / processor_seconds(lambda: _ville(specs, stream[0]), 7), "vectors/s")
    plain = Measurement(
        "plain Python, one bet, acceptance only", BLOCK / processor_seconds(lambda: _plain_sprt(specs, stream[0])), "vectors/s"
    )
    block = Measurement("dualgate, a block of 2,000 in 4 dimensions", 1000 * BLOCK / ours.value, "ms")
    ratios = [
        ratio("blocks over ville", ours, other),
        ratio("blocks over plain Python", ours, plain),
        ratio("blocks over single updates", ours, single),
    ]
    report([ours, block, single, other, plain], ratios, str(__doc__))


if __name__ == "__main__":
    main()
