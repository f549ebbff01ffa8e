"""Simulated migrations: laws of pairs, reproducibility, verdicts, and the two verbs on top."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from dualgate.cli.main import main
from dualgate.gate.hypotheses import hypotheses, unscored
from dualgate.lab.simulate.life import Life, Outcome
from dualgate.lab.simulate.pairs import Outcomes, blocks, draw
from dualgate.lab.simulate.runs import Job, job_of, run_many, summary
from dualgate.lab.simulate.scenario import Binary, Drift, Scenario, built_in, load_scenario
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec, parse_migration

ALL = {"all": 1.0}
ONE = {"latency": "off", "semantic": "off", "safety": "off"}
FILE = """
migration: sql-agent-v7
incumbent: sql-agent:v6
challenger: sql-agent:v7
dimensions: {latency: off, semantic: off, safety: off, correctness: {null: 0.0, design: 0.1}}
phases:
  calibrating: {pairs: 50}
  shadow: {min_pairs: 50, max_pairs: 500}
  canary: {observations: 50}
  rollout: {observations: 50}
  tail: {observations: 50}
"""


def _spec(**changes: object) -> MigrationSpec:
    return MigrationSpec.model_validate({"migration": "m", "incumbent": "a:1", "challenger": "a:2", **changes})


def _rates(scenario: Scenario, n: int = 60_000, unit: str = "query") -> dict[str, float]:
    batch = next(draw(scenario, ALL, unit, np.random.default_rng(3), n))
    pairs = {name: getattr(batch, name) for name in ("correct", "slow", "violation")}
    rates = {
        f"{name}.{arm}": float(p[i].mean()) for name, p in pairs.items() for i, arm in enumerate(("challenger", "incumbent"))
    }
    rates["discordance"] = float((batch.correct[0] != batch.correct[1]).mean())
    rates["score"] = float(batch.score[0].mean()) / 100
    return rates


def test_drawn_pairs_have_the_scenarios_rates() -> None:
    """Rates, discordance and mean score of 60,000 pairs are within five standard errors of the law."""
    found = _rates(Scenario(correlation=0.3))
    expected = {"correct.challenger": 0.896, "correct.incumbent": 0.842, "slow.challenger": 0.0075, "violation.challenger": 0.003}
    for name, rate in expected.items():
        assert abs(found[name] - rate) < 5 * (rate * (1 - rate) / 60_000) ** 0.5
    assert abs(found["discordance"] - 0.15) < 5 * (0.15 * 0.85 / 60_000) ** 0.5
    assert abs(found["score"] - 0.88) < 5 * 0.2 / 60_000**0.5


@pytest.mark.parametrize("design", [0.005, 0.03, 0.15, 0.3, 0.9])
def test_a_design_of_any_gain_can_be_planned_for(design: float) -> None:
    """A small or large gain has a law of its own: what arms can differ by is bounded by their rates."""
    spec = _spec(dimensions={"correctness": {"null": 0.0, "design": design}})
    law = built_in("design", spec).correctness
    assert law.challenger - law.incumbent == pytest.approx(design)


def test_time_and_strata_keep_the_mean_that_they_state() -> None:
    """Bursts keep the rate inside them, drift ends at its change, strata shift by their shares."""
    bursty = Scenario.model_validate(
        {"bursts": {"share": 0.1, "mean_length": 60, "rate": 0.13}, "violation": {"incumbent": 0, "challenger": 0.003}}
    )
    assert abs(_rates(bursty)["violation.challenger"] - (0.1 * 0.13 + 0.9 * 0.003)) < 0.004
    drifting = Scenario.model_validate({"drift": {"by": -0.1}})
    assert abs(_rates(drifting)["correct.challenger"] - 0.796) < 0.01
    strata = Scenario.model_validate({"strata": {"a": {"share": 0.5, "shift": -0.1}, "b": {"share": 0.5, "shift": 0.1}}})
    assert abs(_rates(strata)["correct.challenger"] - 0.896) < 0.01


def test_units_thin_sessions() -> None:
    """`first` keeps one query a session; `drawn` keeps one turn in four and records the probability for it."""
    scenario = Scenario.model_validate({"sessions": {"mean_size": 3}})
    sizes = {u: len(next(draw(scenario, ALL, u, np.random.default_rng(5), 30_000))) for u in ("query", "first", "drawn")}
    assert sizes["query"] == 30_000
    assert abs(sizes["first"] - 10_000) < 5 * (30_000 * 2 / 9) ** 0.5
    drawn = next(draw(scenario, ALL, "drawn", np.random.default_rng(5), 30_000))
    assert set(drawn.thousandths.tolist()) == {250}


def test_semantics_is_observed_where_both_are_correct() -> None:
    """A pair with a wrong answer gives no semantic observation, and every other dimension one."""
    specs = hypotheses(_spec())
    batch = next(draw(Scenario(), ALL, "query", np.random.default_rng(1), 4000))
    encoded = dict(zip([s.name for s in specs], blocks(specs, batch), strict=True))
    both = (batch.correct[0] == 1) & (batch.correct[1] == 1)
    assert ((encoded["semantic"].accept >= 0) == both).all()
    assert (encoded["safety.authorization"].accept >= 0).all()


QUICK = {
    "calibrating": {"pairs": 30},
    "shadow": {"min_pairs": 40, "max_pairs": 3000},
    "canary": {"observations": 300},
    "rollout": {"steps": [0.5], "observations": 300},
    "tail": {"observations": 400},
}


def _job(scenario: Scenario, *, live: bool = True, pairs_per_hour: float | None = None) -> Job:
    spec = _spec(dimensions={**ONE, "correctness": {"design": 0.1}}, phases=QUICK)
    return job_of(spec, scenario, None, live=live, pairs_per_hour=pairs_per_hour)


def _gain(gain: float, **more: object) -> Scenario:
    return Scenario.model_validate(
        {"correctness": {"incumbent": 0.8, "challenger": 0.8 + gain, "discordance": max(0.2, gain)}, **more}
    )


@pytest.mark.parametrize("gain", [0.1, 0.0, -0.1])
def test_the_decision_does_not_depend_on_blocks(gain: float) -> None:
    """The same pairs decide at the same pair, whether they come in blocks of 7, 100 or 5,000."""
    whole = next(draw(_gain(gain), ALL, "query", np.random.default_rng(9), 5000))
    job = _job(_gain(gain))
    found = {size: Life(job.state, job.pair_ms, live=True).run(_cut(whole, size), 5000) for size in (7, 100, 5000)}
    assert found[7] == found[100] == found[5000]
    assert found[7].verdict == ("completed" if gain > 0 else "rejected")


def _cut(whole: Outcomes, size: int):  # type: ignore[no-untyped-def]
    for start in range(0, len(whole), size):
        here = slice(start, start + size)
        pairs = {name: tuple(arm[here] for arm in getattr(whole, name)) for name in ("correct", "slow", "score", "violation")}
        yield Outcomes(**pairs, classes={k: v[here] for k, v in whole.classes.items()}, thousandths=whole.thousandths[here])


def test_a_good_challenger_walks_every_phase() -> None:
    """From acceptance to the end a run takes exactly the observations that the live phases ask for."""
    outcomes = list(run_many(_job(_gain(0.15)), 6, 2, 1))
    assert {o.verdict for o in outcomes} == {"completed"}
    assert {o.pairs - (o.accepted or 0) for o in outcomes} == {300 + 300 + 400}


def test_a_challenger_that_turns_worse_in_production_is_rolled_back() -> None:
    """A drift that begins after acceptance ends in ROLLED_BACK by a monitor, and the pairs tell when."""
    job = _job(_gain(0.15, drift={"by": -0.35, "after": 600}))
    outcomes = list(run_many(job, 6, 3, 1))
    assert {o.verdict for o in outcomes} == {"rolled_back"}
    assert all(o.reason.startswith("alarm in ") and o.accepted and o.accepted < 600 < o.pairs for o in outcomes)


def test_shadow_alone_ends_with_the_acceptance() -> None:
    """Without the live phases a run that is accepted is promoted at that pair: what `plan` asks for."""
    shadow, whole = (list(run_many(_job(_gain(0.1), live=live), 5, 4, 1)) for live in (False, True))
    assert [o.accepted for o in shadow] == [o.accepted for o in whole]
    assert all(o.verdict == "promoted" and o.pairs == o.accepted for o in shadow if o.accepted)


def test_minimum_durations_bind_where_a_rate_is_given() -> None:
    """At 100 pairs an hour a canary, a step and a tail of 24 h each take 2,400 pairs or more."""
    outcome = next(run_many(_job(_gain(0.15), pairs_per_hour=100), 1, 2, 1))
    assert outcome.verdict == "completed"
    assert outcome.pairs - (outcome.accepted or 0) >= 3 * 2400


@pytest.mark.parametrize("drift", [None, Drift(by=-0.3, after=2200), Drift(by=-0.12, after=2000, over=400)])
def test_the_screened_watch_alarms_where_the_gates_monitors_do(drift: Drift | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told without running a monitor is what the gate's monitors tell, at the same pair, with every reset."""
    spec = _spec(phases={**QUICK, "rollout": {"steps": [0.5], "observations": 300, "reset": "fir"}})
    job = job_of(spec, Scenario(drift=drift), 3000, live=True)
    screened = list(run_many(job, 4, 8, 1))
    monkeypatch.setattr("dualgate.lab.simulate.watch.Watch._near", lambda *_: True)
    assert list(run_many(job, 4, 8, 1)) == screened
    assert any(o.accepted for o in screened)
    assert drift is None or any(o.verdict == "rolled_back" for o in screened)


