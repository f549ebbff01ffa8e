"""A second implementation, with plain numbers and loops, of accept, futility, worse and the gate's rule on the same streams."""

import math

import numpy as np
import pytest

from dualgate.gate.stats import (
    Block,
    DimensionSpec,
    SamplingPlan,
    correctness_spec,
    gate_path,
    initial,
    latency_spec,
    p_value,
    p_value_worse,
    safety_spec,
    semantic_difference_spec,
    update_many,
)
from dualgate.gate.stats.process import Process

SAMPLED = SamplingPlan(least=0.2, mean=0.5)
SPECS = (
    correctness_spec(0.0, 0.03, 0.0),
    correctness_spec(-0.02, 0.0, 0.02, sampling=SAMPLED),
    latency_spec(0.02, 0.0075, 0.0075),
    semantic_difference_spec(-0.05, -0.03, 0.05, sampling=SAMPLED),
    safety_spec(0.010, 0.004, 0.002),
)


def _by_hand(process: Process, codes: np.typing.NDArray[np.int64], pi: np.typing.NDArray[np.float64]) -> list[float]:
    """log of the mean over bets of the products of 1 + bet * direction * (x - null) / pi, after each pair."""
    logs, out = [0.0] * len(process.bets), []
    for code, p in zip(codes.tolist(), pi.tolist(), strict=True):
        if code >= 0:
            z = process.direction * (float(process.lattice.value(code)) - process.null) / p
            logs = [total + math.log(1 + bet * z) for total, bet in zip(logs, process.bets, strict=True)]
        top = max(logs)
        out.append(top + math.log(sum(math.exp(each - top) for each in logs) / len(logs)))
    return out


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.name}{s.accept.null:+g}")
def test_accept_futility_and_worse(spec: DimensionSpec) -> None:
    """Every running value of the three processes, their records and p-values are the product written down again."""
    rng, n = np.random.default_rng(381), 1500
    assert spec.worse is not None
    pi = rng.choice((0.2, 0.5, 1.0), n) if spec.accept.min_probability < 1 else np.ones(n)
    sides = []
    for process in (spec.accept, spec.worse):
        middle = process.lattice.size // 2 if process.lattice.size > 3 else process.lattice.size - 1
        near = np.clip(np.rint(rng.normal(middle, 0.08 * process.lattice.size, n)), 0, process.lattice.size - 1)
        sides.append(np.where(rng.random(n) < 0.1, -1, near).astype(np.int64))
    block = Block(sides[0], sides[1], np.rint(pi * 1000).astype(np.int64))
    trace = update_many(spec, initial(spec), block)
    found = {
        "accept": (trace.log_e_accept, _by_hand(spec.accept, sides[0], pi)),
        "futility": (trace.log_e_futility, _by_hand(spec.futility, sides[0], pi)),
        "worse": (trace.log_e_worse, _by_hand(spec.worse, sides[1], pi)),
    }
    for name, (ours, plain) in found.items():
        # 1e-9 nat a pair and 1e-6 at the end are rounded down, on purpose.
        assert ours == pytest.approx(plain, abs=1e-6 + 1e-9 * n + 1e-9), name
        assert (ours <= np.array(plain) + 1e-9).all(), name
    assert p_value(trace.final) == pytest.approx(min(1, math.exp(-max(found["accept"][1]))), rel=1e-5)
    assert p_value_worse(trace.final) == pytest.approx(min(1, math.exp(-max(found["worse"][1]))), rel=1e-5)


def test_holm_on_current_values() -> None:
    """The gate's path is Holm's step-down written down again: the j-th smallest 1/K is at most alpha / (4 - j + 1), for all j."""
    rng = np.random.default_rng(382)
    log_e = rng.uniform(1.5, 6, (4, 3000))
    expected = []
    for column in log_e.T:
        p = sorted(math.exp(-v) for v in column)
        expected.append(all(value <= 0.05 / (4 - j) for j, value in enumerate(p)))
    path = gate_path(log_e, 0.05, "holm")
    assert 50 < sum(expected) < 2950
    assert path.tolist() == expected
