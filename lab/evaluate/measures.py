"""What lives add up to: fractions with exact binomial intervals, means with t intervals, each over so many repetitions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest, t

from dualgate.lab.evaluate.events import EVENTS, Event
from dualgate.schemas.dimensions import DIMENSIONS

LEVEL = 0.95

Life = Mapping[str, Any]
Measure = dict[str, float | int | None]
"""estimate, low, high, n."""


def fraction(k: int, n: int) -> Measure:
    """Return a share with its exact (Clopper-Pearson) interval."""
    if not n:
        return {"estimate": None, "low": None, "high": None, "n": 0}
    ci = binomtest(k, n).proportion_ci(LEVEL, method="exact")
    return {"estimate": k / n, "low": float(ci.low), "high": float(ci.high), "n": n}


def mean(values: Sequence[float]) -> Measure:
    """Return a mean with its t interval."""
    n = len(values)
    if not n:
        return {"estimate": None, "low": None, "high": None, "n": 0}
    centre, half = float(np.mean(values)), 0.0
    if n > 1:
        half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * float(np.std(values, ddof=1)) / float(np.sqrt(n))
    return {"estimate": centre, "low": centre - half, "high": centre + half, "n": n}


def measured(event: Event, lives: Sequence[Life]) -> dict[str, Measure]:
    """Return the measures of one strategy on one event; a measure that the event has no use for is left out."""
    found = {name: fraction(sum(map(tell, lives)), len(lives)) for name, tell in _fractions(event).items()}
    for name, tell in _numbers(event).items():
        told = [tell(life) for life in lives]
        found[name] = mean([value for value in told if value is not None])
    return {name: measure for name, measure in found.items() if measure["n"]}


def _fractions(event: Event) -> dict[str, Callable[[Life], bool]]:
    every: dict[str, Callable[[Life], bool]] = {
        "promoted": lambda life: life["verdict"] == "promoted",
        "stopped": lambda life: life["verdict"] == "stopped",
        "undecided": lambda life: life["verdict"] == "open",
        "shown_worse": lambda life: life["verdict"] == "stopped" and bool(life["claims_worse"]),
    }
    if event.worse:
        every |= {
            "detected": lambda life: _stopped_after(event, life),
            "detected_before_impact": lambda life: _stopped_after(event, life) and life["harm"] == 0,
            "detected_before_wide_impact": lambda life: _stopped_after(event, life) and life["harm_wide"] == 0,
        }
    if not event.worse or event.onset_day:
        every["false_rollback"] = lambda life: every["shown_worse"](life) and not _stopped_since(event, life)
    if not event.good and not event.onset_day:
        every["false_promotion"] = every["promoted"]
    return every


def _stopped_after(event: Event, life: Life) -> bool:
    """Tell whether a challenger was turned away, and not before there was a reason."""
    return life["verdict"] == "stopped" and (life["stopped_day"] or 0.0) >= event.onset_day


def _stopped_since(event: Event, life: Life) -> bool:
    """Tell whether it was turned away for an event that comes later, and had come."""
    return event.worse and _stopped_after(event, life)


def _numbers(event: Event) -> dict[str, Callable[[Life], float | None]]:
    every: dict[str, Callable[[Life], float | None]] = {
        "mirrored": lambda life: life["mirrored"],
        "served": lambda life: life["served"],
        "days_to_stop": lambda life: _since(event, life),
    }
    if not event.good:
        every["gain_where_promoted"] = lambda life: life["gain"] if life["verdict"] == "promoted" else None
    if not event.onset_day:  # afterwards the pairs are those of the acceptance
        every["pairs_to_stop"] = lambda life: life["pairs"] if life["verdict"] == "stopped" else None
    if event.worse:
        every |= {
            "bad_answers_seen": lambda life: life["harm"],
            "bad_answers_seen_wide": lambda life: life["harm_wide"],
            "impact_days": lambda life: life["impact_days"],
            "impact_days_wide": lambda life: life["impact_wide_days"],
        }
    if event.good:
        every |= {
            "days_to_verdict": lambda life: life["decided_day"] if life["verdict"] == "promoted" else None,
            "days_to_all_users": lambda life: life["all_users_day"] if life["verdict"] == "promoted" else None,
            "pairs_to_verdict": lambda life: life["pairs"] if life["verdict"] == "promoted" else None,
        }
    for name in DIMENSIONS:
        every[f"pairs_to_decision_{name}"] = lambda life, name=name: life["decided"].get(name)  # type: ignore[misc]
    return every


def _since(event: Event, life: Life) -> float | None:
    """Return how long after the onset a challenger was turned away; None where it was not, or before it."""
    return life["stopped_day"] - event.onset_day if _stopped_after(event, life) and life["stopped_day"] is not None else None


def strategies_told(lives: Iterable[tuple[str, str, Life]]) -> dict[str, dict[str, dict[str, dict[str, Measure]]]]:
    """Return the measures of all lives: by strategy, under `events` by event, by measure."""
    grouped: dict[str, dict[str, list[Life]]] = {}
    for event, strategy, life in lives:
        grouped.setdefault(strategy, {}).setdefault(event, []).append(life)
    return {
        strategy: {"events": {event: measured(EVENTS[event], found) for event, found in by_event.items()}}
        for strategy, by_event in grouped.items()
    }
