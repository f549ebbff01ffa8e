"""What was to be reached, and whether it was: each goal with its numbers, and every place where a rival did better."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dualgate.gate.admission import eligible_shares
from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.stats import sprt_plan
from dualgate.lab.evaluate.events import EVENTS, STUDY, Event
from dualgate.lab.evaluate.tables import Section, Table, number, percent
from dualgate.schemas.migration import MigrationSpec

OURS = "dualgate"
VALID = ("accuracy_improvement", "equal", "clearly_better", "seasonal_mix", "repeated_sessions", "outage", "stricter_judge")
"""Where the gate's assumptions hold: no more is claimed of queries than that a unit's average is what it is."""
BROKEN = {
    "near_duplicates": "queries are no independent units (30 % are copies of twenty): the file's `unit: first` does not see it",
    "partial_judge": "the judge lies for the challenger; only human labels on a sample (PPI++) can tell",
}
STUDY_PAIRS = {"correctness": 312, "semantic": 614, "safety": 489}
WINDOW_DAYS = 7.0

Told = Mapping[str, Any]
"""`strategies` of the document: by strategy, `events`, event, measure."""


def fixed_samples(spec: MigrationSpec, miss: float | None = None) -> dict[str, float]:
    """Return the pairs that a fixed-sample test of each hypothesis needs, queries that are not scored included.

    At the file's alpha, and its beta unless another is given.
    """
    errors, found = spec.errors, {}
    specs = hypotheses(spec)
    for s in specs:
        accept = s.accept
        plan = sprt_plan(accept.lattice.values, s.law, accept.null, errors.promote, errors.miss if miss is None else miss)
        found[s.name] = plan.n_fixed / eligible_shares(specs).get(s.dimension, 1.0)
    return found


def goals(strategies: Told, spec: MigrationSpec) -> Section:
    """Return every goal with what was measured."""
    rows = [*_detection(strategies), *_false(strategies), *_times(strategies, spec)]
    words = (
        "Each goal with its measure (95 % intervals: exact binomial for shares, t for means). *holds*: the whole interval is "
        "within the goal; *holds so far*: the estimate is, more runs would have to show the rest; *fails*: the estimate is not.",
    )
    return Section("Goals", words, (Table("", ("goal", "measured", ""), rows),))


Row = tuple[str, str, str]


def _state(estimate: bool, interval: bool) -> str:
    return "holds" if interval else "holds so far" if estimate else "fails"


def _event(strategies: Told, name: str, event: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = strategies.get(name, {}).get("events", {}).get(event, {})
    return found


def _detection(strategies: Told) -> Iterator[Row]:
    for event in STUDY[1:]:
        told = _event(strategies, OURS, event).get("detected_before_impact")
        if told:
            state = _state(told["estimate"] >= 0.99, told["low"] >= 0.99)
            yield f"{event}, there from the start: detected before any user saw it, 99 %", percent(told), state


def _false(strategies: Told) -> Iterator[Row]:
    for measure, most in (("false_rollback", 0.04), ("false_promotion", 0.05)):
        for event in (*VALID, *BROKEN):
            told = _event(strategies, OURS, event).get(measure)
            if told and told["n"]:
                state = _state(told["estimate"] <= most, told["high"] <= most)
                note = f" (assumption broken: {BROKEN[event]})" if event in BROKEN else ""
                yield f"{event}: {measure.replace('_', ' ')} at most {most:.0%}{note}", percent(told), state


def _times(strategies: Told, spec: MigrationSpec) -> Iterator[Row]:
    slowest, n = max(fixed_samples(spec).items(), key=lambda item: item[1])
    together = max(fixed_samples(spec, spec.errors.miss / 4).values())
    good = _event(strategies, OURS, "accuracy_improvement")
    pairs, days = good.get("pairs_to_verdict"), good.get("days_to_verdict")
    if pairs:
        goal = f"good challenger: pairs to the verdict, -15 to -35 % against a fixed sample of {n:,.0f} ({slowest}, power 90 %)"
        yield goal, *_against(pairs, n, -0.15)
        goal = f"the same against {together:,.0f}, with which all four tests together have that power"
        yield goal, *_against(pairs, together, -0.15)
    for event in STUDY[1:]:
        stopped = _event(strategies, OURS, event).get("pairs_to_stop")
        if stopped:
            yield f"{event}: pairs to the stop, -50 to -75 % against {n:,.0f}", *_against(stopped, n, -0.5)
    if days:
        yield "good challenger: days to the verdict, -41 % against a seven-day window", *_against(days, WINDOW_DAYS, -0.41, 1)


def _against(told: Mapping[str, Any], base: float, most: float, digits: int = 0) -> tuple[str, str]:
    """Return a mean beside what it is compared with, and whether it is lower by as much as wanted."""
    estimate, high = (told[name] / base - 1 for name in ("estimate", "high"))
    return f"{number(told, digits)}, {estimate:+.0%}", _state(estimate <= most, high <= most)


BETTER_IS = {
    "promoted": 1, "detected": 1, "detected_before_impact": 1, "detected_before_wide_impact": 1, "false_rollback": -1,
    "false_promotion": -1, "bad_answers_seen": -1, "bad_answers_seen_wide": -1, "impact_days": -1, "impact_days_wide": -1,
    "days_to_verdict": -1, "days_to_all_users": -1, "days_to_stop": -1,
}  # fmt: skip
"""Which side of each measure is better; mirrored answers are told in words, since no rival has any to speak of."""


def rivals_better(strategies: Told) -> Section:
    """Return where a rival's interval lies wholly on the better side of this gate's, by event and measure."""
    found: dict[tuple[str, str], list[str]] = {}
    for event in _events(strategies):
        ours = _event(strategies, OURS, event)
        for measure, sign in BETTER_IS.items():
            if measure not in ours or not _asked_of(measure, EVENTS[event]):
                continue
            for name in strategies:
                theirs = _event(strategies, name, event).get(measure)
                if not name.startswith(OURS) and theirs and _beats(theirs, ours[measure], sign):
                    found.setdefault((measure, event), []).append(f"{name} {theirs['estimate']:.3g}")
    rows = [
        (measure.replace("_", " "), event, f"{_event(strategies, OURS, event)[measure]['estimate']:.3g}", ", ".join(names))
        for (measure, event), names in sorted(found.items())
    ]
    spent = [_event(strategies, OURS, event)["mirrored"]["estimate"] for event in _events(strategies)]
    words = (
        "Every measure and event where a rival's whole interval is better than this gate's. Days to the stop are of "
        "the streams that "
        "were stopped: a strategy that stops few, by chance and early, looks fast.",
        f"No rival mirrors anything (blue-green 100 queries); this gate has {min(spent):,.0f} to {max(spent):,.0f} "
        "answers given a "
        "second time, by event. That is the price of seeing before users do.",
    )
    return Section("Where a rival is better", words, (Table("", ("measure", "event", OURS, "rivals"), rows),))


def _asked_of(measure: str, event: Event) -> bool:
    """Tell whether a measure is to be good at on an event: who turns a good challenger away fast has won nothing."""
    return {"promoted": event.good, "days_to_stop": event.worse}.get(measure, True)


def _beats(theirs: Mapping[str, float], ours: Mapping[str, float], sign: int) -> bool:
    return theirs["low"] > ours["high"] if sign > 0 else theirs["high"] < ours["low"]


def _events(strategies: Told) -> list[str]:
    return [event for event in EVENTS if event in strategies.get(OURS, {}).get("events", {})]


def least_pairs() -> Section:
    """Return the least mean number of pairs that any test needs to tell the rare events from what is tolerated.

    Wald's bound: E1[N] >= [(1 - b) log((1 - b) / a) + b log(b / (1 - a))] / KL(p1, p0), which no test of these error rates
    beats, whatever it is (Wald 1945; statistics page, theorem 4).
    """
    cases = (
        ("authorization class: .8 % against its ceiling .5 %", 0.008, 0.005, 0.0125),
        ("authorization: violations 1.1 % against the incumbent's .4 % + .2 % tolerated", 0.011, 0.006, 0.0025),
        ("hallucination: violations 1.5 % against .4 % + .2 % tolerated, were it not in bursts", 0.015, 0.006, 0.0025),
        ("the study's violation rates: .4 % against .3 %", 0.004, 0.003, 0.05),
    )
    rows = [(words, f"{alpha:g}", f"{least(p1, p0, alpha, 0.1):,.0f}") for words, p1, p0, alpha in cases]
    told = (
        "Rare events need many pairs whatever the test: Wald's bound on the mean number, at power 90 % and the level at which "
        "this gate claims. Rejecting as futile, which claims less, needs fewer.",
    )
    return Section("The least pairs that any test needs", told, (Table("", ("to be told apart", "level", "pairs"), rows),))


def least(p1: float, p0: float, alpha: float, beta: float) -> float:
    """Return Wald's lower bound on the mean sample size under p1 of a test of p0 against p1 with errors alpha and beta."""
    divergence = p1 * np.log(p1 / p0) + (1 - p1) * np.log((1 - p1) / (1 - p0))
    return float(((1 - beta) * np.log((1 - beta) / alpha) + beta * np.log(beta / (1 - alpha))) / divergence)
