"""The dimensions of a migration file become hypotheses."""

import pytest

from dualgate.gate.hypotheses import hypotheses
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec


def _spec(**changes: object) -> MigrationSpec:
    return MigrationSpec.model_validate({"migration": "m", "incumbent": "a:1", "challenger": "a:2", **changes})


def test_the_default_file_has_five_hypotheses_in_four_dimensions() -> None:
    """Four dimensions, and the authorization class intersected into safety."""
    specs = hypotheses(_spec())
    assert [s.name for s in specs] == ["correctness", "latency", "semantic", "safety", "safety.authorization"]
    assert [s.dimension for s in specs] == ["correctness", "latency", "semantic", "safety", "safety"]
    assert [s.accept.null for s in specs] == [0.0, 0.98, 0.86, 0.99, 0.995]


def test_what_is_off_is_no_hypothesis() -> None:
    """Only dimensions that are on are tested."""
    dimensions = {"latency": "off", "semantic": "off", "safety": False}
    assert [s.name for s in hypotheses(_spec(dimensions=dimensions))] == ["correctness"]


def test_every_measure_has_its_hypothesis() -> None:
    """Relative latency, the median, a semantic difference and a safety difference are built from the file."""
    dimensions = {
        "latency": {"measure": "relative", "margin": 0.1, "median_sla_ms": 50},
        "semantic": {"measure": "difference", "null": -0.05, "design": -0.03},
        "safety": {"measure": "difference", "null": 0.005, "design": 0.0, "classes": {}},
    }
    specs = hypotheses(_spec(dimensions=dimensions))
    assert [(s.name, s.measure) for s in specs[1:]] == [
        ("latency", "relative"),
        ("latency.median", "median"),
        ("semantic", "difference"),
        ("safety", "difference"),
    ]


def test_sampling_shrinks_the_bets() -> None:
    """A stratum sampled at 0.1 beside one at 0.3 caps every bet at 0.95 of 0.1 over the largest loss."""
    (spec,) = hypotheses(
        _spec(shadow_sampling={"a": 0.1, "b": 0.3}, dimensions={"latency": "off", "semantic": "off", "safety": "off"})
    )
    assert spec.accept.min_probability == 0.1
    assert max(spec.accept.bets) <= 0.095 + 1e-12


def test_a_design_that_breaks_the_cap_is_refused() -> None:
    """Sampling one stratum at less than a quarter of the mean is a configuration error with both numbers."""
    with pytest.raises(ConfigError, match=r"shadow_sampling: least sampling probability 0\.002"):
        hypotheses(_spec(shadow_sampling={"a": 0.002, "b": 0.2}))


def test_a_design_that_cannot_be_tested_names_its_key() -> None:
    """A planned gain of the whole range has no law: refused with the dimension's name and both numbers."""
    with pytest.raises(
        ConfigError, match=r"dimensions\.correctness: null 0\.0 and design 1\.0, accepted: -1 < null < design < 1"
    ):
        hypotheses(_spec(dimensions={"correctness": {"design": 1.0}}))
