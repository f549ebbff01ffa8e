"""What a pairing worker costs besides its rate: recovery by window and rate, a backlog in bounded memory, idling.

python -m benchmarks.pairing_recovery [--json]

Recovery: a worker stops with its windows full; a new process is timed from its assignment until it goes on, and says how many
records it read again. Backlog: resident memory of one process while it works off a backlog, at a tenth, at half, and the most.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil
from benchmarks.pairing_traffic import publish
from benchmarks.side_by_side import Measurement, report

from dualgate.cli.broker import LocalBroker
from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.positions import Position
from dualgate.processors.pairing.worker import BATCH, PairingWorker
from dualgate.processors.runtime.loop import Stop, rare_collections, run_sessions
from dualgate.schemas.settings import Settings

# Windows in seconds by rate of queries a second; skew is a fifth of the window.
GRID = {500: (20, 60, 300), 2_000: (20, 60)}
N_QUERIES = int(os.environ.get("BENCH_QUERIES", "350000"))
IDLE_S = 20.0
MIB = 1 << 20


class Watched(PairingWorker):
    """A worker whose groups can be looked at, and whose consumer group is its own for each window."""

    def __init__(self, servers: str, prefix: str, window_s: int) -> None:
        self.stop, self.groups = Stop(), list[GroupLogic]()
        self.assigned_at, self.ready_at, self.again = 0.0, 0.0, 0
        times = {"window_ms": 1_000 * window_s, "skew_ms": 200 * window_s}
        super().__init__(
            Settings.model_validate({"bootstrap_servers": servers, "topic_prefix": prefix, **times}), BATCH, self._at
        )
        self.group = f"{self.group}-{window_s}"

    def make_group(self, number: int, start: Sequence[Position]) -> GroupLogic:
        """Return the fold of a group, and keep it."""
        self.again += sum(position.handled - position.offset for position in start)
        self.groups.append(super().make_group(number, start))
        return self.groups[-1]

    def reached(self, point: str) -> None:
        """Called at each point of the work."""

    def _at(self, point: str) -> None:
        if point == "assigned":
            self.assigned_at = time.perf_counter()
        self.reached(point)

    def run(self) -> None:
        """Work until told to stop."""
        with rare_collections():
            run_sessions(self.session, self.stop)


class Filling(Watched):
    """Works until everything is handled, its memory measured on the way."""

    n, memory = 0, dict[str, float]()

    def reached(self, point: str) -> None:
        """Measure, and stop at the end."""
        if point != "committed":
            return
        rss, events = psutil.Process().memory_info().rss / MIB, self.reporter.events
        self.memory = {**self.memory, "most": max(rss, self.memory.get("most", 0.0))}
        for name, share in (("a tenth", 0.1), ("half", 0.5)):
            if events >= share * self.n:
                self.memory.setdefault(name, rss)
        if events >= self.n - BATCH:
            self.stop.set()


class Recovering(Watched):
    """Stops as soon as every group is built again."""

    def reached(self, point: str) -> None:
        """Look whether the groups are ready."""
        if point == "handled" and self.groups and not any(group.rebuilding for group in self.groups):
            self.ready_at = time.perf_counter()
            self.stop.set()


class Idle(Watched):
    """Works for a while with nothing to read."""

    def reached(self, point: str) -> None:
        """Stop when the time is over; its processor time is counted from the assignment on."""
        if point == "assigned":
            self.cpu = time.process_time()
        if point == "handled" and self.assigned_at and time.perf_counter() - self.assigned_at > IDLE_S:
            self.stop.set()


def child(kind: str, servers: str, prefix: str, window_s: int, n: int) -> dict[str, float]:
    """Run one of the workers above in this process; return what it measured."""
    if kind == "fill":
        filling = Filling(servers, prefix, window_s)
        filling.n = n
        filling.run()
        return filling.memory
    if kind == "recover":
        recovering = Recovering(servers, prefix, window_s)
        recovering.run()
        return {"seconds": recovering.ready_at - recovering.assigned_at, "records": recovering.again}
    idle = Idle(servers, prefix, window_s)
    idle.run()
    return {"share": (time.process_time() - idle.cpu) / (time.perf_counter() - idle.assigned_at)}


@dataclass
class Bench:
    """Starts each measurement in a process of its own."""

    servers: str
    measured: list[Measurement] = field(default_factory=list)

    def child(self, kind: str, prefix: str, window_s: int, n: int) -> dict[str, float]:
        """Return what a child process measured."""
        command = [sys.executable, "-m", "benchmarks.pairing_recovery", kind, self.servers, prefix, str(window_s), str(n)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=900)
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def note(self, name: str, value: float, unit: str) -> None:
        """Add a measurement."""
        self.measured.append(Measurement(f"dualgate, {name}", value, unit))

    def recovery(self, rate: int, windows: Sequence[int]) -> str:
        """Measure recovery at a rate; return the prefix of its topics."""
        prefix = f"bench{uuid.uuid4().hex[:8]}."
        n = publish(self.servers, prefix, N_QUERIES, float(rate))
        for window_s in windows:
            memory = self.child("fill", prefix, window_s, n)
            found = self.child("recover", prefix, window_s, n)
            name = f"window {window_s} s at {rate}/s"
            self.note(f"recovery, {name}", found["seconds"], "s")
            self.note(f"recovery, {name}: read again", found["records"], "records")
            for when in ("a tenth", "half", "most"):
                self.note(f"backlog of {n:,}, {name}: memory, {when}", memory[when], "MiB")
        return prefix


def main() -> None:
    """Measure all of it on one broker, or be one of the children."""
    if len(sys.argv) == 6:
        kind, servers, prefix, window_s, n = sys.argv[1:]
        print(json.dumps(child(kind, servers, prefix, int(window_s), int(n))))
        return
    with LocalBroker(heap="1g") as broker:
        bench = Bench(broker.bootstrap_servers)
        for rate, windows in GRID.items():
            bench.recovery(rate, windows)
        prefix = f"bench{uuid.uuid4().hex[:8]}."
        publish(bench.servers, prefix, 1_000, 500.0)
        bench.note("idle, four groups", 100 * bench.child("idle", prefix, 300, 0)["share"], "% of a core")
    report(bench.measured, [], __doc__ or "")


if __name__ == "__main__":
    main()
