"""Measurements of one run, side by side, and their ratios: what a benchmark prints, for people or as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import cpu_count
from typing import Any


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure, larger or smaller is better as its unit says; our own is named `dualgate` or begins with it."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times `to` the measurement `of` is."""

    name: str
    value: float
    of: str
    to: str


def seconds(work: Callable[[], object], repeats: int = 3, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the least of several timings: what the code takes where nothing disturbs it."""
    best = float("inf")
    for _ in range(repeats):
        start = clock()
        work()
        best = min(best, clock() - start)
    return best


def processor_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least processor time of several repeats: for work that waits for nothing, whatever else the machine does."""
    return seconds(work, repeats, time.process_time)


def ratio(name: str, of: Measurement, to: Measurement) -> Ratio:
    """Return of / to, for two measurements in one unit."""
    if of.unit != to.unit:
        raise ValueError(f"{of.name} is in {of.unit}, {to.name} in {to.unit}: no ratio")
    return Ratio(name, of.value / to.value, of.name, to.name)


def document(measurements: list[Measurement], ratios: list[Ratio]) -> dict[str, Any]:
    """Return the JSON document of a benchmark."""
    machine = {"processor": platform.machine(), "cores": cpu_count(), "python": platform.python_version()}
    return {"machine": machine, "measurements": [asdict(m) for m in measurements], "ratios": [asdict(r) for r in ratios]}


def report(measurements: list[Measurement], ratios: list[Ratio], description: str) -> None:
    """Print the measurements: a table, or with --json one document."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    if parser.parse_args().json:
        print(json.dumps(document(measurements, ratios), indent=2))
        return
    for m in measurements:
        print(f"{m.name:<44} {m.value:>14,.1f} {m.unit}")
    for r in ratios:
        print(f"{r.name:<44} {r.value:>14,.2f} x   ({r.of} / {r.to})")
