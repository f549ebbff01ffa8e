"""Metric families of migrations, from the documents that `status --json` prints; the names are in docs/metrics.md."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

Document = Mapping[str, Any]
Sample = tuple[tuple[str, ...], float]


def _one(read: Callable[[Document], Any]) -> Callable[[Document], Iterator[Sample]]:
    """Return what yields one sample of a migration, or none where there is no value."""

    def samples(document: Document) -> Iterator[Sample]:
        value = read(document)
        if value is not None:
            yield (), float(value)

    return samples


def _each_dimension(read: Callable[[Document], Any]) -> Callable[[Document], Iterator[Sample]]:
    def samples(document: Document) -> Iterator[Sample]:
        for name, each in document["dimensions"].items():
            if each["status"] != "off" and (value := read(each)) is not None:
                yield (name,), float(value)

    return samples


def _status(document: Document) -> Iterator[Sample]:
    for name, each in document["dimensions"].items():
        yield (name, each["status"]), 1.0


def _phase(document: Document) -> Iterator[Sample]:
    if document["phase"] is not None:
        yield (document["phase"], document["verdict"]), 1.0


def _routers(document: Document) -> Iterator[Sample]:
    for standing, name in (("following", "following"), ("silent", "silent"), ("behind", "n_behind")):
        if document["routers"]:
            yield (standing,), float(document["routers"][name])


def _routed(document: Document) -> Iterator[Sample]:
    for arm in ("incumbent", "challenger"):
        if document["counters"].get(f"routed.{arm}"):
            yield (arm,), float(document["counters"][f"routed.{arm}"])


def _counters(document: Document) -> Iterator[Sample]:
    for name, n in document["counters"].items():
        if not name.startswith(("phase.", "routed.")):
            yield (name,), float(n)


_DIMENSION = ("dimension",)
# name, what it is, labels beyond the migration, samples of a document
GAUGES: tuple[tuple[str, str, tuple[str, ...], Callable[[Document], Iterator[Sample]]], ...] = (
    ("dualgate_phase", "1 for the present phase and its verdict.", ("phase", "verdict"), _phase),
    ("dualgate_epoch", "Epoch: rises with each configuration or version.", (), _one(lambda d: d["epoch"])),
    ("dualgate_sequence", "Sequence of the present routing command.", (), _one(lambda d: d["sequence"])),
    ("dualgate_live_share", "Share of users that the challenger is commanded to serve.", (), _one(lambda d: d["live_share"])),
    ("dualgate_paused", "1 while an operator's pause lasts.", (), _one(lambda d: d["paused"])),
    ("dualgate_rolling_back", "1 while a router has not let go of the challenger.", (), _one(lambda d: d["rolling_back"])),
    ("dualgate_routers", "Routers by whether they follow the present command.", ("standing",), _routers),
    (
        "dualgate_lease_left_seconds",
        "Time that routers still obey the command; below 0 they serve the incumbent.",
        (),
        _one(lambda d: None if d["lease_left_ms"] is None else d["lease_left_ms"] / 1000),
    ),
    (
        "dualgate_last_told_timestamp_seconds",
        "When the gate last published anything of the migration.",
        (),
        _one(lambda d: d["last_update_ms"] / 1000),
    ),
    ("dualgate_dimension_status", "1 for the present status of a dimension.", ("dimension", "status"), _status),
    ("dualgate_dimension_estimate", "Estimate of a dimension's measure.", _DIMENSION, _each_dimension(lambda e: e["estimate"])),
    ("dualgate_dimension_log_e", "Log e-value for good enough.", _DIMENSION, _each_dimension(lambda e: e["log_e"])),
    ("dualgate_dimension_threshold", "What it must reach.", _DIMENSION, _each_dimension(lambda e: e["threshold"])),
    ("dualgate_dimension_worse_log_e", "Log e-value for worse.", _DIMENSION, _each_dimension(lambda e: e["log_e_worse"])),
    (
        "dualgate_dimension_worse_threshold",
        "Where worse is shown.",
        _DIMENSION,
        _each_dimension(lambda e: e["worse_threshold"]),
    ),
    (
        "dualgate_dimension_coverage",
        "Scored / eligible units of the epoch.",
        _DIMENSION,
        _each_dimension(lambda e: e["n"] / (e["n"] + e["n_missing"]) if e["n"] + e["n_missing"] else None),
    ),
)
COUNTERS: tuple[tuple[str, str, tuple[str, ...], Callable[[Document], Iterator[Sample]]], ...] = (
    ("dualgate_pairs", "Units counted in the present epoch.", (), _one(lambda d: d["n_pairs"])),
    ("dualgate_decisions", "Decisions by rule, over all epochs.", ("rule",), lambda d: _rules(d)),
    ("dualgate_routed_queries", "Queries that routers reported in the present epoch.", ("arm",), _routed),
    ("dualgate_counted", "What the gate counted in the present epoch, by what it was.", ("what",), _counters),
)
NAMES = frozenset(
    {name for name, *_ in GAUGES}
    | {f"{name}_total" for name, *_ in COUNTERS}
    | {"dualgate_migration_info", "dualgate_broker_up", "dualgate_dead_letters"}
)
"""Every name that the endpoint serves."""


def _rules(document: Document) -> Iterator[Sample]:
    for rule, n in document["decisions"].items():
        yield (rule,), float(n)


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
    for kind, table in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
        for name, words, labels, samples in table:
            family = kind(name, words, labels=["migration", *labels])
            for document in told:
                for values, value in samples(document):
                    family.add_metric([document["migration_id"], *values], value)
            yield family
