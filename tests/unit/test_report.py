"""The report: what it says, and that it needs no network."""

import re
from pathlib import Path
from typing import Any

import pytest

from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import BudgetEvidence, CheckEvidence, RouterBehind, Routers, StratumEvidence
from dualgate.sinks.report import Story, render, sentence, summary, verdict_of, write_report
from dualgate.sinks.report.guards import budget_words
from support.stories import config, decision, rollout, snapshot, story


@pytest.mark.parametrize(
    ("phase", "verdict"),
    [
        ("COMPLETED", "completed"),
        ("REJECTED(worse)", "rejected"),
        ("REJECTED(futile)", "rejected"),
        ("ROLLED_BACK", "rolled_back"),
        ("ABORTED", "aborted"),
        ("INCONCLUSIVE", "inconclusive"),
        ("CANARY", "promoted"),
        ("ROLLOUT(0.25)", "promoted"),
        ("TAIL", "promoted"),
        ("SHADOW", "undecided"),
        ("CALIBRATING", "undecided"),
    ],
)
def test_each_phase_has_its_verdict(phase: str, verdict: str) -> None:
    """A live phase at the end of a log means promoted; a phase before it means undecided."""
    assert verdict_of(phase) == verdict


def test_the_summary_is_as_of_the_decision() -> None:
    """Evidence and pairs are those of the acceptance, although the log went on."""
    told = summary(story())
    assert (told["verdict"], told["pairs"], told["n_pairs"]) == ("completed", 4_800, 12_000)
    assert told["dimensions"]["correctness"]["n"] == 4_800
    assert [each["sequence"] for each in told["decisions"]] == [2, 3, 4, 5, 6]
    assert told["coverage"] == pytest.approx(4_800 / 4_896)


def test_a_log_that_ends_in_the_rollout_is_promoted() -> None:
    """The shadow phase accepted; the sentence says that the rollout did not end."""
    assert summary(story(2))["verdict"] == "promoted"
    assert "before the rollout did" in sentence(story(2))


def test_a_rollback_is_told_as_of_the_rollback() -> None:
    """What turned the challenger away outranks the acceptance before it."""
    back = decision(7_000, "ROLLOUT(0.25)", "ROLLED_BACK", 0.0, sequence=4, reason="correctness worse: log e 6.10 ≥ 5.99")
    told = Story.of(config(), [*rollout(2), back], 12_000)
    assert (summary(told)["verdict"], summary(told)["pairs"]) == ("rolled_back", 7_000)
    assert "log e 6.10 ≥ 5.99" in sentence(told)


def test_a_dimension_that_is_off_is_said_loudly() -> None:
    """The sentence, the summary and a warning on the page all say so."""
    told = story(2, dimensions={"safety": "off"})
    assert summary(told)["dimensions"]["safety"]["status"] == "off"
    assert "Not measured at all: safety" in sentence(told)
    assert "safety is off: this verdict says nothing about it." in render(told)


def test_a_dimension_without_data_is_said_loudly() -> None:
    """Absence of evidence is not a pass, and the page says so."""
    told = Story.of(config(), [snapshot(500, dimensions={})], 500)
    assert summary(told)["verdict"] == "undecided"
    assert summary(told)["dimensions"]["latency"]["status"] == "missing"
    assert "latency has no data at all: absence of evidence is not a pass." in render(told)


def test_poor_coverage_is_said_loudly() -> None:
    """Below nine in ten, the page tells the share and how many are missing."""
    from support.stories import evidence

    thin = {name: evidence(name, 500, n_missing=250) for name in ("correctness", "latency", "semantic", "safety")}
    page = render(Story.of(config(), [snapshot(500, dimensions=thin)], 500))
    assert "correctness was scored on only 66.7% of the pairs where it could be (250 missing)." in page


def test_only_the_newest_epoch_and_no_repeat_is_told() -> None:
    """A record that was published twice counts once; an older epoch and another migration do not count at all."""
    old = snapshot(9_000, epoch=0)
    foreign = snapshot(9_000, migration_id="another")
    told = Story.of(config(), [old, foreign, snapshot(100), snapshot(100), *rollout(1)])
    assert told.seen_pairs == 5_999 // 100 * 100
    assert len([s for s in told.snapshots if s.n_pairs == 100]) == 1