def test_runs_do_not_depend_on_the_number_of_processes() -> None:
    """One process and two give the same outcomes in the same order."""
    spec = _spec(dimensions={**ONE, "correctness": {"design": 0.1}}, phases={"shadow": {"min_pairs": 50, "max_pairs": 400}})
    job = job_of(spec, built_in("design", spec), 1000)
    assert list(run_many(job, 12, 4, 1)) == list(run_many(job, 12, 4, 2))


def test_a_summary_counts_every_run_once() -> None:
    """Fractions of verdicts sum to one, each inside its exact binomial interval."""
    outcomes = [Outcome("promoted", "accepted", 100, 100)] * 7 + [Outcome("rejected", "futile", 300)] * 3
    found = summary(outcomes)
    assert sum(v["fraction"] for v in found["verdicts"].values()) == 1
    assert found["verdicts"]["promoted"] == pytest.approx({"fraction": 0.7, "low": 0.34755, "high": 0.93326, "n": 7}, abs=1e-5)
    assert found["accepted"] == found["verdicts"]["promoted"]
    assert found["pairs"] == {"mean": 160.0, "median": 100.0, "q90": 300.0}


def test_pairs_that_run_out_leave_the_verdict_open() -> None:
    """A limit below what a decision takes gives `undecided`, never a pass."""
    spec = _spec()
    outcomes = list(run_many(job_of(spec, Scenario(), 350), 3, 1, 1))
    assert {(o.verdict, o.pairs) for o in outcomes} == {("undecided", 350)}


