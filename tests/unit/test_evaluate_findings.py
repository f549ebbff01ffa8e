"""What the report says in words and where rivals are better: computed from the figures of the run, over all of them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from dualgate.lab.evaluate import findings, goals, rivals
from dualgate.lab.evaluate.events import EVENTS
from dualgate.lab.evaluate.goals import OURS
from dualgate.lab.evaluate.measures import fraction, mean, measured
from dualgate.lab.evaluate.page import marked
from support.ledgers import config

SPEC = config("migration: m\nincumbent: a:1\nchallenger: a:2\nmode: replay\n").spec
NAMES = (OURS, "dualgate_unpaired_live", "canary", "ab_fixed", "ab_peeked", "argo")
LIFE: Mapping[str, Any] = {
    "verdict": "stopped", "reason": "", "claims_worse": False, "decided_day": 2.0, "pairs": 400, "stopped_day": 40.0, "harm": 0,
    "decided": {"correctness": 400, "semantic": 500, "safety": 600, "latency": 450}, "all_users_day": 20.0, "harm_wide": 0,
    "impact_days": 0.0, "impact_wide_days": 0.0, "served": 0, "mirrored": 500, "gain": 0.02,
}  # fmt: skip


@cache
def _usual(event: str) -> dict[str, Any]:
    return measured(EVENTS[event], [_life(event)] * 10)


def _life(event: str, **changes: Any) -> dict[str, Any]:
    return {**LIFE, **({"verdict": "promoted", "stopped_day": None} if EVENTS[event].good else {}), **changes}


def run(**changes: Any) -> dict[str, Any]:
    """Return the measures of ten equal lives of every strategy at every event; changes by `event__strategy`."""
    told = {name: {"events": {event: _usual(event) for event in EVENTS}} for name in NAMES}
    for key, change in changes.items():
        event, _, name = key.partition("__")
        told[name]["events"][event] = measured(EVENTS[event], [_life(event, **change)] * 10)
    return told


def said(told: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the findings by the title that they stand under."""
    return {section.title: list(section.points) for section in findings.findings(told, SPEC)}


def under(told: Mapping[str, Any], claim: str) -> tuple[str, str]:
    """Return the title that a claim stands under, and its words."""
    return next((title, point) for title, points in said(told).items() for point in points if point.startswith(f"**{claim}"))


def test_every_measure_has_a_better_side_or_a_reason_to_have_none() -> None:
    """No measure of any event escapes the comparison with rivals but pairs to decision by dimension, which only this gate has."""
    promoted = {"equal__canary": {"verdict": "promoted"}}
    every = {m for strategy in run(**promoted).values() for event in strategy["events"].values() for m in event}
    assert {m for m in every if not m.startswith("pairs_to_decision_")} == set(rivals.BETTER_IS) | set(rivals.NEITHER)


def _strategies(**measures: Any) -> dict[str, Any]:
    return {"events": {"equal": measures, "accuracy_improvement": measures, "combined": measures}}


def test_every_place_where_a_rival_is_better_is_named() -> None:
    """Rivals are named by estimate, and beyond chance where the whole interval is better; to stop a good one fast is none."""
    strategies = {
        OURS: _strategies(false_rollback=fraction(30, 100), mirrored=mean([10.0]), days_to_stop=mean([9.0, 9.0])),
        "quiet": _strategies(false_rollback=fraction(0, 100), mirrored=mean([0.0]), days_to_stop=mean([1.0, 1.0])),
        "slightly": _strategies(false_rollback=fraction(29, 100), mirrored=mean([0.0]), days_to_stop=mean([9.0, 9.0])),
    }
    section = rivals.rivals_better(strategies)
    assert {(row[0], row[1], row[3], row[4]) for row in section.tables[0].rows} == {
        ("false rollback", "equal", "quiet 0", "slightly 0.29"),
        ("false rollback", "accuracy_improvement", "quiet 0", "slightly 0.29"),
        ("false rollback", "combined", "quiet 0", "slightly 0.29"), ("days to stop", "combined", "quiet 1", "-"),
    }  # fmt: skip
    assert "no rival has more than 0, this gate 10 to 10" in section.words[1]
    once = {OURS: _strategies(days_to_stop=mean([9.0, 9.0])), "lucky": _strategies(days_to_stop=mean([1.0]))}
    assert [row[3:] for row in rivals.rivals_better(once).tables[0].rows] == [("-", "lucky 1")]


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("Nobody sees a regression", {"combined__dualgate": {"harm": 1}}),
        ("At most 4% false rollback", {"equal__dualgate": {"claims_worse": True}}),
        ("At most 4% false rollback", {"combined_day_12__dualgate": {"claims_worse": True, "stopped_day": 3.0}}),
        ("At most 5% false promotion", {"repeated_sessions__dualgate": {"verdict": "promoted"}}),
        ("Bad challengers take", {"authorization__dualgate": {"pairs": 1600}}),
        ("A good challenger takes", {"accuracy_improvement__dualgate": {"pairs": 1600}}),
        ("-41 % against", {"accuracy_improvement__dualgate": {"decided_day": 6.0}}),
        ("A provider's outage", {"outage__dualgate": {"verdict": "stopped"}}),
        ("Near-duplicates", {"near_duplicates__dualgate": {"verdict": "promoted"}}),
        (
            "312, 614 and 489",
            {"accuracy_improvement__dualgate": {"decided": {"correctness": 313, "semantic": 614, "safety": 489}}},
        ),
        ("The combined event is missed", {"combined__canary": {"stopped_day": 7.0}}),
    ],
)
def test_the_figures_choose_the_words(claim: str, changes: dict[str, Any]) -> None:
    """A claim stands under what holds, and under what does not as soon as one figure of the run contradicts it."""
    good = {
        "accuracy_improvement__dualgate": {"decided": {"correctness": 312, "semantic": 614, "safety": 489}},
        "combined__canary": {"verdict": "promoted", "stopped_day": None},
    }
    assert under(run(**good), claim)[0] == "What holds"
    assert under(run(**(good | changes)), claim)[0] == "What does not hold"


def test_a_finding_without_its_figures_is_left_out() -> None:
    """A run of one event says what that event shows and nothing else; a run of none has no findings."""
    one = {name: {"events": {"near_duplicates": told["events"]["near_duplicates"]}} for name, told in run().items()}
    claims = [point.split(":")[0] for points in said(one).values() for point in points]
    assert claims == ["**Near-duplicates"]
    assert findings.findings({}, SPEC) == []


def test_goals_are_asked_of_every_event_that_has_them() -> None:
    """False rollback and false promotion have a row wherever they can be; what is outside of the assumptions comes last."""
    rows = goals.goals(run(), SPEC).tables[0].rows
    for measure, has in (
        ("rollback", lambda e: not e.worse or e.onset_day),
        ("promotion", lambda e: not e.good and not e.onset_day),
    ):
        named = [goal.partition(":")[0] for goal, _, _ in rows if f"false {measure} at most" in goal]
        assert set(named) == {name for name, event in EVENTS.items() if has(event)}
        marks = ["outside of the assumptions" in goal for goal, _, _ in rows if f"false {measure} at most" in goal]
        assert marks == sorted(marks)


def test_marks_become_html_and_nothing_else_does() -> None:
    """Strong, emphasis and code are told in HTML; what else looks like it is escaped."""
    assert marked("**a** *b* `c` <i>") == "<strong>a</strong> <em>b</em> <code>c</code> &lt;i&gt;"
