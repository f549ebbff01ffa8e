"""Metric families of one scoring worker, from what its reporter saw last; the names are in docs/metrics.md."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from dualgate.processors.scoring.metrics import Reporter
from dualgate.sinks.metrics import tables
from dualgate.sinks.metrics.tables import Row, by, row

GAUGES: tuple[Row[Reporter], ...] = (
    row(
        "dualgate_scoring_last_step_timestamp_seconds",
        "When the worker last ended a step.",
        lambda r: r.stepped_at,
    ),
    by(
        "dualgate_scoring_lag_records",
        "Records written and not yet scored, of the worker's partitions.",
        "topic",
        lambda r: r.last.lag,
    ),
    row("dualgate_scoring_waiting_pairs", "Pairs that wait for the rater.", lambda r: r.last.waiting),
    row("dualgate_scoring_partitions", "Partitions that the worker owns.", lambda r: r.last.partitions),
)
COUNTERS: tuple[Row[Reporter], ...] = (
    Row(
        "dualgate_scoring_queries",
        "Queries on the ledger, by what became of them: paired, or why not.",
        ("migration", "stratum", "outcome"),
        lambda r: r.last.queries,
    ),
    Row(
        "dualgate_scoring_scores",
        "Scores on the ledger by state: scored, missing, not_eligible.",
        ("migration", "dimension", "state"),
        lambda r: r.last.scores,
    ),
    Row(
        "dualgate_scoring_missing",
        "Of these the missing ones by reason, in which names and numbers are left out.",
        ("migration", "dimension", "reason"),
        lambda r: r.last.missing,
    ),
    by(
        "dualgate_scoring_seconds", "Time spent in a dimension's scorer, waiting included.", "dimension", lambda r: r.last.seconds
    ),
    row("dualgate_scoring_blocks", "Blocks on the ledger.", lambda r: r.last.blocks),
    by("dualgate_scoring_dropped", "Records that are no evidence any more.", "why", lambda r: r.last.dropped),
    row("dualgate_scoring_dead_letters", "Records that could not be used.", lambda r: r.last.dead_letters),
    row(
        "dualgate_scoring_assignments",
        "How often the worker was given partitions: 1, and one more for each rebalance.",
        lambda r: r.last.assignments,
    ),
)
NAMES = tables.names(GAUGES, COUNTERS)
"""Every name that a scoring worker serves."""


def families(reporter: Reporter) -> Iterator[Metric]:
    """Yield every family of a worker."""
    return tables.families(reporter, GAUGES, COUNTERS)
