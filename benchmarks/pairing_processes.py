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
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
from benchmarks.pairing_traffic import publish
from benchmarks.processor_share import Held, processor_seconds_of
from benchmarks.side_by_side import Measurement, ratio, report

from dualgate.cli.broker import LocalBroker
from dualgate.processors.pairing.worker import BATCH, PairingWorker
from dualgate.processors.runtime.loop import rare_collections, run_sessions, stop_on_signals
from dualgate.schemas.settings import Settings

N_QUERIES = int(os.environ.get("BENCH_QUERIES", "500000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "12"))
SHARE = float(os.environ.get("BENCH_SHARE", "0.06"))
PARTITIONS, PER_SECOND, WARM_S = 8, 2_000.0, 3.0


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


@dataclass
class Processes:
    """Processes of one group."""

    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def begin(self) -> None:
        """Let all of them work, as soon as all are ready to."""
        for process in self.running:
            assert process.stdout is not None
            process.stdout.readline()
        for process in self.running:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def end(self) -> list[list[list[float]]]:
        """Stop them; return what each said of its commits."""
        for process in self.running:
            process.terminate()
        said = [process.communicate(timeout=60)[0].splitlines() for process in self.running]
        return [[[float(word) for word in line.split()] for line in lines] for lines in said]


@contextmanager
def processes(servers: str, prefix: str, n: int) -> Iterator[Processes]:
    """Processes of a group of their own, for the time of the block."""
    group = uuid.uuid4().hex
    command = [sys.executable, "-m", "benchmarks.pairing_processes", servers, prefix, group]
    made = Processes()
    try:
        for _ in range(n):
            made.running.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            )
        yield made
    finally:
        for process in made.running:
            if process.poll() is None:
                process.kill()
                process.wait()


def measure(servers: str, broker: int, prefix: str, n: int, share: float | None) -> list[Measurement]:
    """Return the common rate of n processes, and the cores that they, the broker and the whole machine used meanwhile."""
    # Free processes would be through with the backlog in the time of held ones.
    seconds = SECONDS if share else SECONDS / 3
    with processes(servers, prefix, n) as made, Held(share) as held:
        made.begin()
        held.hold([process.pid for process in made.running])
        time.sleep(WARM_S)
        began, kafka = time.monotonic(), processor_seconds_of(broker)
        psutil.cpu_percent()
        time.sleep(seconds)
        ended, kafka, busy = time.monotonic(), processor_seconds_of(broker) - kafka, psutil.cpu_percent()
        held.let_go()
        each = [_rate(commits, began, ended) for commits in made.end()]
    name = f"dualgate, {n} at " + ("full speed" if share is None else f"{share:g} of a core")
    rate, used = (sum(column) for column in zip(*each, strict=True))
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