def test_the_page_opens_with_no_network() -> None:
    """Nothing is loaded from anywhere: no script, style, image or font has an address."""
    page = render(story())
    outside = re.findall(r"<(?:script|link|img|iframe)[^>]*\b(?:src|href)\s*=\s*[\"'][^\"']+", page)
    assert outside == []
    assert "Plotly.newPlot" in page
    assert page.count('class="plotly-graph-div"') == 9


def test_every_decision_stands_in_the_page_with_its_reason() -> None:
    """The timeline has each move, its share and both numbers of its reason."""
    page = render(story())
    for made in story().decisions:
        assert f"{made.from_phase} → {made.to_phase}" in page
        assert made.reason in page


def test_what_others_wrote_is_text_and_not_markup() -> None:
    """A reason with angle brackets cannot put a script into the page."""
    nasty = decision(4_800, "SHADOW", "ABORTED", 0.0, reason="<script>alert(1)</script>", routing_command=None)
    page = render(Story.of(config(), [snapshot(100), nasty]))
    assert "<script>alert(1)" not in page


def test_a_story_without_anything_is_a_page_too() -> None:
    """No snapshot and no decision: the page says so and does not fail."""
    page = render(Story.of(config(), []))
    assert "No decision was made." in page
    assert "No evidence snapshot is in the log" in page


def test_a_report_that_cannot_be_written_names_its_place(tmp_path: Path) -> None:
    """The error names the path; nothing is left half-written."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"report .*file/report\.html"):
        write_report(story(), tmp_path / "file" / "report.html")


def test_routers_are_told_where_there_are_some() -> None:
    """How many follow, the name of one that does not, and that users are still being taken back."""
    behind = [RouterBehind(router_id="web-2", epoch=1, sequence=2, heard_ms=0, challenger=0)]
    told = Routers(following=2, silent=0, n_behind=1, behind=behind, rolling_back=True)
    page = render(Story.of(config(), [*rollout(2), snapshot(7_100, "ROLLED_BACK", routers=told)], 12_000))
    assert "web-2 does not follow" in page
    assert "obeys 1/2" in page
    assert "a router has not let go of the challenger" in page
    assert "<h2>Routers</h2>" not in render(story())


def test_coverage_by_stratum_checks_and_operators_stand_in_the_page() -> None:
    """What holds a step is told with both numbers, by phase; who commanded what stands there over all epochs."""
    strata = {"join": StratumEvidence(eligible={"correctness": 40}, scored={"correctness": 31})}
    checks = {"strata": CheckEvidence(log_e=9.5, threshold=9.17, holds=True)}
    seen = snapshot(7_100, "CANARY", 0.05, strata=strata, checks=checks)
    order: dict[str, Any] = {
        "kind": "command",
        "rule": "pause",
        "outcome": "applied",
        "actor": "ann@host",
        "routing_command": None,
    }
    old = decision(10, "SHADOW", "SHADOW", 0.0, decision_id="m/0/1", epoch=0, reason="ann@host: paused (freeze)", **order)
    page = render(Story.of(config(), [old, *rollout(2), seen], 12_000))
    assert "correctness 31 of 40" in page
    assert "log e 9.50 ≥ 9.17: HOLDS the step" in page
    assert "off in mode replay" in page or "no router has told of a query" in page
    assert "<h2>Who commanded what, and when</h2>" in page
    assert "ann@host: paused (freeze)" in page


def test_a_budget_that_better_answers_have_filled_up_is_no_negative_use() -> None:
    """An SRE reads how many fewer bad answers there were, not that minus fifty-five were used."""
    told = BudgetEvidence(allowed=20.0, used=-55.0, left=75.0, n=990, planned=1_000, exhausted=False, burning=False)
    assert budget_words(told) == (
        "none of 20.00 extra bad answers used, 55.00 fewer than the incumbent's, 75.00 left (990 of 1,000 observations)"
    )
