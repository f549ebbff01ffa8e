"""Evidence at the ends of what the gate may be given: nothing overflows, no tie and no snapshot changes a number."""

import json
import math
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dualgate.gate.stats import (
    Block,
    DimensionSpec,
    DimensionState,
    SamplingPlan,
    correctness_spec,
    gate_path,
    holm,
    hommel,
    initial,
    interval,
    log_e_accept,
    p_value,
    p_value_worse,
    rank_thresholds,
    safety_spec,
    semantic_difference_spec,
    update_many,
)
from dualgate.gate.stats.fixed_point import MICRO

EXTREMES = (
    correctness_spec(0.0, 0.03, 0.0),
    correctness_spec(-0.4, -0.3, 0.9, sampling=SamplingPlan(0.001, 0.001)),
    safety_spec(0.000_2, 0.000_1, 0.0),
    semantic_difference_spec(-0.05, -0.03, 0.05, sampling=SamplingPlan(0.25, 1.0)),
)


@given(st.sampled_from(EXTREMES), st.booleans(), st.integers(1, 200_000))
@settings(max_examples=20, deadline=None)
def test_equal_pairs_for_ever_stay_finite(spec: DimensionSpec, good: bool, n: int) -> None:
    """The best or the worst value again and again leaves every number finite, in range, and on its own side."""
    assert spec.worse is not None
    code, paired = (spec.accept.lattice.size - 1, spec.worse.lattice.size - 1) if good else (0, 0)
    least = round(1000 * spec.accept.min_probability)
    trace = update_many(spec, initial(spec), Block(np.full(n, code), np.full(n, paired), np.full(n, least)))
    for path in (trace.log_e_accept, trace.log_e_futility, trace.log_e_worse):
        assert np.isfinite(path).all()
    rising = trace.log_e_accept if good else trace.log_e_futility
    assert (np.diff(rising) >= 0).all()
    state = trace.final
    assert 0 < p_value(state) <= 1
    assert 0 < p_value_worse(state) <= 1
    assert p_value(state) == 1 or good
    found = interval(spec, state)
    assert math.isfinite(found.low)
    assert math.isfinite(found.high)
    assert DimensionState.from_json(json.loads(json.dumps(state.to_json()))) == state


@given(st.lists(st.integers(0, 5), min_size=2, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_of_ties_is_irrelevant(levels: list[int], random: Random) -> None:
    """Dimensions with equal evidence may be listed in any order: claims, thresholds by value and the gate stay the same."""
    order = list(range(len(levels)))
    random.shuffle(order)
    values = [1.0 + 0.9 * level for level in levels]
    moved = [values[i] for i in order]
    assert gate_path(np.array(values)[:, None], 0.05).tolist() == gate_path(np.array(moved)[:, None], 0.05).tolist()
    assert sorted(rank_thresholds(values, 0.05)) == sorted(rank_thresholds(moved, 0.05))
    for method in (holm, hommel):
        p = np.exp(-np.array(values))
        claimed = method(p, 0.05)
        assert [bool(claimed[i]) for i in order] == method(p[order], 0.05).tolist()
        assert all(claimed[i] == claimed[j] for i in order for j in order if values[i] == values[j])


@given(st.sampled_from(EXTREMES), st.lists(st.integers(0, 200), min_size=1, max_size=60), st.integers(0, 59))
@settings(max_examples=80, deadline=None)
def test_records_never_fall(spec: DimensionSpec, codes: list[int], cut: int) -> None:
    """The greatest evidence so far never falls, is at least the current one, and the anytime p-value never rises."""
    block = np.array(codes) % spec.accept.lattice.size
    nothing, least = np.full(len(block), -1), np.full(len(block), 1000)
    trace = update_many(spec, initial(spec), Block(block, nothing, least))
    best = np.array([trace.state_at(n).best_accept for n in range(1, len(block) + 1)])
    assert (np.diff(best) >= 0).all()
    assert (best >= np.rint(trace.log_e_accept * MICRO)).all()
    before, after = trace.state_at(min(cut, len(block))), trace.final
    assert p_value(after) <= p_value(before)
    assert log_e_accept(spec, after) == trace.log_e_accept[-1]
