"""How the rate of pairing grows with its processes: the same backlog read by one, two, four and eight of one group.

python -m benchmarks.pairing_processes [--json]

First each process is held to a small share of a core, so that a machine of any size has cores left for all of them; then nothing
is held, and the cores' use beside the rate says what ends the growth. Rates are from commit to commit, three input records a
pair, transactions on. BENCH_QUERIES, BENCH_SECONDS and BENCH_SHARE set the backlog, the time of each run and the share.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from benchmarks.pairing_traffic import publish
from benchmarks.processor_share import Held, processor_seconds_of
from benchmarks.side_by_side import Measurement, ratio, report

from dualgate.cli.broker import LocalBroker
from dualgate.processors.pairing.worker import BATCH, PairingWorker
from dualgate.processors.runtime.loop import rare_collections, run_sessions, stop_on_signals
from dualgate.schemas.settings import Settings

N_QUERIES = int(os.environ.get("BENCH_QUERIES", "800000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "12"))
SHARE = float(os.environ.get("BENCH_SHARE", "0.04"))
PARTITIONS, PER_SECOND = 8, 2_000.0
# By then every process has its part, and has read ahead what it may: what it reads from then on is what it works off.
WARM_COMMITS = 2


def child(servers: str, prefix: str, group: str) -> None:
    """Be one process of a group; say `time events processor-time` after each commit. It begins when it is told to."""

    def told(point: str) -> None:
        if point == "committed":
            print(time.monotonic(), worker.reporter.events, time.process_time(), flush=True)

    worker = PairingWorker(Settings(bootstrap_servers=servers, topic_prefix=prefix), BATCH, told)
    worker.group = group
    print("ready", flush=True)
    sys.stdin.readline()
    with stop_on_signals() as stop, rare_collections():
        run_sessions(worker.session, stop)


class Process:
    """One process of a group, and what it said of its commits so far."""

    def __init__(self, command: list[str]) -> None:
        self.commits: list[list[float]] = []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._ready = threading.Event()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def begin(self) -> None:
        """Let it work, as soon as it is ready to."""
        self._ready.wait(60)
        print(file=self.process.stdin, flush=True)

    def end(self) -> None:
        """Stop it, if need be by force."""
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self._listener.join()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            if line == "ready\n":
                self._ready.set()
            else:
                self.commits.append([float(word) for word in line.split()])


@contextmanager
def processes(servers: str, prefix: str, n: int) -> Iterator[list[Process]]:
    """Processes of a group of their own at work, for the time of the block."""
    group = uuid.uuid4().hex
    made = [Process([sys.executable, "-m", "benchmarks.pairing_processes", servers, prefix, group]) for _ in range(n)]
    try:
        for each in made:
            each.begin()
        yield made
    finally:
        for each in made:
            each.end()


def measure(servers: str, broker: int, prefix: str, n: int, share: float | None) -> list[Measurement]:
    """Return the common rate of n processes, and the cores that they, the broker and the whole machine used meanwhile."""
    # Free processes would be through with the backlog in the time of held ones.
    seconds = SECONDS if share else SECONDS / 3
    with processes(servers, prefix, n) as made, Held(share) as held:
        while min(len(each.commits) for each in made) < WARM_COMMITS:
            time.sleep(0.02)
        held.hold([each.process.pid for each in made])
        began, kafka = time.monotonic(), processor_seconds_of(broker)
        psutil.cpu_percent()
        time.sleep(seconds)
        ended, kafka, busy = time.monotonic(), processor_seconds_of(broker) - kafka, psutil.cpu_percent()
        rates = [_rate(each.commits, began, ended) for each in made]
    name = f"dualgate, {n} at " + ("full speed" if share is None else f"{share:g} of a core")
    rate, used = (sum(column) for column in zip(*rates, strict=True))
    return [
        Measurement(name, rate, "events/s"),
        Measurement(f"{name}: used by them", 100 * used, "% of a core"),
        Measurement(f"{name}: used by the broker", 100 * kafka / (ended - began), "% of a core"),
        Measurement(f"{name}: used by all", busy * (os.cpu_count() or 1), "% of a core"),
        Measurement(f"{name}: by their time", rate / used, "events/core s"),
    ]


def _rate(commits: list[list[float]], began: float, ended: float) -> tuple[float, float]:
    """Return a process's events and its seconds of the processor in a second, from its first commit in the time to its last."""
    within = [commit for commit in commits if began <= commit[0] <= ended]
    if len(within) < 2:
        return 0.0, 0.0  # it had no part in the work
    seconds, events, used = (last - first for first, last in zip(within[0], within[-1], strict=True))
    return events / seconds, used / seconds


def main() -> None:
    """One to eight processes, held; one to four, free; or be one of the processes."""
    if len(sys.argv) == 4:
        child(*sys.argv[1:])
        return
    with LocalBroker(heap="1g") as broker:
        servers, prefix = broker.bootstrap_servers, f"bench{uuid.uuid4().hex[:8]}."
        publish(servers, prefix, N_QUERIES, PER_SECOND, PARTITIONS)
        held = [measure(servers, broker.pid, prefix, n, SHARE) for n in (1, 2, 4, 8)]
        free = [measure(servers, broker.pid, prefix, n, None) for n in (1, 2, 4)]
    ratios = [ratio(f"{rate.name} over one", rate, runs[0][0]) for runs in (held, free) for rate, *_ in runs[1:]]
    report([each for run in held + free for each in run], ratios, __doc__ or "")


if __name__ == "__main__":
    main()
