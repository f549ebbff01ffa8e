"""A rated migration is simulated and planned by the gate's own line, with the plan's rater and labels that come at once."""

from dualgate.lab.simulate.planning import plan_document
from dualgate.lab.simulate.runs import job_of, run_many
from dualgate.lab.simulate.scenario import built_in
from support.gate import EASY, QUICK, config
from support.rated import RATER


def test_a_rated_migration_is_simulated_and_planned() -> None:
    """The design is accepted by rater and labels, live phases too; the plan tells how many pairs people label."""
    easy = EASY | {"semantic": {"null": 0.6, "design": 0.85}, "correctness": {"null": -0.1, "design": 0.05}}
    spec = config(dimensions=easy, phases=QUICK, scoring={"rater": RATER}).spec
    job = job_of(spec, built_in("design", spec), None, live=True)
    outcomes = list(run_many(job, 4, 1, processes=1))
    assert sum(outcome.verdict == "completed" for outcome in outcomes) >= 3
    labels = plan_document(spec, job, 300.0, {"design": outcomes})["labels"]
    assert (labels["probability"], labels["live"]["CANARY"], labels["live"]["TAIL"]) == (0.2, 12, 20)
    assert labels["median"] < labels["at_most"]


def test_the_null_is_not_accepted_by_a_rater() -> None:
    """A challenger on the null of correctness, rated by the plan's rater, is not accepted in any of a few runs."""
    spec = config(dimensions=EASY, phases=QUICK, scoring={"rater": RATER}).spec
    job = job_of(spec, built_in("null", spec), 600)
    assert all(outcome.accepted is None for outcome in run_many(job, 4, 1, processes=1))
