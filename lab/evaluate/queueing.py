"""What a queue at low priority does to the latency dimension, and that service time cures it.

The challenger is asked on the same servers as the live traffic (shadow work): once behind it, once in one line with it. Service
times are the pool's; arrivals follow published rates of production LLM services (or a plain day where they are absent).
"""

import heapq
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.stats import futility_threshold, log_threshold
from dualgate.lab.characteristics.passage import log_e_paths
from dualgate.lab.evaluate.pool import Bools, Floats, Pool
from dualgate.lab.evaluate.tables import Curves, Section, Table
from dualgate.producers.compose import RateProfile, arrival_times, office_hours, read_rates
from dualgate.schemas.migration import MigrationSpec

SERVERS = 8
LOADS = (0.5, 0.7, 0.85, 0.95)
"""Of all servers by live and shadow work together, at the peak of the profile's day."""
_JOBS = 12_000


@dataclass(frozen=True, slots=True)
class Waited:
    """Waits in ms of live and shadow jobs, in the order of their arrivals."""

    live: Floats
    shadow: Floats


def profile() -> RateProfile:
    """Return the first day of the published rates; a plain working day where DUALGATE_DATA does not name them."""
    file = Path(os.environ.get("DUALGATE_DATA", "")) / "arrivals" / "servegen_10min.csv"
    if not file.is_file():
        return office_hours(1, 1.0)
    rates = read_rates(file)
    day = round(86_400_000 / rates.cell_ms)
    return RateProfile(rates.rates[:day], rates.cell_ms, rates.source)


def queued(arrived: Floats, service: Floats, low: Bools, servers: int) -> Floats:
    """Return each job's wait: a free server takes the first of the high class in line, else of the low; none is interrupted."""
    free = [0.0] * servers
    heapq.heapify(free)
    waiting: tuple[list[int], list[int]] = ([], [])
    heads = [0, 0]
    waits = np.zeros(len(arrived))
    at, n = 0, len(arrived)
    done = 0
    while done < n:
        now = heapq.heappop(free)
        if heads[0] == len(waiting[0]) and heads[1] == len(waiting[1]):
            now = max(now, float(arrived[at]))
        while at < n and arrived[at] <= now:
            waiting[int(low[at])].append(at)
            at += 1
        line = 0 if heads[0] < len(waiting[0]) else 1
        job = waiting[line][heads[line]]
        heads[line] += 1
        begun = max(now, float(arrived[job]))
        waits[job] = begun - arrived[job]
        heapq.heappush(free, begun + float(service[job]))
        done += 1
    return waits


def simulate(pool: Pool, load: float, low_priority: bool, seed: int) -> tuple[Waited, Floats, Floats]:
    """Return waits, and the service times of live (incumbent) and shadow (challenger) jobs."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(pool), _JOBS)
    live, shadow = pool.ms[0, rows], pool.ms[1, rows]
    shape = profile()
    times = arrival_times(rng, shape, _JOBS).astype(float)
    peak = np.max(shape.rates) / np.mean(shape.rates)
    busy = float((live + shadow).sum())
    times *= busy * float(peak) / (load * SERVERS * len(shape.rates) * shape.cell_ms)
    arrived = np.concatenate([times, times])
    order = np.argsort(arrived, kind="stable")
    is_shadow = np.repeat([False, True], _JOBS)
    waits = np.empty(2 * _JOBS)
    low = is_shadow[order] if low_priority else np.zeros(2 * _JOBS, dtype=bool)
    waits[order] = queued(arrived[order], np.concatenate([live, shadow])[order], low, SERVERS)
    return Waited(waits[:_JOBS], waits[_JOBS:]), live, shadow


def verdict(spec: MigrationSpec, over: Bools) -> str:
    """Return what the latency dimension says of a day's answers over the SLA: futile, or its current word at the end."""
    hypothesis = next(s for s in hypotheses(spec) if s.dimension == "latency")
    codes = (1 - over.astype(np.int64))[None, :]
    accept = log_e_paths(hypothesis.accept, codes)[0] >= log_threshold(spec.errors.promote)
    futile = log_e_paths(hypothesis.futility, codes)[0] >= futility_threshold(spec.errors.miss, len(hypotheses(spec)))
    if futile.any():
        return f"futile after {int(np.argmax(futile)) + 1:,} pairs"
    return "accepted at the day's end" if accept[-1] else "collecting at the day's end"


def section(pool: Pool, spec: MigrationSpec, seed: int = 8) -> Section:
    """Return the latency dimension under both schedules and both clocks."""
    rows: list[tuple[str, ...]] = []
    late: dict[str, list[float]] = {
        "queue + service, shadow behind live": [],
        "queue + service, one line": [],
        "service alone": [],
    }
    for load in LOADS:
        for low in (True, False):
            waited, live, shadow = simulate(pool, load, low, seed)
            total = waited.shadow + shadow > pool.sla_ms
            alone = shadow > pool.sla_ms
            late["queue + service, shadow behind live" if low else "queue + service, one line"].append(float(total.mean()))
            if low:
                late["service alone"].append(float(alone.mean()))
            rows.append((
                f"{load:.0%}", "shadow behind live" if low else "one line", f"{np.mean(waited.live):.1f}",
                f"{np.mean(waited.shadow):.1f}", f"{np.mean(waited.live + live > pool.sla_ms):.2%}", f"{total.mean():.2%}",
                verdict(spec, total), f"{alone.mean():.2%}", verdict(spec, alone),
            ))  # fmt: skip
    words = (
        f"{SERVERS} servers, {_JOBS:,} live and as many shadow jobs, arrivals by {profile().source}; the load is that of the "
        "peak.",
        _told(rows),
    )
    columns = (
        "load", "schedule", "live wait, ms", "shadow wait, ms", "live over the SLA", "challenger, queue + service", "it says",
        "challenger, service", "it says",
    )  # fmt: skip
    lines = {name: (LOADS, shares) for name, shares in late.items()}
    curve = Curves("The challenger's answers over the SLA", "load at the peak", "share", lines)
    return Section("Shadow priority against live priority", words, (Table("", columns, rows),), (curve,))


def _told(rows: Sequence[Sequence[str]]) -> str:
    """Return in words what the rows say of both clocks."""
    condemned = [(row[0], row[1]) for row in rows if row[6].startswith("futile")]
    alone = {row[8] for row in rows}
    words = "By queue and service time together the challenger, which is not too slow, is turned away as too slow "
    at = ", ".join(f"{load} ({schedule})" for load, schedule in condemned)
    words += f"at a load of {at}" if condemned else "at none of these loads"
    same = "By service time alone, which is what the latency dimension compares, every row says the same: "
    if len(alone) > 1:
        same = "By service time alone, which is what the latency dimension compares, rows differ: "
    same += ", ".join(sorted(alone))
    waits = [(float(row[2]), float(row[3])) for row in rows]
    behind, line = waits[-2], waits[-1]
    return (
        f"{words}. {same}. At {rows[-1][0]} load the shadow waits {behind[1]:g} ms behind live traffic and {line[1]:g} ms in "
        f"one line; users pay for one line with {line[0]:g} ms instead of {behind[0]:g} ms."
    )
