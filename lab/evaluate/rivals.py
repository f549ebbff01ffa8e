"""Every place where a rival did better than this gate, over all measures; none is chosen by hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dualgate.lab.evaluate.events import EVENTS, Event
from dualgate.lab.evaluate.goals import OURS, Told, measures_of
from dualgate.lab.evaluate.tables import Section, Table, short

BETTER_IS = {
    "promoted": 1, "stopped": -1, "undecided": -1, "shown_worse": 1, "detected": 1, "detected_before_impact": 1,
    "detected_before_wide_impact": 1, "false_rollback": -1, "false_promotion": -1, "bad_answers_seen": -1,
    "bad_answers_seen_wide": -1, "impact_days": -1, "impact_days_wide": -1, "days_to_verdict": -1, "days_to_all_users": -1,
    "days_to_stop": -1, "pairs_to_verdict": -1, "pairs_to_stop": -1, "mirrored": -1,
}  # fmt: skip
"""Which side of each measure is better."""
NEITHER = {
    "served": "what harm it does is told by the bad answers seen",
    "gain_where_promoted": "the truth of the streams, not a strategy's doing",
}
"""Measures without a better side, and why; pairs to decision by dimension are this gate's alone."""
_ASKED: Mapping[str, Callable[[Event], bool]] = {
    "promoted": lambda e: e.good, "stopped": lambda e: e.good, "undecided": lambda e: not e.onset_day,
    "shown_worse": lambda e: e.worse and not e.onset_day, "days_to_stop": lambda e: e.worse, "pairs_to_stop": lambda e: e.worse,
}  # fmt: skip
"""Where a measure is to be good at: who turns a good challenger away fast has won nothing."""
_BESIDE = "of the streams that were stopped: who stops few, by chance and early, looks fast"


@dataclass(slots=True)
class _Better:
    """Rivals that are better on a measure at an event: beyond chance (intervals apart), and by the estimate alone."""

    beyond: list[str] = field(default_factory=list)
    within: list[str] = field(default_factory=list)


def rivals_better(strategies: Told) -> Section:
    """Return every measure and event where a rival's estimate is better, and whether its whole interval is."""
    rows: list[tuple[str, ...]] = []
    events = [event for event in EVENTS if event in strategies.get(OURS, {}).get("events", {})]
    for measure in BETTER_IS:
        asked = [event for event in events if asked_of(measure, EVENTS[event]) and measures_of(strategies, OURS, event, measure)]
        found = {event: better(strategies, event, measure) for event in asked}
        if measure == "mirrored":
            continue
        rows += [
            (measure.replace("_", " "), event, short(strategies[OURS]["events"][event][measure]["estimate"]), *_names(who))
            for event, who in found.items()
            if who.beyond or who.within
        ]
    words = (
        "Every measure of every event is compared by the code; nothing is chosen. *Beyond chance*: the rival's whole interval is "
        "better than this gate's; *by estimate*: only its mean is, or one of both is of a single stream. Days and pairs to the "
        f"stop are {_BESIDE}.",
        _mirrors(strategies, events),
    )
    columns = ("measure", "event", OURS, "better beyond chance", "better by estimate")
    return Section("Where a rival is better", words, (Table("", columns, rows),))


def better(strategies: Told, event: str, measure: str) -> _Better:
    """Return the rivals that are better than this gate on a measure at an event."""
    ours, sign, found = strategies[OURS]["events"][event][measure], BETTER_IS[measure], _Better()
    for name in strategies:
        theirs = measures_of(strategies, name, event, measure)
        if name.startswith(OURS) or not theirs or (theirs["estimate"] - ours["estimate"]) * sign <= 0:
            continue
        apart = theirs["low"] > ours["high"] if sign > 0 else theirs["high"] < ours["low"]
        (found.beyond if apart and min(theirs["n"], ours["n"]) > 1 else found.within).append(
            f"{name} {short(theirs['estimate'])}"
        )
    return found


def asked_of(measure: str, event: Event) -> bool:
    """Tell whether a measure is to be good at on an event."""
    return measure not in _ASKED or _ASKED[measure](event)


def _names(found: _Better) -> tuple[str, str]:
    return ", ".join(found.beyond) or "-", ", ".join(found.within) or "-"


def _mirrors(strategies: Told, events: Sequence[str]) -> str:
    """Return what this gate pays for seeing before users do, beside the most that any rival pays."""
    spent = [told["estimate"] for event in events if (told := measures_of(strategies, OURS, event, "mirrored"))]
    theirs: list[Mapping[str, Any]] = [
        told for name in strategies if not name.startswith(OURS) for event in events
        if (told := measures_of(strategies, name, event, "mirrored"))
    ]  # fmt: skip
    most = max((told["estimate"] for told in theirs), default=0.0)
    if not spent:
        return ""
    return (
        f"Mirrored answers are a rival's advantage at every event: no rival has more than {most:,.0f}, this gate "
        f"{min(spent):,.0f} to {max(spent):,.0f} by event. That is the price of seeing before users do."
    )
