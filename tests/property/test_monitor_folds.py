"""Monitors: a block is the fold of its observations, at any cut, through any snapshot, and every number is finite."""

import json
import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from dualgate.gate.stats.chart import CusumSpec
from dualgate.gate.stats.lattice import BINARY, SCORE_DIFFERENCE, TERNARY
from dualgate.gate.stats.monitor import MonitorSpec, MonitorState, start_monitor, update_monitor, update_monitor_many
from dualgate.gate.stats.shiryaev_roberts import EsrSpec, log_esr

SPECS = (
    MonitorSpec(CusumSpec(TERNARY, Fraction(1, 50), -1, 120), EsrSpec(TERNARY, 0.0, -1, (0.1, 0.4, 0.9), 20)),
    MonitorSpec(CusumSpec(BINARY, Fraction(34, 191), 1, 400), EsrSpec(BINARY, 0.158, 1, (0.3, 1.2), 50)),
    MonitorSpec(
        CusumSpec(SCORE_DIFFERENCE, Fraction(7, 100), -1, 90), EsrSpec(SCORE_DIFFERENCE, -0.05, -1, (0.02, 0.08), 9, 0.1)
    ),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[MonitorSpec, npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """A monitor and a stream for it, with missing observations and sampling probabilities that it admits."""
    spec = draw(st.sampled_from(SPECS))
    n = draw(st.integers(1, 60))
    codes = draw(st.lists(st.integers(-1, spec.esr.lattice.size - 1), min_size=n, max_size=n))
    least = round(spec.esr.min_probability * 1000)
    thousandths = draw(st.lists(st.integers(least, 1000), min_size=n, max_size=n))
    return spec, np.array(codes, dtype=np.int64), np.array(thousandths) / 1000


@given(streams(), st.integers(0, 60))
@settings(max_examples=150, deadline=None)
def test_a_block_is_the_fold(stream: tuple[MonitorSpec, npt.NDArray[np.int64], npt.NDArray[np.float64]], cut: int) -> None:
    """update_many over a block, and over its two parts with a snapshot between, equals one update after another."""
    spec, codes, probabilities = stream
    states, levels, totals = [start_monitor(spec)], [], []
    for code, probability in zip(codes.tolist(), probabilities.tolist(), strict=True):
        states.append(update_monitor(spec, states[-1], code, probability))
        levels.append(states[-1].cusum.level)
        totals.append(sum(states[-1].esr.m))
    whole, trace = update_monitor_many(spec, states[0], codes, probabilities)
    assert whole == states[-1]
    assert trace.cusum_level.tolist() == levels
    assert trace.esr_total.tolist() == totals
    first, _ = update_monitor_many(spec, states[0], codes[:cut], probabilities[:cut])
    restored = MonitorState.from_json(json.loads(json.dumps(first.to_json())))
    again = MonitorSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert (restored, again) == (first, spec)
    assert update_monitor_many(again, restored, codes[cut:], probabilities[cut:])[0] == whole


@given(streams())
@settings(max_examples=100, deadline=None)
def test_every_number_is_finite(stream: tuple[MonitorSpec, npt.NDArray[np.int64], npt.NDArray[np.float64]]) -> None:
    """Levels are nonnegative, sums stay within 64 bits, logs are finite; the alarm is where a threshold is reached."""
    spec, codes, probabilities = stream
    state, trace = update_monitor_many(spec, start_monitor(spec), codes, probabilities)
    assert (trace.cusum_level >= 0).all()
    assert (trace.esr_total >= 0).all()
    assert all(math.isfinite(log_esr(spec.esr, total)) for total in trace.esr_total.tolist())
    over = (trace.cusum_level >= spec.cusum.limit) | (trace.esr_total >= spec.esr.alarm_total)
    assert trace.alarmed.tolist() == over.tolist()
    latched = state.cusum.alarm_n is not None or state.esr.alarm_n is not None
    assert latched == bool((over & (codes >= 0)).any())


@given(streams(), st.data())
@settings(max_examples=60, deadline=None)
def test_worse_observations_never_lower_a_monitor(
    stream: tuple[MonitorSpec, npt.NDArray[np.int64], npt.NDArray[np.float64]], data: st.DataObject
) -> None:
    """Replacing one observation by a worse one raises, or leaves, both charts after every later observation."""
    spec, codes, probabilities = stream
    i = data.draw(st.integers(0, codes.size - 1))
    if codes[i] < 0:
        return
    worst = 0 if spec.esr.direction == -1 else spec.esr.lattice.size - 1
    changed = codes.copy()
    changed[i] = worst
    _, before = update_monitor_many(spec, start_monitor(spec), codes, probabilities)
    _, after = update_monitor_many(spec, start_monitor(spec), changed, probabilities)
    assert (after.cusum_level >= before.cusum_level).all()
    assert (after.esr_total >= before.esr_total).all()
