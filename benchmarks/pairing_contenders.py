"""One contender of the pairing benchmark in a process of its own: prints how many records it handled in how many seconds.

python -m benchmarks.pairing_contenders NAME SERVERS PREFIX N_RECORDS
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from dualgate.processors.pairing.metrics import Reporter
from dualgate.processors.pairing.worker import BATCH, PairingWorker
from dualgate.processors.runtime.loop import Stop, rare_collections, run_sessions
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import QUERIES, RESPONSES_CHALLENGER, RESPONSES_INCUMBENT

TOPICS = (QUERIES, RESPONSES_INCUMBENT, RESPONSES_CHALLENGER)
Result = tuple[int, float, float]
"""Records handled, seconds from the assignment or the first record on, and seconds of processor time of all threads in that."""


class _Clocked:
    """Stops a worker once it has committed n records; its time runs from the assignment on."""

    def __init__(self, n: int) -> None:
        self.stop = Stop()
        self.reporter: Reporter | None = None
        self.seconds = self.cpu_seconds = 0.0
        self._n = n
        self._began = self._done = 0.0
        self._cpu_began = self._cpu_done = 0.0

    def __call__(self, point: str) -> None:
        if point == "assigned":
            self._began, self._cpu_began = time.perf_counter(), time.process_time()
        if point == "handled" and self.reporter is not None and self.reporter.events >= self._n:
            self.seconds = self.seconds or self._done - self._began
            self.cpu_seconds = self.cpu_seconds or self._cpu_done - self._cpu_began
            self.stop.set()
        if point == "committed":
            self._done, self._cpu_done = time.perf_counter(), time.process_time()


def dualgate(servers: str, prefix: str, n: int) -> Result:
    """Pair everything, in transactions."""
    clocked = _Clocked(n)
    worker = PairingWorker(Settings(bootstrap_servers=servers, topic_prefix=prefix), BATCH, clocked)
    clocked.reporter = worker.reporter
    with rare_collections():
        run_sessions(worker.session, clocked.stop)
    assert worker.reporter.pairs == n // 3, worker.reporter
    return worker.reporter.events, clocked.seconds, clocked.cpu_seconds


def raw_read(servers: str, prefix: str, n: int) -> Result:
    """Read the same records and do nothing with them."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "raw", "enable.auto.commit": False})
    places = [
        TopicPartition(prefix + topic, number, OFFSET_BEGINNING)
        for topic in TOPICS
        for number in consumer.list_topics(prefix + topic, timeout=10).topics[prefix + topic].partitions
    ]
    began, cpu_began, done = time.perf_counter(), time.process_time(), 0
    consumer.assign(places)
    while done < n:
        done += len(consumer.consume(BATCH, 0.2))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    consumer.close()
    return done, seconds, cpu_seconds


def _tell(result: Result) -> None:
    """Print the result and end at once."""
    os.write(1, json.dumps(result).encode())
    os._exit(0)


CONTENDERS: dict[str, Callable[[str, str, int], Result]] = {"dualgate": dualgate, "raw read": raw_read}


if __name__ == "__main__":
    name, servers, prefix, n = sys.argv[1:]
    _tell(CONTENDERS[name](servers, prefix, int(n)))
