"""Bad input to the statistics is an error that names the value, never a silent clip."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dualgate.gate.stats import (
    Block,
    DimensionState,
    Lattice,
    Process,
    SamplingPlan,
    accept_threshold,
    alarm_path,
    bonferroni,
    calibration_pairs,
    correctness_spec,
    encode_block,
    futility_threshold,
    gate_accepts,
    gate_path,
    gro_bet,
    holm,
    hommel,
    horizon,
    initial,
    interval,
    latency_spec,
    log_e_process,
    log_threshold,
    refit,
    relative_latency_spec,
    safety_difference_spec,
    safety_spec,
    semantic_level_spec,
    simes,
    sprt_plan,
    update,
    update_many,
)
from dualgate.gate.stats.lattice import BINARY, TERNARY
from dualgate.gate.stats.laws import bell, bernoulli, ternary, tilt

SPEC = correctness_spec(0.0, 0.03, 0.0)
SCORES = semantic_level_spec(0.86, 0.88, 0.05)
SAMPLED = correctness_spec(0.0, 0.03, 0.0, sampling=SamplingPlan(0.1, 0.2))
NAN, INF = math.nan, math.inf


def _one(value: float, probability: float = 1.0) -> DimensionState:
    return update(SPEC, initial(SPEC), value, None, probability)


def _codes(*codes: int) -> Block:
    ones = np.full(len(codes), 1000, dtype=np.int64)
    return Block(np.array(codes, dtype=np.int64), np.full(len(codes), -1, dtype=np.int64), ones)


CASES: list[tuple[Callable[[], Any], str]] = [
    # observations
    (lambda: _one(1.5), r"observation 1\.5 is outside"),
    (lambda: _one(NAN), r"observation nan"),
    (lambda: _one(INF), r"observation inf"),
    (lambda: relative_latency_spec(0.0), r"design_mean 0\.0"),
    (lambda: safety_difference_spec(0.0, 0.005, 0.0), r"design 0\.005 and null 0\.0"),
    (lambda: _one(0.5), r"observation 0\.5 is not one of"),
    (lambda: update(SCORES, initial(SCORES), 0.123, None), r"observation 0\.123"),
    (lambda: encode_block(SPEC, [0.0, 2.0]), r"observation 2\.0"),
    (lambda: encode_block(SPEC, [0.0, INF]), r"observation inf"),
    (lambda: encode_block(SPEC, [1e308, 0.0]), r"observation 1e\+308"),
    (lambda: encode_block(SPEC, [0.0], [0.0, 1.0]), r"columns of 1, 2"),
    (lambda: update_many(SPEC, initial(SPEC), _codes(0, 3)), r"accept code 3, accepted: -1 to 2"),
    (lambda: update_many(SPEC, initial(SPEC), _codes(0, -2)), r"accept code -2"),
    (lambda: update_many(SPEC, initial(SPEC), _codes(0)).state_at(2), r"n_pairs 2, accepted: 0 to 1"),
    (lambda: log_e_process([0.0, NAN], 0.0, [0.1]), r"observation nan"),
    (lambda: log_e_process([0.0, INF], 0.0, [0.1]), r"observation inf"),
    (lambda: log_e_process([[0.0]], 0.0, [0.1]), r"2 dimensions, accepted: 1"),
    (lambda: log_e_process([0.0], NAN, [0.1]), r"null_mean nan"),
    (lambda: log_e_process([-1.0], 0.0, [1.0]), r"bet 1\.0 times excess -1\.0 loses everything"),
    # probabilities and weights
    (lambda: _one(1.0, 0.0), r"sampling probability 0\.0, accepted"),
    (lambda: _one(1.0, 1.5), r"sampling probability 1\.5, accepted"),
    (lambda: _one(1.0, NAN), r"sampling probability nan, accepted"),
    (lambda: _one(1.0, 0.0005), r"sampling probability 0\.0005, accepted"),
    (lambda: _one(1.0, 0.5), r"sampling probability 0\.5, accepted: 1\.0 to 1"),
    (lambda: update(SAMPLED, initial(SAMPLED), 1.0, None, 0.05), r"sampling probability 0\.05, accepted: 0\.1 to 1"),
    (lambda: encode_block(SPEC, [1.0], None, [0.0]), r"sampling probability 0\.0"),
    (lambda: encode_block(SPEC, [1.0], None, [NAN]), r"sampling probability nan"),
    (lambda: log_e_process([0.0], 0.0, [0.1], sampling_probability=[0.0]), r"sampling probability 0\.0"),
    (lambda: log_e_process([0.0], 0.0, [0.1], sampling_probability=[1.1]), r"sampling probability 1\.1"),
    (lambda: log_e_process([0.0], 0.0, []), r"bets \[\]"),
    (lambda: log_e_process([0.0], 0.0, [-0.1]), r"bets \[-0\.1\]"),
    (lambda: log_e_process([0.0], 0.0, [0.1], [INF]), r"mixture_weights \[inf\]"),
    (lambda: log_e_process([0.0], 0.0, [0.1, 0.2], [0.5, 0.4]), r"mixture_weights"),
    (lambda: SamplingPlan(0.0, 0.5), r"least 0\.0"),
    (lambda: SamplingPlan(0.01, 0.4), r"below a quarter of the mean 0\.4"),
    # specs
    (lambda: correctness_spec(0.03, 0.03, 0.0), r"null 0\.03 and design 0\.03"),
    (lambda: correctness_spec(NAN, 0.03, 0.0), r"null nan"),
    (lambda: correctness_spec(-1.0, 0.03, 0.0), r"null -1\.0 and design 0\.03, accepted: -1 < null < design < 1"),
    (lambda: correctness_spec(0.0, 0.03, -0.1), r"worse_by -0\.1"),
    (lambda: correctness_spec(0.0, 0.03, 0.0, discordance=0.02), r"discordance 0\.02"),
    (lambda: latency_spec(0.0075, 0.02, 0.0), r"design 0\.02 and null 0\.0075"),
    (lambda: latency_spec(1.2, 0.02, 0.0), r"design 0\.02 and null 1\.2, accepted: 0 < design < null < 1"),
    (lambda: safety_spec(0.01, 0.0, 0.0), r"design 0\.0"),
    (lambda: semantic_level_spec(0.86, 0.88, 0.05, sd=0.9), r"sd 0\.9"),
    (lambda: refit(SPEC, _one(1.0)), r"1 pairs have counted"),
    (lambda: Lattice(0.0, 1.0, 0.3), r"whole number"),
    (lambda: Lattice(0.0, NAN, 0.3), r"high = nan"),
    (lambda: Lattice(1.0, 0.0, 0.1), r"low < high"),
    (lambda: Process(TERNARY, 0.0, 1, (1.0,)), r"bet 1\.0, accepted: in \(0, 1\)"),
    (lambda: Process(TERNARY, 0.0, 1, (0.0,)), r"bet 0\.0"),
    (lambda: Process(TERNARY, 0.0, 1, (NAN,)), r"bet nan"),
    (lambda: Process(TERNARY, 0.0, 2, (0.1,)), r"direction 2"),
    (lambda: Process(TERNARY, 1.0, 1, (0.1,)), r"null 1\.0"),
    (lambda: Process(TERNARY, 0.0, 1, (0.1,), (0,)), r"weights \(0,\)"),
    (lambda: Process(TERNARY, 0.0, 1, (0.1,), (), 0.0), r"min_probability 0\.0"),
    (lambda: Process(BINARY, 0.5, 1, ()), r"bets are empty"),
    # laws
    (lambda: bernoulli(1.0), r"mean 1\.0"),
    (lambda: ternary(0.1, 0.1), r"discordance 0\.1"),
    (lambda: bell(BINARY, 0.5, NAN), r"sd nan"),
    (lambda: tilt([0, 1], [1, 0], 0.5), r"mean 0\.5"),
    (lambda: gro_bet([0, 1], [0.5, 0.6], 0.5), r"probabilities \[0\.5, 0\.6\]"),
    (lambda: gro_bet([0, INF], [0.5, 0.5], 0.5), r"values hold inf"),
    (lambda: gro_bet([0, 1], [0.5, 0.5], 0.0), r"null_mean 0\.0"),
    (lambda: gro_bet([1], [1.0], 0.0), r"shape \(1,\)"),
    # levels
    (lambda: log_threshold(0.0), r"alpha 0\.0"),
    (lambda: log_threshold(1.0), r"alpha 1\.0"),
    (lambda: log_threshold(0.05, 0), r"k 0"),
    (lambda: futility_threshold(NAN), r"alpha nan"),
    (lambda: accept_threshold(0.05, 1.0), r"beta 1\.0"),
    (lambda: accept_threshold(0.05, 0.1, boundary="walt"), r"boundary 'walt', accepted: ville, wald"),
    (lambda: interval(SPEC, _one(1.0), 0.0), r"alpha 0\.0"),
    (lambda: sprt_plan([0, 1], [0.1, 0.9], 0.8, 1.0, 0.1), r"alpha 1\.0"),
    (lambda: sprt_plan([0, 1], [0.1, 0.9], 0.95, 0.05, 0.1), r"accepted: above null_mean 0\.95"),
    (lambda: sprt_plan([0, 1], [0.1, 0.9], 0.8, 0.05, 0.95), r"alpha 0\.05 and beta 0\.95, accepted: a sum below 1"),
    (lambda: horizon([], 0.05, 0.1), r"no hypothesis"),
    (lambda: horizon([SPEC], 0.05, 0.1, eligible={"correctness": 0.0}), r"eligible share 0\.0"),
    (lambda: calibration_pairs(0.0), r"information 0\.0"),
    (lambda: holm([0.1, NAN], 0.05), r"p-value nan"),
    (lambda: hommel([0.1, -0.1], 0.05), r"p-value -0\.1"),
    (lambda: simes([], 0.05), r"p_values of shape \(0,\)"),
    (lambda: bonferroni([0.1], 1.5), r"alpha 1\.5"),
    (lambda: gate_accepts([0.1], 0.05, "simes"), r"gate 'simes' is refused"),
    (lambda: gate_path([[1.0]], 0.05, "simes"), r"gate 'simes' is refused"),
    (lambda: gate_accepts([0.1], 0.05, "hulm"), r"gate 'hulm' is not known, accepted: holm, iut, bonferroni"),
    (lambda: alarm_path([[1.0]], 0.05, "iut"), r"alarms 'iut', accepted: holm, simes"),
    # snapshots
    (lambda: DimensionState.from_json({"version": 99}), r"snapshot version 99, accepted: 1"),
]


@pytest.mark.parametrize(("call", "message"), CASES)
def test_bad_input_names_its_value(call: Callable[[], Any], message: str) -> None:
    """Each impossible input raises ValueError with the value in its words."""
    with pytest.raises(ValueError, match=message):
        call()


def test_an_empty_block_changes_nothing() -> None:
    """A block without pairs leaves the state as it was and has empty paths."""
    state = _one(1.0)
    trace = update_many(SPEC, state, encode_block(SPEC, []))
    assert trace.final == state
    assert trace.log_e_accept.shape == trace.log_e_worse.shape == (0,)
    assert log_e_process([], 0.0, [0.1]).shape == (0,)


def test_ten_million_observations_are_folded_exactly() -> None:
    """Ten million pairs give ten million times the increment of one."""
    n = 10_000_000
    process = safety_spec(0.010, 0.004, 0.002).accept
    one = process.increments(1, 1000)
    total = np.zeros(len(process.bets), dtype=np.int64)
    for _ in range(10):
        block = np.ones(n // 10, dtype=np.int64)
        total += process.increments_many(block, np.full(n // 10, 1000, dtype=np.int64)).sum(axis=1)
    assert total.tolist() == [n * step for step in one]


def test_evidence_that_could_overflow_is_refused() -> None:
    """A sum that could pass 64 bits is an error and never wraps around."""
    far = DimensionState((2**63 - 10,) * 9, (0,), (0,) * 9)
    with pytest.raises(ValueError, match=r"could reach 92233721\d+ nano-nats"):
        _ = update_many(SPEC, far, encode_block(SPEC, [1.0, 1.0])).log_e_accept
