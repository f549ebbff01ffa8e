"""The fold of evidence: blocks, cuts, snapshots, and what must hold for any stream."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualgate.gate.stats import (
    Block,
    DimensionSpec,
    DimensionState,
    SamplingPlan,
    correctness_spec,
    initial,
    interval,
    log_e_accept,
    log_e_futility,
    log_e_process,
    log_e_worse,
    p_value,
    relative_latency_spec,
    safety_class_spec,
    safety_spec,
    semantic_level_spec,
    update,
    update_many,
)

SAMPLED = SamplingPlan(least=0.1, mean=0.3)
SPECS = (
    correctness_spec(0.0, 0.03, 0.0),
    correctness_spec(-0.02, 0.0, 0.02, sampling=SAMPLED),
    semantic_level_spec(0.86, 0.88, 0.05),
    safety_spec(0.010, 0.004, 0.002, sampling=SAMPLED),
    safety_class_spec("authorization", 0.005, 0.0005),
    relative_latency_spec(0.01),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[DimensionSpec, Block]:
    """A spec and a stream for it, with missing observations and sampling probabilities that it admits."""
    spec = draw(st.sampled_from(SPECS))
    n = draw(st.integers(1, 40))
    accept = draw(st.lists(st.integers(-1, spec.accept.lattice.size - 1), min_size=n, max_size=n))
    top = spec.worse.lattice.size - 1 if spec.worse else -1
    worse = draw(st.lists(st.integers(-1, top), min_size=n, max_size=n))
    least = round(spec.accept.min_probability * 1000)
    thousandths = draw(st.lists(st.integers(least, 1000), min_size=n, max_size=n))
    return spec, Block(_codes(accept), _codes(worse), _codes(thousandths))


def _codes(values: list[int]) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def _fold(spec: DimensionSpec, block: Block, counted: bool = True) -> list[DimensionState]:
    """Every state of the fold of `update`, the first before any pair."""
    states = [initial(spec)]
    for a, w, t in zip(block.accept, block.worse, block.thousandths, strict=True):
        accept = None if a < 0 else float(spec.accept.lattice.value(int(a)))
        worse = None if w < 0 or spec.worse is None else float(spec.worse.lattice.value(int(w)))
        states.append(update(spec, states[-1], accept, worse, int(t) / 1000, counted=counted))
    return states


@given(streams(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_update_many_is_the_fold_of_update(stream: tuple[DimensionSpec, Block], counted: bool) -> None:
    """The state after any pair of a block, and every running value, is what one update a pair gives."""
    spec, block = stream
    states = _fold(spec, block, counted)
    trace = update_many(spec, states[0], block, counted=counted)
    assert [trace.state_at(i) for i in range(len(block) + 1)] == states
    assert trace.log_e_accept.tolist() == [log_e_accept(spec, s) for s in states[1:]]
    assert trace.log_e_futility.tolist() == [log_e_futility(spec, s) for s in states[1:]]
    assert trace.log_e_worse.tolist() == [log_e_worse(spec, s) for s in states[1:]]
    assert trace.n_accept.tolist() == [s.n_accept for s in states[1:]]


@given(streams(), st.data())
@settings(max_examples=100, deadline=None)
def test_any_cut_gives_the_same_state(stream: tuple[DimensionSpec, Block], data: st.DataObject) -> None:
    """How a stream is cut into blocks, with a snapshot written and read at each cut, changes nothing."""
    spec, block = stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(block)), max_size=4)))
    state = initial(spec)
    for start, stop in zip([0, *cuts], [*cuts, len(block)], strict=True):
        state = DimensionState.from_json(update_many(spec, state, block.part(start, stop)).final.to_json())
    assert state == update_many(spec, initial(spec), block).final


@given(streams())
@settings(max_examples=100, deadline=None)
def test_order_within_a_stream_leaves_the_evidence(stream: tuple[DimensionSpec, Block]) -> None:
    """Fixed bets multiply: the evidence after a block does not depend on the order of its pairs."""
    spec, block = stream
    backwards = Block(block.accept[::-1], block.worse[::-1], block.thousandths[::-1])
    one, other = (update_many(spec, initial(spec), b).final for b in (block, backwards))
    assert (one.accept, one.futility, one.worse) == (other.accept, other.futility, other.worse)
    assert interval(spec, one) == interval(spec, other)


@given(streams())
@settings(max_examples=100, deadline=None)
def test_fixed_point_lies_just_below_the_real_process(stream: tuple[DimensionSpec, Block]) -> None:
    """The recorded evidence is at most one nano-nat a pair and one micro-nat below the exact product, and never above it."""
    spec, block = stream
    seen = block.accept >= 0
    values = spec.accept.lattice.values[block.accept[seen]]
    real = log_e_process(values, spec.accept.null, spec.accept.bets, sampling_probability=block.thousandths[seen] / 1000)
    recorded = update_many(spec, initial(spec), block).log_e_accept[seen]
    slack = real - recorded
    assert (slack >= -1e-9).all()
    assert (slack <= 1.001e-6 + 1e-9 * np.arange(1, len(slack) + 1)).all()


@given(streams())
@settings(max_examples=100, deadline=None)
def test_everything_reported_is_finite(stream: tuple[DimensionSpec, Block]) -> None:
    """No stream makes evidence, a p-value or an interval that is NaN, infinite or out of range."""
    spec, block = stream
    trace = update_many(spec, initial(spec), block)
    for path in (trace.log_e_accept, trace.log_e_futility, trace.log_e_worse):
        assert np.isfinite(path).all()
    found = interval(spec, trace.final)
    assert 0 < p_value(trace.final) <= 1
    assert -math.inf < found.low <= found.high < math.inf
    if found.estimate is not None:
        assert found.low - 1e-6 <= found.estimate <= found.high + 1e-6


@given(streams())
@settings(max_examples=60, deadline=None)
def test_a_better_pair_is_more_evidence(stream: tuple[DimensionSpec, Block]) -> None:
    """Raising any one observation never lowers the evidence for acceptance nor raises that for futility."""
    spec, block = stream
    better = Block(
        np.where(block.accept >= 0, np.minimum(block.accept + 1, spec.accept.lattice.size - 1), -1),
        block.worse,
        block.thousandths,
    )
    one, other = (update_many(spec, initial(spec), b) for b in (block, better))
    assert (other.log_e_accept >= one.log_e_accept).all()
    assert (other.log_e_futility <= one.log_e_futility).all()


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=50), st.floats(0.01, 0.95))
def test_mixture_of_one_bet_is_that_bet(x: list[float], bet: float) -> None:
    """A mixture of one bet, and of the same bet several times, is the product of that bet."""
    single = log_e_process(x, 0.0, [bet])
    assert single == pytest.approx(np.cumsum(np.log1p(bet * np.array(x))), abs=1e-12)
    assert log_e_process(x, 0.0, [bet] * 3) == pytest.approx(single, abs=1e-12)


@given(st.sampled_from(SPECS))
def test_a_spec_survives_its_snapshot(spec: DimensionSpec) -> None:
    """A spec read back from JSON folds like the one that was written."""
    assert DimensionSpec.from_json(spec.to_json()) == spec
