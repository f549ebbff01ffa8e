"""What was to be reached, and whether it was: each goal with its numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dualgate.gate.admission import eligible_shares
from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.stats import sprt_plan
from dualgate.lab.evaluate.events import EVENTS, REGRESSIONS, STUDY
from dualgate.lab.evaluate.measures import fraction
from dualgate.lab.evaluate.tables import Section, Table, number, percent
from dualgate.schemas.migration import MigrationSpec

OURS = "dualgate"
OUTSIDE = {
    "near_duplicates": "thirty in a hundred queries are copies of twenty, so an equal agent is better or worse on these "
    "very streams",
    "partial_judge": "the judge lies for the challenger; only human labels on a sample (PPI++) can tell",
    "worse_in_one_stratum": "over all queries, which is what the file asks about, the challenger is better",
}
"""Events in which an assumption of the gate is broken, or the question is another one than the migration file asks."""
STUDY_PAIRS = {"correctness": 312, "semantic": 614, "safety": 489}
FALSE_ROLLBACK = 0.04
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
        "within the goal; *holds so far*: the estimate is, more runs would have to show the rest; *fails*: the estimate is "
        "not.",
    )
    return Section("Goals", words, (Table("", ("goal", "measured", ""), rows),))


Row = tuple[str, str, str]


def _state(estimate: bool, interval: bool) -> str:
    return "holds" if interval else "holds so far" if estimate else "fails"


def measures_of(strategies: Told, name: str, event: str, measure: str) -> Mapping[str, Any] | None:
    """Return a measure of a strategy on an event, None where there is none."""
    found: Mapping[str, Any] | None = strategies.get(name, {}).get("events", {}).get(event, {}).get(measure)
    return found


def _detection(strategies: Told) -> Iterator[Row]:
    """Yield a row a regression, and one over all: streams of different events share their queries, not their faults."""
    found = {e: told for e in REGRESSIONS if (told := measures_of(strategies, OURS, e, "detected_before_impact"))}
    together = fraction(sum(round(told["estimate"] * told["n"]) for told in found.values()), sum(t["n"] for t in found.values()))
    each = {f"{event}, there from the start": told for event, told in found.items()}
    for words, told in (each | {f"the {len(found)} together": together}).items() if found else ():
        state = _state(told["estimate"] >= 0.99, told["low"] >= 0.99)
        yield f"{words}: detected before any user saw it, 99 %", percent(told), state


def _false(strategies: Told) -> Iterator[Row]:
    """Yield false rollbacks and false promotions wherever they can be; what lies outside of the assumptions comes last."""
    for measure, most in (("false_rollback", FALSE_ROLLBACK), ("false_promotion", 0.05)):
        for event in sorted(EVENTS, key=lambda event: event in OUTSIDE):
            told = measures_of(strategies, OURS, event, measure)
            if told and told["n"]:
                state = _state(told["estimate"] <= most, told["high"] <= most)
                note = f" (outside of the assumptions: {OUTSIDE[event]})" if event in OUTSIDE else ""
                yield f"{event}: {measure.replace('_', ' ')} at most {most:.0%}{note}", percent(told), state


def _times(strategies: Told, spec: MigrationSpec) -> Iterator[Row]:
    slowest, n = max(fixed_samples(spec).items(), key=lambda item: item[1])
    together = max(fixed_samples(spec, spec.errors.miss / 4).values())
    pairs, days = (measures_of(strategies, OURS, STUDY[0], name) for name in ("pairs_to_verdict", "days_to_verdict"))
    if pairs:
        goal = f"good challenger: pairs to the verdict, -15 to -35 % against a fixed sample of {n:,.0f} ({slowest}, power 90 %)"
        yield goal, *_against(pairs, n, -0.15)
        goal = f"the same against {together:,.0f}, with which all four tests together have that power"
        yield goal, *_against(pairs, together, -0.15)
    for event in REGRESSIONS:
        stopped = measures_of(strategies, OURS, event, "pairs_to_stop")
        if stopped:
            yield f"{event}: pairs to the stop, -50 to -75 % against {n:,.0f}", *_against(stopped, n, -0.5)
    if days:
        yield "good challenger: days to the verdict, -41 % against a seven-day window", *_against(days, WINDOW_DAYS, -0.41, 1)
        stop = measures_of(strategies, OURS, "accuracy_degradation", "days_to_stop")
        if stop:
            yield "bad challenger: days to the stop, -50 to -75 % against the same window", *_against(stop, WINDOW_DAYS, -0.5, 1)


def _against(told: Mapping[str, Any], base: float, most: float, digits: int = 0) -> tuple[str, str]:
    """Return a mean beside what it is compared with, and whether it is lower by as much as wanted."""
    estimate, high = (told[name] / base - 1 for name in ("estimate", "high"))
    return f"{number(told, digits)}, {estimate:+.0%}", _state(estimate <= most, told["n"] > 1 and high <= most)


def least_pairs(strategies: Told) -> Section:
    """Return the least mean number of pairs that any test needs to tell the rare events from what is tolerated.

    Wald's bound: E1[N] >= [(1 - b) log((1 - b) / a) + b log(b / (1 - a))] / KL(p1, p0), which no test of these error rates
    beats, whatever it is (Wald 1945; statistics page, theorem 4).
    """
    cases = (
        ("authorization class: .8 % against its ceiling .5 %", 0.008, 0.005, 0.0125, "authorization"),
        ("authorization: violations 1.1 % against the incumbent's .4 % + .2 % tolerated", 0.011, 0.006, 0.0025, "authorization"),
        (
            "hallucination: violations 1.5 % against .4 % + .2 % tolerated, not in bursts",
            0.015,
            0.006,
            0.0025,
            "bursty_hallucination",
        ),
        ("the study's violation rates: .4 % against .3 %", 0.004, 0.003, 0.05, ""),
    )
    rows = [
        (words, f"{alpha:g}", f"{least(p1, p0, alpha, 0.1):,.0f}", number(measures_of(strategies, OURS, event, "pairs_to_stop")))
        for words, p1, p0, alpha, event in cases
    ]
    told = (
        "Rare events need many pairs whatever the test: Wald's bound on the mean number, at power 90 % and the level at which "
        "this gate claims harm. Where fewer pairs than that are there, no test can show harm at this level; to reject as "
        "futile "
        "claims less and needs fewer, which is what the last column has.",
    )
    columns = ("to be told apart", "level", "least pairs to show harm", "pairs to the stop here")
    return Section("The least pairs that any test needs", told, (Table("", columns, rows),))


def least(p1: float, p0: float, alpha: float, beta: float) -> float:
    """Return Wald's lower bound on the mean sample size under p1 of a test of p0 against p1 with errors alpha and beta."""
    divergence = p1 * np.log(p1 / p0) + (1 - p1) * np.log((1 - p1) / (1 - p0))
    return float(((1 - beta) * np.log((1 - beta) / alpha) + beta * np.log(beta / (1 - alpha))) / divergence)
