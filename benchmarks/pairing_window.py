"""Windows of minutes at full rate: live traffic, paced by the clock, through one pairing worker for longer than it remembers.

python -m benchmarks.pairing_window [--json]

One query in ten gets no challenger's answer and waits for the whole window. The worker is the command as people start it, and
what is told of it is what it serves to Prometheus. BENCH_RATE (queries a second), BENCH_WINDOW and BENCH_SECONDS set the traffic.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

from benchmarks.pairing_traffic import START_MS, records
from benchmarks.side_by_side import Measurement, report
from confluent_kafka import Producer

from dualgate.cli.broker import LocalBroker
from dualgate.cli.topic_admin import create_topics
from dualgate.schemas.topics import RESPONSES_CHALLENGER

RATE = float(os.environ.get("BENCH_RATE", "10000"))
WINDOW_S = int(os.environ.get("BENCH_WINDOW", "120"))
SKEW_S = WINDOW_S // 5
# An id is remembered for two windows and the skew: from then on memory must not grow.
FULL_S = 2 * WINDOW_S + SKEW_S
SECONDS = int(os.environ.get("BENCH_SECONDS", FULL_S + WINDOW_S // 2))
SILENT, LOOK_S, MIB = 10, 2.0, 1 << 20
# As benchmarks.pairing_memory counts them, in bytes: a query that waits with an answer, and a settled id.
WAITING, SETTLED = 1_231, 240
Scrape = dict[str, float]


def live(servers: str, prefix: str) -> None:
    """Publish at the rate for the time, each record when its time has come."""
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    began_ms = time.time() * 1_000
    for i, (topic, key, value, at_ms) in enumerate(records(int(RATE * SECONDS), RATE)):
        due_ms = began_ms + at_ms - START_MS
        if i % 300 == 0:
            producer.poll(0)
            time.sleep(max(0.0, due_ms / 1_000 - time.time()))
        if topic != RESPONSES_CHALLENGER or i // 3 % SILENT:
            producer.produce(prefix + topic, value, key, timestamp=int(due_ms))
    producer.flush(60)


def scrape(address: str) -> Scrape:
    """Return the samples of a worker, summed over their labels."""
    found: Scrape = {}
    with urllib.request.urlopen(address, timeout=30) as answer:
        for name, value in re.findall(r"^(\w+)(?:\{.*\})? (\S+)$", answer.read().decode(), re.MULTILINE):
            found[name] = found.get(name, 0.0) + float(value)
    return found


def watch(address: str, publisher: subprocess.Popen[bytes]) -> list[tuple[float, Scrape]]:
    """Return what the worker told from the start of the traffic until its end, by the seconds since then."""
    began, seen = time.monotonic(), []
    while publisher.poll() is None:
        seen.append((time.monotonic() - began, scrape(address)))
        time.sleep(LOOK_S)
    if publisher.returncode:
        raise RuntimeError(f"the publisher ended with {publisher.returncode}")
    return seen


def figures(seen: list[tuple[float, Scrape]]) -> list[Measurement]:
    """Return rates and memory: when one window is full, when all that is remembered is, and at the end."""
    (began, first), (ended, last) = seen[len(seen) // 2], seen[-1]
    events = last["dualgate_pairing_records_total"] - first["dualgate_pairing_records_total"]
    cpu = last["process_cpu_seconds_total"] - first["process_cpu_seconds_total"]
    full = next(told for at, told in seen if at >= FULL_S)
    window = next(told for at, told in seen if at >= WINDOW_S)
    waiting, ids = last["dualgate_pairing_waiting_queries"], last["dualgate_pairing_remembered_ids"]
    name = f"dualgate, window {WINDOW_S} s"
    return [
        Measurement(f"{name}, live", events / (ended - began), "events/s"),
        Measurement(f"{name}: of a core", 100 * cpu / (ended - began), "%"),
        Measurement(f"{name}: lag, the most", max(told["dualgate_pairing_lag_records"] for _, told in seen), "records"),
        Measurement(f"{name}: queries that wait", waiting, ""),
        Measurement(f"{name}: ids that are remembered", ids, ""),
        Measurement(f"{name}: these by their bytes", (waiting * WAITING + ids * SETTLED) / MIB, "MiB"),
        Measurement(f"{name}: memory at the start", seen[0][1]["process_resident_memory_bytes"] / MIB, "MiB"),
        Measurement(f"{name}: memory after a window", window["process_resident_memory_bytes"] / MIB, "MiB"),
        Measurement(f"{name}: memory after {FULL_S} s", full["process_resident_memory_bytes"] / MIB, "MiB"),
        Measurement(f"{name}: memory after {ended:.0f} s", last["process_resident_memory_bytes"] / MIB, "MiB"),
        Measurement(f"{name}: failed transactions", last["dualgate_pairing_failed_transactions_total"], ""),
    ]


def main() -> None:
    """Start a worker, publish to it in real time, and watch; or be the publisher."""
    if len(sys.argv) == 3:
        live(*sys.argv[1:])
        return
    with LocalBroker(heap="1g") as broker, tempfile.NamedTemporaryFile("w") as log:
        servers, prefix = broker.bootstrap_servers, f"bench{uuid.uuid4().hex[:8]}."
        create_topics(servers, prefix, 4)
        times = {"DUALGATE_WINDOW_MS": str(1_000 * WINDOW_S), "DUALGATE_SKEW_MS": str(1_000 * SKEW_S)}
        environment = {**os.environ, **times, "DUALGATE_BOOTSTRAP_SERVERS": servers, "DUALGATE_TOPIC_PREFIX": prefix}
        command = [sys.executable, "-m", "dualgate.cli.main", "worker", "pairing", "--metrics", "0"]
        worker = subprocess.Popen(command, env=environment, stderr=log)
        try:
            address = _address(Path(log.name), worker)
            while not scrape(address)["dualgate_pairing_groups"]:
                time.sleep(0.1)
            seen = watch(address, subprocess.Popen([sys.executable, "-m", "benchmarks.pairing_window", servers, prefix]))
        finally:
            worker.terminate()
            worker.wait(60)
    report(figures(seen), [], __doc__ or "")


def _address(log: Path, worker: subprocess.Popen[bytes]) -> str:
    while worker.poll() is None:
        found = re.search(r"on (http://\S+/metrics)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"the worker ended with {worker.returncode}: {log.read_text()}")


if __name__ == "__main__":
    main()
