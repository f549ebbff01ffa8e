"""What there was to see: how often a regression by rare events is no worse than tolerated while the shadow phase looks."""

import numpy as np

from dualgate.lab.evaluate.events import EVENTS
from dualgate.lab.evaluate.goals import WINDOW_DAYS
from dualgate.lab.evaluate.measures import fraction
from dualgate.lab.evaluate.pool import Floats, Pool
from dualgate.lab.evaluate.runs import repetition
from dualgate.lab.evaluate.streams import Shape
from dualgate.lab.evaluate.tables import Section, Table, percent
from dualgate.lab.evaluate.traffic import DAY_MS
from dualgate.schemas.migration import MigrationSpec

RARE = ("bursty_hallucination", "authorization")
_STREAMS = 200


def excess(pool: Pool, event: str, shape: Shape, streams: int = _STREAMS) -> Floats:
    """Return, a stream a row, by how much more the challenger violates than the incumbent: in the first days, and over all.

    These are the first streams of the default seed, the ones that the strategies meet.
    """
    found = np.empty((streams, 2))
    for r in range(streams):
        lived = repetition(EVENTS[event], pool, shape, (1, r))
        more = np.nan_to_num(lived.challenger.violation) - np.nan_to_num(lived.incumbent.violation)
        first = lived.queries.at_ms < lived.queries.at_ms[0] + WINDOW_DAYS * DAY_MS
        found[r] = more[first].mean(), more.mean()
    return found


def section(pool: Pool, spec: MigrationSpec, shape: Shape, streams: int = _STREAMS) -> Section:
    """Return the share of streams in which the first days show no more than is tolerated; nothing where safety is off."""
    title = "Where there was nothing to see"
    safety = spec.dimensions.safety
    if safety is None:
        return Section(title, ("Safety is off in this file.",))
    rows = []
    for event in RARE:
        first, over_all = excess(pool, event, shape, streams).T
        low, middle, high = np.quantile(first, [0.05, 0.5, 0.95])
        unseen = fraction(int((first <= safety.worse_by).sum()), streams)
        rows.append((event, f"{over_all.mean():+.2%}", f"{low:+.2%}, {middle:+.2%}, {high:+.2%}", percent(unseen)))
    words = (
        f"Violations of the challenger less those of the incumbent, in {streams} streams. Where the first {WINDOW_DAYS:g} days "
        f"have no more than the tolerated {safety.worse_by:.1%}, the challenger is not worse while it is watched, and no test "
        "of these answers can tell: bursts that come later are a later onset, which the live phases have to find.",
    )
    days = f"first {WINDOW_DAYS:g} days: 5 %, 50 %, 95 % of the streams"
    columns = ("event", "over the whole stream, mean", days, "no more than tolerated")
    return Section(title, words, (Table("", columns, rows),))
