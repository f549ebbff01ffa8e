"""Samples of one migration: label values and a value each, from the document that `status --json` prints."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

HARM = ("alarm", "spent", "worse")
"""The rules by which a challenger is turned away because it was shown worse."""

Document = Mapping[str, Any]
Sample = tuple[tuple[str, ...], float]


def one(read: Callable[[Document], Any]) -> Callable[[Document], Iterator[Sample]]:
    """Return what yields one sample of a migration, or none where there is no value."""

    def samples(document: Document) -> Iterator[Sample]:
        value = read(document)
        if value is not None:
            yield (), float(value)

    return samples


def each_dimension(read: Callable[[Document], Any]) -> Callable[[Document], Iterator[Sample]]:
    """Return what yields a sample of each dimension that is on."""

    def samples(document: Document) -> Iterator[Sample]:
        for name, each in document["dimensions"].items():
            if each["status"] != "off" and (value := read(each)) is not None:
                yield (name,), float(value)

    return samples


def each_guard(kind: str, read: Callable[[Document], Any]) -> Callable[[Document], Iterator[Sample]]:
    """Return what yields a sample of each dimension that a monitor guards in this phase, or of each check."""

    def samples(document: Document) -> Iterator[Sample]:
        for name, each in (document[kind] or {}).items():
            if (value := read(each)) is not None:
                yield (name,), float(value)

    return samples


def budget(document: Document) -> Iterator[Sample]:
    """Yield what each error budget allows, has used, and has left."""
    for name, each in (document["budgets"] or {}).items():
        for what in ("allowed", "used", "left"):
            yield (name, what), float(each[what])


def strata(document: Document) -> Iterator[Sample]:
    """Yield the coverage of each dimension in each stratum of the phase."""
    for stratum, counts in (document["strata"] or {}).items():
        for name, eligible in counts["eligible"].items():
            if eligible:
                yield (name, stratum), counts["scored"][name] / eligible


def burn(document: Document) -> Iterator[Sample]:
    """Yield the burn rates of each error budget."""
    for name, each in (document["budgets"] or {}).items():
        for window, rate in (("phase", each["burn_long"]), ("lately", each["burn_short"])):
            if rate is not None:
                yield (name, window), float(rate)


def status(document: Document) -> Iterator[Sample]:
    """Yield 1 for the status of each dimension."""
    for name, each in document["dimensions"].items():
        yield (name, each["status"]), 1.0


def phase(document: Document) -> Iterator[Sample]:
    """Yield 1 for the phase, with its verdict."""
    if document["phase"] is not None:
        yield (document["phase"], document["verdict"]), 1.0


def routers(document: Document) -> Iterator[Sample]:
    """Yield how many routers follow, are silent, or are behind."""
    for standing, name in (("following", "following"), ("silent", "silent"), ("behind", "n_behind")):
        if document["routers"]:
            yield (standing,), float(document["routers"][name])


def routed(document: Document) -> Iterator[Sample]:
    """Yield how many queries routers told of, by arm."""
    for arm in ("incumbent", "challenger"):
        if document["counters"].get(f"routed.{arm}"):
            yield (arm,), float(document["counters"][f"routed.{arm}"])


def counters(document: Document) -> Iterator[Sample]:
    """Yield every other counter of the epoch."""
    for name, n in document["counters"].items():
        if not name.startswith(("phase.", "routed.")):
            yield (name,), float(n)


def rules(document: Document) -> Iterator[Sample]:
    """Yield how often each rule decided; 0 for those that end in harm: a series that begins at 1 has no increase to alert on."""
    for rule, n in {**dict.fromkeys(HARM, 0), **document["decisions"]}.items():
        yield (rule,), float(n)
