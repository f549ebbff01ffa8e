"""How the rate of pairing grows with its processes: the same backlog worked off by one, two and four of one group.

python -m benchmarks.pairing_processes [--json]

The rate is that of pairs on their topic between the first tenth and the last, three input records a pair, transactions on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid

from benchmarks.pairing_traffic import publish
from benchmarks.side_by_side import Measurement, ratio, report
from confluent_kafka import Consumer, TopicPartition

from dualgate.cli.broker import LocalBroker
from dualgate.schemas.topics import PAIRS

N_QUERIES = int(os.environ.get("BENCH_QUERIES", "400000"))
PER_SECOND = 2_000.0


def rate(servers: str, processes: int) -> Measurement:
    """Publish, let that many processes pair it, and return their common rate."""
    prefix = f"bench{uuid.uuid4().hex[:8]}."
    publish(servers, prefix, N_QUERIES, PER_SECOND)
    environment = {**os.environ, "DUALGATE_BOOTSTRAP_SERVERS": servers, "DUALGATE_TOPIC_PREFIX": prefix}
    command = [sys.executable, "-m", "dualgate.cli.main", "worker", "pairing"]
    workers = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(processes)]
    try:
        seconds = _seconds(servers, prefix)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)
    return Measurement(f"dualgate, processes: {processes}", 3 * 0.8 * N_QUERIES / seconds, "events/s")


def _seconds(servers: str, prefix: str) -> float:
    """Return the time between a tenth of the pairs and nine."""
    marks: list[float] = []
    reader = Consumer({"bootstrap.servers": servers, "group.id": "watch", "isolation.level": "read_committed"})
    places = [
        TopicPartition(prefix + PAIRS, number) for number in reader.list_topics(prefix + PAIRS).topics[prefix + PAIRS].partitions
    ]
    for share in (0.1, 0.9):
        while sum(reader.get_watermark_offsets(place, timeout=10)[1] for place in places) < share * N_QUERIES:
            time.sleep(0.02)
        marks.append(time.perf_counter())
    reader.close()
    return marks[1] - marks[0]


def main() -> None:
    """One, two, four processes, one after another on one broker."""
    with LocalBroker(heap="1g") as broker:
        measured = [rate(broker.bootstrap_servers, processes) for processes in (1, 2, 4)]
    report(measured, [ratio(f"{other.name} over one", other, measured[0]) for other in measured[1:]], __doc__ or "")


if __name__ == "__main__":
    main()
