"""How tight could rollouts by thresholds be set? What each number of tolerated failures stops, good challengers and bad."""

from collections.abc import Mapping, Sequence

from dualgate.lab.evaluate.events import EVENTS, REGRESSIONS
from dualgate.lab.evaluate.goals import FALSE_ROLLBACK
from dualgate.lab.evaluate.measures import Measure, fraction
from dualgate.lab.evaluate.pool import Pool
from dualgate.lab.evaluate.runs import live, repetition
from dualgate.lab.evaluate.strategies.argo import Argo
from dualgate.lab.evaluate.strategies.base import Strategy
from dualgate.lab.evaluate.strategies.flagger import Flagger
from dualgate.lab.evaluate.streams import Shape
from dualgate.lab.evaluate.tables import Section, Table, percent

SETTINGS: Mapping[str, Strategy] = {
    **{f"flagger, threshold {n}": Flagger(threshold=n) for n in (10, 5, 3, 1)},
    **{f"argo, failureLimit {n}": Argo(limit=n) for n in (3, 2, 1, 0)},
}
"""The first of each tool is the strategy of the other tables."""
FINE = ("accuracy_improvement", "equal")
_STREAMS = 200


def stopped(pool: Pool, shape: Shape, events: Sequence[str], streams: int = _STREAMS) -> dict[str, dict[str, Measure]]:
    """Return how many challengers each setting turns away, by setting and event.

    These are the first streams of the default seed, the ones that the strategies meet.
    """
    found = {setting: dict.fromkeys(events, 0) for setting in SETTINGS}
    for event in events:
        for r in range(streams):
            lived = repetition(EVENTS[event], pool, shape, (1, r))
            for setting, strategy in SETTINGS.items():
                found[setting][event] += live(strategy, lived).verdict == "stopped"
    return {setting: {event: fraction(k, streams) for event, k in by_event.items()} for setting, by_event in found.items()}


def section(pool: Pool, shape: Shape, streams: int = _STREAMS) -> Section:
    """Return the table, and which settings turn away few challengers that are fine and at least half of every regression."""
    found = stopped(pool, shape, (*FINE, *REGRESSIONS), streams)
    calm = [name for name, told in found.items() if all(_share(told[event]) <= FALSE_ROLLBACK for event in FINE)]
    sharp = [name for name, told in found.items() if all(_share(told[event]) >= 0.5 for event in REGRESSIONS)]
    both = [name for name in calm if name in sharp]
    words = (
        f"Challengers turned away in {streams} streams, those of the first two events wrongly. How many failures a rollout "
        "tolerates is for its user to choose: documentation and tutorials have several numbers. The other tables have each "
        "tool's first.",
        f"At most {FALSE_ROLLBACK:.0%} of either fine challenger: {_names(calm)}. At least half of every regression: "
        f"{_names(sharp)}. Both: {_names(both)}.",
    )
    rows = [(name, *(percent(told[event]) for event in (*FINE, *REGRESSIONS))) for name, told in found.items()]
    return Section("Tighter thresholds", words, (Table("", ("setting", *FINE, *REGRESSIONS), rows),))


def _share(measure: Measure) -> float:
    assert measure["estimate"] is not None
    return measure["estimate"]


def _names(settings: Sequence[str]) -> str:
    return "; ".join(settings) or "none"
