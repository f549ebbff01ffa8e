"""The gate as a whole on the default file, one migration from its first pair to its last, and anytime-valid intervals."""

import numpy as np
import numpy.typing as npt
import pytest

from dualgate.gate.stats import (
    Block,
    DimensionSpec,
    SamplingPlan,
    correctness_spec,
    encode_block,
    initial,
    interval,
    safety_class_spec,
    semantic_level_spec,
    update_many,
    worse_interval,
)
from dualgate.gate.stats.laws import bell
from dualgate.lab.characteristics.rows import exceeds
from dualgate.lab.characteristics.whole_gate import gate_cases, table_1_3
from support.pair_laws import paired_law
from support.tables import disagreeing


def _misses(spec: DimensionSpec, law: tuple[float, ...], runs: int, n: int, every: int) -> npt.NDArray[np.bool_]:
    """Which streams have an interval, at one of their looks, that does not hold the mean."""
    rng = np.random.default_rng(61)
    values = spec.accept.lattice.values
    low = spec.accept.min_probability
    reported = spec.report_offset + spec.report_sign * float(np.dot(law, values))
    misses = []
    for _ in range(runs):
        codes = rng.choice(len(law), size=n, p=law)
        pi = rng.choice([low, 1.0], n)
        kept = rng.random(n) < pi
        thousandths = np.rint(pi * 1000).astype(np.int64)
        missed, state = False, initial(spec)
        for start in range(0, n, every):
            part = slice(start, start + every)
            block = Block(np.where(kept[part], codes[part], -1), np.full(every, -1), thousandths[part])
            state = update_many(spec, state, block).final
            found = interval(spec, state)
            missed |= not found.low - 1e-6 <= reported <= found.high + 1e-6
        misses.append(missed)
    return np.array(misses)


@pytest.mark.parametrize(
    ("spec", "law"),
    [
        (correctness_spec(0.0, 0.03, 0.0), (0.05, 0.87, 0.08)),
        (correctness_spec(0.0, 0.03, 0.0, sampling=SamplingPlan(0.2, 0.5)), (0.05, 0.87, 0.08)),
        (safety_class_spec("x", 0.6, 0.4), (0.01, 0.99)),
        (safety_class_spec("x", 0.6, 0.4), (0.5, 0.5)),
        (semantic_level_spec(0.86, 0.88, 0.05), tuple(bell(semantic_level_spec(0.86, 0.88, 0.05).accept.lattice, 0.87, 0.2))),
    ],
    ids=["paired", "paired, sampled .2 and 1", "rare", "coin", "score"],
)
def test_intervals_cover_at_all_times_together(spec: DimensionSpec, law: tuple[float, ...]) -> None:
    """The 95 % interval holds the mean at all of its looks together in at least 95 % of streams, weighted ones too."""
    assert not exceeds(_misses(spec, law, 100, 1000, 100), 0.05)


def test_the_check_of_coverage_can_fail() -> None:
    """The textbook interval, looked at twenty times, misses more often than one time in twenty."""
    x = (np.random.default_rng(62).random((400, 1000)) < 0.5).astype(float)
    n = np.arange(50, 1001, 50)
    mean = np.cumsum(x, axis=1)[:, n - 1] / n
    outside = np.abs(mean - 0.5) > 1.96 * np.sqrt(mean * (1 - mean) / n)
    assert exceeds(np.asarray(outside.any(axis=1)), 0.05)


def test_an_interval_shrinks_to_the_truth() -> None:
    """After 20,000 pairs the interval is within two points around the estimate, and the paired one as well."""
    spec = correctness_spec(0.0, 0.03, 0.0)
    rng = np.random.default_rng(67)
    values = rng.choice([-1.0, 0.0, 1.0], size=20_000, p=paired_law(0.842, 0.896, 0.5))
    state = update_many(spec, initial(spec), encode_block(spec, values, values)).final
    for found in (interval(spec, state), worse_interval(spec, state)):
        assert found is not None
        assert found.low < 0.054 < found.high
        assert found.high - found.low < 0.02


@pytest.mark.parametrize("index", range(4), ids=[c.name for c in gate_cases()])
def test_the_gate_as_a_whole(index: int) -> None:
    """The default file promotes the study's good challenger and one on its design as stated, hardly ever one on a null."""
    assert disagreeing(table_1_3(100, 71, index)) == []
