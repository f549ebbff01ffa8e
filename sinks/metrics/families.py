"""Metric families of migrations, from the documents that `status --json` prints; the names are in docs/metrics.md."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from dualgate.sinks.metrics import samples
from dualgate.sinks.metrics.samples import Document, Sample

_DIMENSION = ("dimension",)
# name, what it is, labels beyond the migration, samples of a document
GAUGES: tuple[tuple[str, str, tuple[str, ...], Callable[[Document], Iterator[Sample]]], ...] = (
    ("dualgate_phase", "1 for the present phase and its verdict.", ("phase", "verdict"), samples.phase),
    ("dualgate_epoch", "Epoch: rises with each configuration or version.", (), samples.one(lambda d: d["epoch"])),
    ("dualgate_sequence", "Sequence of the present routing command.", (), samples.one(lambda d: d["sequence"])),
    (
        "dualgate_live_share",
        "Share of users that the challenger is commanded to serve.",
        (),
        samples.one(lambda d: d["live_share"]),
    ),
    ("dualgate_paused", "1 while an operator's pause lasts.", (), samples.one(lambda d: d["paused"])),
    ("dualgate_rolling_back", "1 while a router has not let go of the challenger.", (), samples.one(lambda d: d["rolling_back"])),
    ("dualgate_routers", "Routers by whether they follow the present command.", ("standing",), samples.routers),
    (
        "dualgate_lease_left_seconds",
        "Time that routers still obey the command; below 0 they serve the incumbent.",
        (),
        samples.one(lambda d: None if d["lease_left_ms"] is None else d["lease_left_ms"] / 1000),
    ),
    (
        "dualgate_last_told_timestamp_seconds",
        "When the gate last published anything of the migration.",
        (),
        samples.one(lambda d: d["last_update_ms"] / 1000),
    ),
    ("dualgate_dimension_status", "1 for the present status of a dimension.", ("dimension", "status"), samples.status),
    (
        "dualgate_dimension_estimate",
        "Estimate of a dimension's measure.",
        _DIMENSION,
        samples.each_dimension(lambda e: e["estimate"]),
    ),
    ("dualgate_dimension_log_e", "Log e-value for good enough.", _DIMENSION, samples.each_dimension(lambda e: e["log_e"])),
    ("dualgate_dimension_threshold", "What it must reach.", _DIMENSION, samples.each_dimension(lambda e: e["threshold"])),
    ("dualgate_dimension_worse_log_e", "Log e-value for worse.", _DIMENSION, samples.each_dimension(lambda e: e["log_e_worse"])),
    (
        "dualgate_dimension_worse_threshold",
        "Where worse is shown.",
        _DIMENSION,
        samples.each_dimension(lambda e: e["worse_threshold"]),
    ),
    (
        "dualgate_dimension_coverage",
        "Scored / eligible units of the epoch.",
        _DIMENSION,
        samples.each_dimension(lambda e: e["n"] / (e["n"] + e["n_missing"]) if e["n"] + e["n_missing"] else None),
    ),
)
GUARDS: tuple[tuple[str, str, tuple[str, ...], Callable[[Document], Iterator[Sample]]], ...] = (
    (
        "dualgate_stratum_coverage",
        "Scored / eligible queries of a stratum in the phase.",
        ("dimension", "stratum"),
        samples.strata,
    ),
    ("dualgate_error_budget", "Extra bad answers: allowed, used, left.", ("dimension", "what"), samples.budget),
    ("dualgate_error_budget_burn_rate", "1 uses the budget up at the planned end.", ("dimension", "window"), samples.burn),
    (
        "dualgate_check_log_e",
        "Log e-value of a check: assignment, strata, queries, live latency.",
        ("check",),
        samples.each_guard("checks", lambda c: c["log_e"]),
    ),
    (
        "dualgate_check_threshold",
        "Where a check holds the step.",
        ("check",),
        samples.each_guard("checks", lambda c: c["threshold"]),
    ),
    ("dualgate_monitor_cusum", "CUSUM of the live watch.", _DIMENSION, samples.each_guard("monitors", lambda m: m["cusum"])),
    (
        "dualgate_monitor_cusum_threshold",
        "Where the CUSUM raises the alarm.",
        _DIMENSION,
        samples.each_guard("monitors", lambda m: m["cusum_threshold"]),
    ),
    (
        "dualgate_monitor_log_esr",
        "Log e-SR of the live watch.",
        _DIMENSION,
        samples.each_guard("monitors", lambda m: m["log_esr"]),
    ),
    (
        "dualgate_monitor_esr_threshold",
        "Where the e-SR raises the alarm.",
        _DIMENSION,
        samples.each_guard("monitors", lambda m: m["esr_threshold"]),
    ),
)
COUNTERS: tuple[tuple[str, str, tuple[str, ...], Callable[[Document], Iterator[Sample]]], ...] = (
    ("dualgate_pairs", "Units counted in the present epoch.", (), samples.one(lambda d: d["n_pairs"])),
    ("dualgate_decisions", "Decisions by rule, over all epochs.", ("rule",), samples.rules),
    ("dualgate_routed_queries", "Queries that routers reported in the present epoch.", ("arm",), samples.routed),
    ("dualgate_counted", "What the gate counted in the present epoch, by what it was.", ("what",), samples.counters),
)
NAMES = frozenset(
    {name for name, *_ in GAUGES + GUARDS}
    | {f"{name}_total" for name, *_ in COUNTERS}
    | {"dualgate_migration_info", "dualgate_broker_up", "dualgate_dead_letters"}
)
"""Every name that the endpoint serves."""


def families(documents: Iterable[Document], dead_letters: int | None) -> Iterator[Metric]:
    """Yield every family with the samples of all migrations; dead letters are None where the broker does not answer."""
    told = list(documents)
    yield GaugeMetricFamily("dualgate_broker_up", "1 where the broker answered lately.", value=float(dead_letters is not None))
    if dead_letters is not None:
        yield GaugeMetricFamily("dualgate_dead_letters", "Records that could not be used, on their topic.", value=dead_letters)
    about = ("incumbent", "challenger", "config_hash")
    info = InfoMetricFamily("dualgate_migration", "Versions and configuration.", labels=["migration"])
    for document in told:
        info.add_metric([document["migration_id"]], {name: document[name] or "" for name in about})
    yield info
    for kind, table in ((GaugeMetricFamily, GAUGES + GUARDS), (CounterMetricFamily, COUNTERS)):
        for name, words, labels, read in table:
            family = kind(name, words, labels=["migration", *labels])
            for document in told:
                for values, value in read(document):
                    family.add_metric([document["migration_id"], *values], value)
            yield family
