"""Multiple testing and the gate's thresholds."""

import math
from itertools import combinations

import numpy as np
import pytest

from dualgate.gate.stats import (
    accept_threshold,
    accepted_dimensions,
    alarm_path,
    bonferroni,
    futility_threshold,
    gate_accepts,
    gate_path,
    holm,
    hommel,
    iut,
    log_threshold,
    rank_thresholds,
    simes,
    wald_futility,
)

RNG = np.random.default_rng(11)
TABLES = RNG.uniform(0, 0.12, (200, 4)) ** RNG.uniform(0.7, 1.6, (200, 1))


def closed_simes(p: np.typing.NDArray[np.float64], alpha: float) -> list[bool]:
    """Hommel's rejections from the definition: a hypothesis goes where Simes rejects every intersection with it."""
    everyone = range(p.size)
    subsets = [s for r in range(1, p.size + 1) for s in combinations(everyone, r)]
    return [all(simes(p[list(s)], alpha) for s in subsets if d in s) for d in everyone]


def test_hommel_is_the_closed_simes_test() -> None:
    """The shortcut rejects exactly what closing Simes' test over every intersection rejects."""
    for p in np.vstack([TABLES, np.round(TABLES, 2)]):
        assert hommel(p, 0.05).tolist() == closed_simes(p, 0.05)


def test_order_of_power() -> None:
    """Bonferroni rejects no more than Holm, Holm no more than Hommel; Hommel rejects nothing where Simes does not."""
    for p in TABLES:
        few, some, most = bonferroni(p, 0.05), holm(p, 0.05), hommel(p, 0.05)
        assert (few <= some).all()
        assert (some <= most).all()
        assert simes(p, 0.05) or not most.any()


@pytest.mark.parametrize("method", ["holm", "iut", "bonferroni"])
def test_gate_in_the_log_domain_is_the_gate_on_p_values(method: str) -> None:
    """The gate on log e-values decides as the gate on 1/K, and the per-dimension claims agree with it."""
    log_e = -np.log(TABLES)
    for p, e in zip(TABLES, log_e, strict=True):
        decided = gate_path(e[:, None], 0.05, method)
        assert decided.tolist() == [gate_accepts(p, 0.05, method)]
        assert accepted_dimensions(e, 0.05, method).all() == decided[0]
    assert accepted_dimensions(log_e[0], 0.05, "holm").tolist() == holm(TABLES[0], 0.05).tolist()


def test_gate_path_is_the_gate_at_every_pair() -> None:
    """A path of evidence is judged pair by pair."""
    log_e = RNG.normal(3.5, 1.5, (4, 300))
    for method in ("holm", "iut", "bonferroni"):
        one_at_a_time = [bool(gate_path(log_e[:, i : i + 1], 0.05, method)[0]) for i in range(300)]
        assert gate_path(log_e, 0.05, method).tolist() == one_at_a_time


def test_holm_thresholds_follow_the_rank() -> None:
    """The strongest of four dimensions needs log(4/alpha), the weakest log(1/alpha)."""
    found = rank_thresholds([1.0, 9.0, 3.0, 5.0], 0.05)
    assert found == pytest.approx([math.log(k / 0.05) for k in (1, 4, 2, 3)], abs=1e-6)


def test_one_threshold_off_the_path_stops_holm() -> None:
    """Holm steps down: where the strongest misses its threshold no weaker one is claimed."""
    e = np.array([4.0, 3.9, 3.8, 3.7])
    assert not accepted_dimensions(e, 0.05).any()
    assert accepted_dimensions(e, 0.05, "iut").all()


def test_alarms() -> None:
    """Holm's alarm is its first step, log(k/alpha); Simes' also rises when several are weaker together."""
    together = np.array([[3.95], [3.95], [3.95], [3.95]])
    assert alarm_path(together, 0.05, "holm").tolist() == [False]
    assert alarm_path(together, 0.05, "simes").tolist() == [True]
    assert alarm_path([[4.39], [0.0], [0.0], [0.0]], 0.05, "holm").tolist() == [True]
    assert alarm_path([[2.9]], 0.05).tolist() == [False]


def test_boundaries() -> None:
    """Ville's boundary is log(1/alpha), Wald's is lower by log(1 - beta); futility is log(k/beta)."""
    assert log_threshold(0.05) == 2.995733
    assert accept_threshold(0.05, 0.1, boundary="wald") == pytest.approx(math.log(0.9 / 0.05), abs=1e-6)
    assert futility_threshold(0.1, 5) == pytest.approx(math.log(50), abs=1e-6)
    assert wald_futility(0.05, 0.1) == pytest.approx(math.log(0.1 / 0.95), abs=1e-6)


def test_intersection_union_needs_every_dimension() -> None:
    """The intersection-union test accepts at the largest p-value."""
    assert iut([0.01, 0.05], 0.05)
    assert not iut([0.01, 0.0500001], 0.05)