def test_scenario_files(tmp_path: Path) -> None:
    """A named scenario is read from its file; what is wrong in it is told with file, line and key."""
    file = tmp_path / "scenarios.yaml"
    file.write_text(
        "scenarios:\n  mine:\n    violation: {incumbent: 0.01, challenger: 0.02}\n  bad:\n    violation:\n      incumbent: 3\n"
    )
    spec = _spec()
    assert load_scenario("mine", spec, file).violation.challenger == 0.02
    assert load_scenario("good", spec, file) == Scenario()
    with pytest.raises(ConfigError, match=r"scenarios\.yaml:\d+: scenarios\.bad\.violation"):
        load_scenario("bad", spec, file)
    with pytest.raises(ConfigError, match=r"scenario 'none' is not there; accepted: mine, bad, good"):
        load_scenario("none", spec, file)
    with pytest.raises(ConfigError, match=r"scenario file .*nowhere\.yaml"):
        load_scenario("mine", spec, tmp_path / "nowhere.yaml")


def test_every_fault_of_a_scenario_is_told_with_its_value_and_what_is_accepted(tmp_path: Path) -> None:
    """Unknown keys name the accepted ones, also below a stratum's name; all faults are told; a name is listed once."""
    file = tmp_path / "scenarios.yaml"
    file.write_text(
        "scenarios:\n  good:\n    slo: 3\n    correctness: {incumbent: 2, challenger: 0.5}\n    strata: {a: {shere: 1}}\n"
    )
    with pytest.raises(ConfigError) as told:
        load_scenario("good", _spec(), file)
    slo, rate, missing, key = str(told.value).replace(str(file), "f").splitlines()
    assert slo.startswith("f:3: scenarios.good.slo=3 is not a key here; accepted are correctness, slow, semantic")
    assert rate == "f:4: scenarios.good.correctness.incumbent=2: must be less than or equal to 1"
    assert missing == "f:5: scenarios.good.strata.a.share is missing"
    assert key == "f:5: scenarios.good.strata.a.shere=1 is not a key here; accepted are share, shift"
    with pytest.raises(ConfigError, match=r"accepted: good, design, equal, worse, null$"):
        load_scenario("nobody", _spec(), file)


