"""The seven laws of a scenario file: each is there in what is drawn, and a fault in it names file, line and key."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from dualgate.lab.simulate.pairs import Outcomes, draw
from dualgate.lab.simulate.scenario import Scenario, load_scenario
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec

N = 40_000
LEVEL = 5.0  # standard errors: one in two million draws of a law that is there lies outside


def _drawn(law: Mapping[str, object], unit: str = "query", n: int = N) -> Outcomes:
    return next(draw(Scenario.model_validate(law), {"all": 1.0}, unit, np.random.default_rng(11), n))


def _correlation(a: object, b: object) -> float:
    return float(np.corrcoef(np.asarray(a, dtype=float), np.asarray(b, dtype=float))[0, 1])


def test_correlation_ties_the_dimensions_of_an_arm() -> None:
    """With a correlation an arm's outcomes go together across dimensions; without one they are independent."""
    rates = {"slow": {"incumbent": 0.3, "challenger": 0.3}, "violation": {"incumbent": 0.3, "challenger": 0.3}}
    tied, free = _drawn({**rates, "correlation": 0.6}), _drawn(rates)
    assert abs(_correlation(free.slow[1], free.violation[1])) < LEVEL / N**0.5
    assert _correlation(tied.slow[1], tied.violation[1]) > 0.2


def test_a_season_swings_both_arms_and_leaves_their_difference() -> None:
    """In the first half of a period both arms are right more often than in the second, and by the same amount."""
    batch = _drawn({"season": {"amplitude": 0.08, "period": N}})
    for arm in batch.correct:
        assert arm[: N // 2].mean() - arm[N // 2 :].mean() > 0.08
    difference = batch.correct[0] - batch.correct[1]
    halves = difference[: N // 2].mean() - difference[N // 2 :].mean()
    assert abs(halves) < LEVEL * (0.15 * 4 / N) ** 0.5


def test_bursts_come_in_runs_of_their_length() -> None:
    """A share of time has the rate inside, in runs: a violation makes one at the next pair far more likely."""
    batch = _drawn({"bursts": {"share": 0.1, "mean_length": 60, "rate": 0.5}, "violation": {"incumbent": 0, "challenger": 0.003}})
    bad = batch.violation[0]
    assert 0.03 < bad.mean() < 0.07
    assert bad[1:][bad[:-1] == 1].mean() > 0.4


def test_sessions_make_their_queries_alike() -> None:
    """Queries of one session agree more than those of others; first turns are independent again."""
    law = {"sessions": {"mean_size": 4, "agreement": 0.8}}
    every, first = _drawn(law).correct[1], _drawn(law, "first").correct[1]
    assert _correlation(every[1:], every[:-1]) > 0.2
    assert abs(_correlation(first[1:], first[:-1])) < LEVEL / len(first) ** 0.5


@pytest.mark.parametrize(
    ("law", "key"),
    [
        ("correctness: {incumbent: 1.2, challenger: 0.9}", "correctness.incumbent"),
        ("correlation: 1.5", "correlation"),
        ("bursts: {share: 0, mean_length: 60, rate: 0.1}", "bursts.share"),
        ("drift: {by: -2}", "drift.by"),
        ("season: {amplitude: 0.1, period: 0}", "season.period"),
        ("sessions: {mean_size: 0.5}", "sessions.mean_size"),
        ("strata: {easy: {share: 2}}", "strata.easy.share"),
        ("strata: {easy: {share: 0.5}}", "the shares of strata must sum to 1"),
        ("semantics: {challenger: 0.9}", "semantics"),
    ],
)
def test_a_fault_in_a_law_names_its_key(law: str, key: str, tmp_path: Path) -> None:
    """What a law cannot be is told with the file, the line and the key."""
    file = tmp_path / "scenarios.yaml"
    file.write_text(f"scenarios:\n  mine:\n    {law}\n")
    spec = MigrationSpec(migration="m", incumbent="a:1", challenger="a:2")
    with pytest.raises(ConfigError, match=rf"scenarios\.yaml:[23]: scenarios\.mine.*{key}"):
        load_scenario("mine", spec, file)
