"""The gate as a whole on the default file, and anytime-valid intervals, held by exact binomial intervals of level 1e-4."""

import numpy as np
import pytest

from dualgate.gate.stats import (
    Block,
    DimensionSpec,
    correctness_spec,
    encode_block,
    initial,
    interval,
    safety_class_spec,
    update_many,
    worse_interval,
)
from dualgate.lab.characteristics.rows import exceeds, fraction_row
from dualgate.lab.characteristics.single_tests import ALPHA
from dualgate.lab.characteristics.whole_gate import gate_cases, gate_outcomes
from support.pair_laws import paired_law


@pytest.mark.parametrize(
    ("spec", "law"),
    [
        (correctness_spec(0.0, 0.03, 0.0), (0.05, 0.87, 0.08)),
        (safety_class_spec("x", 0.6, 0.4), (0.01, 0.99)),
        (safety_class_spec("x", 0.6, 0.4), (0.5, 0.5)),
    ],
)
def test_intervals_cover_at_all_times_together(spec: DimensionSpec, law: tuple[float, ...]) -> None:
    """The 95 % interval holds the mean at ten looks together in at least 95 % of streams."""
    rng = np.random.default_rng(61)
    mean = float(np.dot(law, spec.accept.lattice.values))
    reported = spec.report_offset + spec.report_sign * mean
    misses = []
    for _ in range(120):
        codes = rng.choice(len(law), size=1000, p=law)
        missed, state = False, initial(spec)
        for start in range(0, 1000, 100):
            block = Block(codes[start : start + 100], np.full(100, -1), np.full(100, 1000))
            state = update_many(spec, state, block).final
            found = interval(spec, state)
            missed |= not found.low - 1e-6 <= reported <= found.high + 1e-6
        misses.append(missed)
    assert not exceeds(np.array(misses), 0.05)


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


@pytest.mark.parametrize("index", range(4))
def test_the_gate_as_a_whole(index: int) -> None:
    """The default file promotes the study's good challenger and one on its design as stated, and hardly ever one on a null."""
    case = gate_cases()[index]
    outcomes = gate_outcomes(case.scenario, 120, seed=71)
    promoted = np.array([o.verdict == "promoted" for o in outcomes])
    assert fraction_row("1.3", case.name, "promoted", case.promoted, promoted, 400).agrees
    if "null" in case.name:
        assert not exceeds(promoted, ALPHA)