def test_impossible_laws_are_refused() -> None:
    """A discordance that two rates cannot have, and classes above the whole, are errors with the numbers."""
    with pytest.raises(ValidationError, match=r"discordance=0\.01 is impossible"):
        Binary(incumbent=0.8, challenger=0.9, discordance=0.01)
    with pytest.raises(ValidationError, match=r"classes\.authorization=0\.5"):
        Scenario(classes={"authorization": 0.5})


def test_simulate_prints_the_promised_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`simulate --json` prints each verdict's fraction with an interval, and mean, median and 90 % quantile of pairs."""
    file = tmp_path / "migration.yaml"
    file.write_text(FILE)
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--config", str(file), "--runs", "10", "--json", "--processes", "1", "--scenario", "design"])
    assert ended.value.code in (0, None)
    printed = json.loads(capsys.readouterr().out)
    known = {"completed", "promoted", "rejected", "rolled_back", "aborted", "inconclusive", "undecided"}
    assert set(printed["verdicts"]) == known
    assert sum(v["n"] for v in printed["verdicts"].values()) == 10
    assert set(printed["verdicts"]["promoted"]) == {"fraction", "low", "high", "n"}
    assert set(printed["pairs"]) == {"mean", "median", "q90"}


def test_plan_prints_pairs_cost_and_thresholds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`plan --json` tells pairs, time, cost, thresholds and the chance to promote."""
    file = tmp_path / "migration.yaml"
    file.write_text(FILE)
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(file), "--runs", "4", "--json", "--queries-per-hour", "100"])
    assert ended.value.code in (0, None)
    printed = json.loads(capsys.readouterr().out)
    assert printed["pairs"]["calibrating"] == 50
    assert printed["thresholds"]["accept_by_rank"] == [2.995733]
    assert printed["time_hours"]["median"] >= 24
    assert 0 < printed["suggested_shadow_share"] <= 1
    assert printed["cost"]["at_most"] >= printed["cost"]["expected"] > 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("dimensions: {safety: off}\n", {"correctness": "scoring.golden and scoring.rater are both missing"}),
        ("dimensions: {correctness: off, safety: {classes: {authorization: {null: 0.005, design: 0.0005}}}}\n",
         {"safety.authorization": "scoring.grants is missing"}),
        ("dimensions: {correctness: off, safety: {classes: {}}}\n", {}),
    ],
)  # fmt: skip
def test_a_plan_tells_what_the_file_gives_nothing_to_score_by(change: str, told: dict[str, str]) -> None:
    """The simulated chance is of scored pairs: where a file scores none of a hypothesis, nothing passes, and that is told."""
    assert unscored(parse_migration("migration: m\nincumbent: a:1\nchallenger: a:2\n" + change)) == told


@pytest.mark.parametrize("words", [["--runs", "0"], ["--scenario", "wat"], ["--seed", "-1"], ["--pairs-per-hour", "0"]])
def test_bad_options_end_with_2(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An impossible option ends with exit code 2 and a message that names it."""
    file = tmp_path / "migration.yaml"
    file.write_text(FILE)
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--config", str(file), *words])
    assert ended.value.code == 2
    assert words[1] in capsys.readouterr().err
