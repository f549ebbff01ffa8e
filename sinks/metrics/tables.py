"""Tables of metrics: what each family is called, what it is, its labels, and how its samples are read off a value."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

T = TypeVar("T")


class Row(NamedTuple, Generic[T]):
    """One family: its samples by label values, one by () where it has no labels; a counter's name is without its `_total`."""

    name: str
    words: str
    labels: tuple[str, ...]
    read: Callable[[T], Mapping[Any, float]]


def row(name: str, words: str, read: Callable[[T], float]) -> Row[T]:
    """Return a family of one sample without labels."""
    return Row(name, words, (), lambda value: {(): read(value)})


def by(name: str, words: str, label: str, read: Callable[[T], Mapping[str, float]]) -> Row[T]:
    """Return a family with one label."""
    return Row(name, words, (label,), lambda value: {(key,): n for key, n in read(value).items()})


def families(value: T, gauges: Sequence[Row[T]], counters: Sequence[Row[T]]) -> Iterator[Metric]:
    """Yield the families of both tables with their samples."""
    for kind, table in ((GaugeMetricFamily, gauges), (CounterMetricFamily, counters)):
        for name, words, labels, read in table:
            family = kind(name, words, labels=labels)
            for key, n in read(value).items():
                family.add_metric(key, n)
            yield family


def names(gauges: Sequence[Row[T]], counters: Sequence[Row[T]]) -> frozenset[str]:
    """Return the names as they are served."""
    return frozenset({each.name for each in gauges} | {f"{each.name}_total" for each in counters})
