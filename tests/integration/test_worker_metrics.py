"""Scraping real workers: what they serve is what stands on the topics, in a form that Prometheus's own tool accepts."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dualgate.schemas.codec import Codec
from dualgate.schemas.records import Pair
from dualgate.schemas.topics import INPUTS, MIGRATIONS, PAIRS, UNPAIRED
from dualgate.sinks.metrics import pairing, scoring
from support.scoring import migration_record, pair, shop
from support.waiting import WAIT_S, await_true

pytestmark = pytest.mark.kafka
CODEC = Codec()
T0 = 1_700_000_000_000
ENTER = re.compile(r"on (http://\S+/metrics)")


@contextmanager
def served(kind: str, environment: dict[str, str], log: Path) -> Iterator[str]:
    """A worker as people start it, for the time of the block; yields where its metrics are. It must stop with exit code 0."""
    command = [sys.executable, "-m", "dualgate.cli.main", "worker", kind, "--metrics", "0"]
    with log.open("wb") as told, subprocess.Popen(command, env={**os.environ, **environment}, stderr=told) as process:
        try:
            await_true(lambda: ENTER.search(log.read_text()) is not None or process.poll() is not None, f"address of {kind}")
            found = ENTER.search(log.read_text())
            assert found, log.read_text()
            yield found[1]
        finally:
            process.terminate()
            code = process.wait(WAIT_S)
    assert code == 0, log.read_text()


def text(address: str, accept: str = "application/openmetrics-text; version=1.0.0") -> str:
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept": accept}), timeout=WAIT_S) as answer:
        return str(answer.read().decode())


def samples(address: str) -> dict[tuple[str, ...], float]:
    """Return what a scraper reads, by name and label values in the order of the labels' names."""
    parse: Any = text_string_to_metric_families
    found = (s for family in parse(text(address)) for s in family.samples)
    return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for s in found}


def messages(pairs: list[Pair]) -> list[tuple[str, bytes, bytes, int]]:
    """Return the records of the pairs: the last query has no challenger's answer, the first query and its answer come twice."""
    made = []
    for i, each in enumerate(pairs):
        key, at = f"m1/{each.query.query_id}".encode(), each.query.asked_at_ms
        parts = [(INPUTS[0], each.query, at), (INPUTS[1], each.incumbent, at + 5), (INPUTS[2], each.challenger, at + 6)]
        for topic, record, time_ms in parts[: 2 if each is pairs[-1] else 3]:
            made += [(topic, key, CODEC.encode(record), time_ms)] * (2 if i == 0 and topic != INPUTS[2] else 1)
    return made


def publish(servers: str, prefix: str, records: list[tuple[str, bytes, bytes, int]]) -> None:
    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
    for topic, key, value, time_ms in records:
        producer.produce(prefix + topic, value, key, timestamp=time_ms)
    assert producer.flush(WAIT_S) == 0


def test_what_workers_serve_is_what_they_did(kafka: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path) -> None:
    """Rates, lag, expiry by reason, repeats, transactions; then coverage by stratum, scores and costs by dimension."""
    make_topics(partitions=2)
    config = shop(tmp_path, {"g1": "SELECT 1"})
    publish(kafka, prefix, [(MIGRATIONS, b"m1", CODEC.encode(migration_record(config)), T0)])
    pairs = [pair(query_id=f"q{i}", asked_at_ms=T0 + i, stratum="joins" if i % 4 == 3 else "plain") for i in range(40)]
    publish(kafka, prefix, messages(pairs))
    environment = {
        "DUALGATE_BOOTSTRAP_SERVERS": kafka,
        "DUALGATE_TOPIC_PREFIX": prefix,
        **{f"DUALGATE_{name}_MS": value for name, value in (("WINDOW", "1000"), ("SKEW", "500"), ("IDLE", "1000"))},
    }
    with (
        served("pairing", environment, tmp_path / "pairing.log") as pairing_at,
        served("scoring", environment, tmp_path / "scoring.log") as scoring_at,
    ):
        paired, unpaired = ("dualgate_scoring_queries_total", "m1"), "dualgate_pairing_unpaired_total"
        await_true(lambda: samples(scoring_at).get((*paired, "no_challenger", "joins")) == 1, "coverage on the ledger")
        await_true(lambda: samples(pairing_at).get((unpaired, "no_challenger")) == 1, "expiry told")
        lag = "dualgate_scoring_lag_records"
        await_true(lambda: [samples(scoring_at)[lag, topic] for topic in (PAIRS, UNPAIRED)] == [0, 0], "both ends reached")
        joined, scored = samples(pairing_at), samples(scoring_at)
        formats = [text(address, "text/plain") for address in (pairing_at, scoring_at)]
    assert joined["dualgate_pairing_records_total", "m1"] == 3 * 40 - 1 + 2
    assert joined["dualgate_pairing_pairs_total",] == 39
    assert {reason: joined[unpaired, reason] for reason in ("late", "no_answer", "no_incumbent")} == {
        "late": 0,
        "no_answer": 0,
        "no_incumbent": 0,
    }
    dropped = {what: joined["dualgate_pairing_dropped_total", what] for what in ("duplicate_answer", "duplicate_query")}
    assert dropped == {"duplicate_answer": 1, "duplicate_query": 1}
    assert [joined["dualgate_pairing_lag_records", topic] for topic in INPUTS] == [0] * 4
    assert joined["dualgate_pairing_groups",] == 2
    assert joined["dualgate_pairing_waiting_queries",] == 0
    assert joined["dualgate_pairing_transaction_seconds_bucket", "+Inf"] >= 2
    assert joined["process_resident_memory_bytes",] > 1 << 20
    assert (scored[*paired, "paired", "plain"], scored[*paired, "paired", "joins"]) == (30, 9)
    assert scored["dualgate_scoring_scores_total", "correctness", "m1", "scored"] == 39
    assert scored["dualgate_scoring_seconds_total", "semantic"] > 0
    names = {key[0] for key in (*joined, *scored) if key[0].startswith("dualgate_")}
    assert names <= pairing.NAMES | scoring.NAMES
    if shutil.which("promtool"):
        for page in formats:
            found = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
            assert found.returncode == 0, found.stdout + found.stderr
