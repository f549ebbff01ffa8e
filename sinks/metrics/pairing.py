"""Metric families of one pairing worker, from what its reporter saw last; the names are in docs/metrics.md."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric

from dualgate.processors.pairing.metrics import TRANSACTION_MS, Metrics, Reporter
from dualgate.sinks.metrics import tables
from dualgate.sinks.metrics.tables import Row, by, row

# What the fold counts, by the label that an operator asks for.
_EXPIRED = {name: name for name in ("no_answer", "no_challenger", "no_incumbent")}
_UNPAIRED = {**_EXPIRED, "late": "late", "forgotten_queries": "late_query"}
_DROPPED = {"duplicate_answers": "duplicate_answer", "duplicate_queries": "duplicate_query", "reused_ids": "reused_id"}

GAUGES: tuple[Row[Reporter], ...] = (
    row(
        "dualgate_pairing_last_step_timestamp_seconds",
        "When the worker last ended a step; it does so every second at least.",
        lambda r: r.stepped_at,
    ),
    by(
        "dualgate_pairing_lag_records",
        "Records written and not yet handled, of the worker's groups.",
        "topic",
        lambda r: r.last.lag,
    ),
    row("dualgate_pairing_waiting_queries", "Queries that wait for an answer.", lambda r: r.last.waiting_queries),
    row("dualgate_pairing_waiting_answers", "Answers that wait for their query.", lambda r: r.last.waiting_answers),
    row("dualgate_pairing_remembered_ids", "Settled queries whose repeats are still known.", lambda r: r.last.remembered_ids),
    row("dualgate_pairing_groups", "Groups of partitions that the worker owns.", lambda r: len(r.last.groups)),
    row(
        "dualgate_pairing_rebuilding_groups",
        "Groups that are being rebuilt after a change of owner.",
        lambda r: len(r.last.rebuilding),
    ),
    row("dualgate_pairing_paused_partitions", "Partitions that wait for their siblings to follow.", lambda r: r.last.paused),
    by(
        "dualgate_pairing_expired_through_timestamp_seconds",
        "Record time up to which queries were waited for: the least of the worker's groups.",
        "migration",
        lambda r: {name: ms / 1000 for name, ms in r.last.expired_through_ms.items()},
    ),
    by(
        "dualgate_pairing_held",
        "1 where too many records of a migration cannot be used.",
        "migration",
        lambda r: dict.fromkeys(r.last.held, 1),
    ),
)
COUNTERS: tuple[Row[Reporter], ...] = (
    by(
        "dualgate_pairing_records",
        "Records of the input topics handled and committed.",
        "migration",
        lambda r: r.last.events_by_migration,
    ),
    row("dualgate_pairing_pairs", "Pairs written.", lambda r: r.last.pairs),
    row(
        "dualgate_pairing_pairs_without_rerun",
        "Of these, pairs whose re-run did not come.",
        lambda r: r.last.counts.get("without_rerun", 0),
    ),
    by("dualgate_pairing_unpaired", "Records written to unpaired.", "reason", lambda r: _counted(r.last, _UNPAIRED)),
    by("dualgate_pairing_dropped", "Repeats that were dropped.", "what", lambda r: _counted(r.last, _DROPPED)),
    row("dualgate_pairing_dead_letters", "Records that could not be used.", lambda r: r.last.dead_letters),
    row(
        "dualgate_pairing_assignments",
        "How often the worker was given groups: 1, and one more for each rebalance.",
        lambda r: r.last.assignments,
    ),
    row(
        "dualgate_pairing_failed_transactions",
        "Transactions that failed; the next owner of the groups does the work again.",
        lambda r: r.last.transactions_failed,
    ),
)
_TRANSACTION = "dualgate_pairing_transaction_seconds"
NAMES = tables.names(GAUGES, COUNTERS) | {f"{_TRANSACTION}_{part}" for part in ("bucket", "count", "sum")}
"""Every name that a pairing worker serves."""


def families(reporter: Reporter) -> Iterator[Metric]:
    """Yield every family of a worker."""
    yield from tables.families(reporter, GAUGES, COUNTERS)
    yield _transactions(reporter.last)


def _counted(metrics: Metrics, names: Mapping[str, str]) -> dict[str, float]:
    return {label: metrics.counts.get(name, 0) for name, label in names.items()}


def _transactions(metrics: Metrics) -> Metric:
    """Return committed transactions by how long they took: a histogram counts what lies at or below each bound."""
    family = HistogramMetricFamily(_TRANSACTION, "Time from the first record of a committed transaction to its end.")
    bounds = [*(f"{ms / 1000:g}" for ms in TRANSACTION_MS), "+Inf"]
    below = accumulate(metrics.transaction_ms_classes)
    family.add_metric([], list(zip(bounds, below, strict=True)), metrics.transaction_ms_mean * metrics.transactions / 1000)
    return family
