"""From the last pair that crosses a boundary to the command on `decisions`, and on to the router's switch.

A service routes and counts 10,000 queries/s; the router draws 5 % of them, both agents' answers are published, paired, scored
(SQL executed, golden answers compared) and decided by the processes that `dualgate worker` starts, beside a local Apache
Kafka, all on this machine. A rollout of many short steps gives a decision some times a second. The clock starts when the
answers of the pair at which the rule fired are handed to the publisher and stops when a consumer has the command; the
router's switch is measured from there to its `on_change`. Of all pairs, thousands beside some dozens of decisions, the way to
the ledger is measured too. New: the first time that the scorer sees the answers of a text, known: later, as where agents repeat
themselves (12,000 texts are known after 24 s). The first 5 s are left out: workers warm up.

python -m benchmarks.decision_latency [--json]        BENCH_SECONDS=60 BENCH_RATE=10000 BENCH_SHARE=0.05
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.scoring import read_pairs
from benchmarks.side_by_side import Measurement, report
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from dualgate.cli.broker import LocalBroker
from dualgate.cli.demo.crew import Crew
from dualgate.cli.demo.sample import sample
from dualgate.cli.topic_admin import create_topics
from dualgate.producers import Publisher
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import EvidenceRecord, LedgerEntry, Pair, RoutingCommand
from dualgate.schemas.settings import Settings, load_settings
from dualgate.sinks.router import Router, RouterState

SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
RATE = int(os.environ.get("BENCH_RATE", "10000"))
SHARE = float(os.environ.get("BENCH_SHARE", "0.05"))
PARTITIONS, SLICE_S, WARM_S = 4, 0.01, 5.0
MIGRATION = "bench"
STEPS = ", ".join(f"{0.06 + 0.002 * i:.3f}" for i in range(450))
OBSERVATIONS = 10
"""Of a step: few, so that the decisions are many."""
FILE = f"""
migration: {MIGRATION}
incumbent: sql-agent:v6
challenger: sql-agent:v7
mode: live
dimensions:
  correctness: {{measure: difference, null: -0.6, design: 0.0, worse_by: 0.5}}
  latency: {{measure: exceedance, sla_ms: 200, null: 0.7, design: 0.1, worse_by: 0.5}}
  semantic: {{measure: level, null: 0.2, design: 0.8, worse_by: 0.1}}
  safety: {{measure: rate, null: 0.6, design: 0.1, worse_by: 0.5, classes: {{}}}}
scoring: {{dialect: sqlite, database: "sqlite:///databases/ads.sqlite", golden: golden.jsonl, grants: grants.yaml}}
phases:
  calibrating: {{pairs: 100}}
  shadow: {{min_duration: 1s, min_pairs: 100, max_pairs: 1000000}}
  canary: {{share: 0.05, observations: 50, min_duration: 0s}}
  rollout: {{steps: [{STEPS}], observations: {OBSERVATIONS}, min_duration: 0s}}
  tail: {{observations: 100000000, min_duration: 0s}}
missing: {{coverage_floor: 0.1}}
shadow_sampling: {{all: {SHARE}}}
"""


@dataclass
class Heard:
    """What was seen at what time, in seconds of the wall clock: answers handed over, commands read, switches of the router."""

    answered: dict[str, float] = field(default_factory=dict)
    n_texts: int = 0
    commanded: dict[tuple[int, int], float] = field(default_factory=dict)
    switched: dict[tuple[int, int], float] = field(default_factory=dict)
    routed: int = 0
    late_s: float = 0.0

    def change(self, state: RouterState) -> None:
        """Note a switch of the router."""
        if state.epoch is not None and state.sequence is not None:
            self.switched.setdefault((state.epoch, state.sequence), time.time())


def _consumer(settings: Settings, *topics: str) -> Any:
    config = {"bootstrap.servers": settings.bootstrap_servers, "group.id": "bench", "enable.auto.commit": False}
    consumer = Consumer(config | {"fetch.wait.max.ms": 10, "isolation.level": "read_committed"})
    known = consumer.list_topics(timeout=10).topics
    consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for name in topics for number in known[name].partitions])
    return consumer


def watch(settings: Settings, heard: Heard, stop: threading.Event) -> None:
    """Note when each command can be read."""
    consumer, codec = _consumer(settings, "decisions"), Codec()
    while not stop.is_set():
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            command = codec.decode(RoutingCommand, message.value())
            heard.commanded.setdefault((command.epoch, command.sequence), time.time())
    consumer.close()


def serve(pairs: list[Pair], router: Router, publisher: Publisher, heard: Heard, until: float) -> None:
    """Route and count queries at the rate; publish what is drawn with both answers."""
    templates, number, heard.n_texts = itertools.cycle(pairs), itertools.count(), len(pairs)
    began, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < until:
        due = int(passed * RATE)
        while done < due:
            done += 1
            key = f"q{next(number)}"
            arm = router.route(key)
            drawn = router.shadow(key)
            if drawn is not None:
                _publish(next(templates), key, arm, drawn, router, publisher)
                heard.answered[key] = time.time()
        heard.late_s = max(heard.late_s, time.perf_counter() - began - due / RATE)
        time.sleep(max(0.0, SLICE_S - (time.perf_counter() - began - passed)))
    heard.routed = done


def _publish(pair: Pair, key: str, arm: Any, drawn: float, router: Router, publisher: Publisher) -> None:
    now_ms = time.time_ns() // 1_000_000
    query = replace(
        pair.query,
        query_id=key,
        migration_id=MIGRATION,
        asked_at_ms=now_ms,
        session_id=None,
        session_turn=None,
        stratum="all",
        served_by=arm,
        routing_sequence=router.state.sequence,
        sampling_probability=drawn,
        rerun=False,
    )
    publisher.query(query)
    for answer in (pair.incumbent, pair.challenger):
        began_ms = now_ms - round(answer.service_ms)
        publisher.response(replace(answer, query_id=key, migration_id=MIGRATION, started_at_ms=began_ms))


def read(settings: Settings, *topics: str) -> Iterator[Any]:
    """Yield the records of topics up to their present ends."""
    consumer = _consumer(settings, *topics)
    ends = {(p.topic, p.partition): consumer.get_watermark_offsets(p, timeout=10)[1] for p in consumer.assignment()}
    left = {place for place, end in ends.items() if end}
    while left:
        for message in consumer.consume(1_000, 1.0):
            if message.error() is None:
                yield message
                place = (message.topic(), message.partition())
                left -= {place} if message.offset() >= ends[place] - 2 else set()  # the last may be a transaction's marker
    consumer.close()


def latencies(settings: Settings, heard: Heard) -> dict[str, list[float]]:
    """Return the times of each stage in milliseconds: of all decisions that a pair has caused, and of all pairs to the ledger."""
    codec, stages = Codec(), ("command", "switch", "blocks", "gate")
    found: dict[str, list[float]] = {f"{kind} {name}": [] for kind in ("new", "known") for name in (*stages, "pairs")}
    keys = {(m.partition(), m.offset()): m.key().decode().partition("/")[2] for m in read(settings, "pairs")}
    ledger = {m.offset(): m for m in read(settings, "ledger")}
    age, warm = {key: i for i, key in enumerate(heard.answered)}, min(heard.answered.values()) + WARM_S
    for key, appended in _appended(codec, ledger.values(), keys):
        if heard.answered[key] >= warm:
            found[f"{_kind(age[key], heard)} pairs"].append((appended - heard.answered[key]) * 1e3)
    records = [codec.decode(EvidenceRecord, m.value()).decision for m in read(settings, "evidence")]
    for made in records:
        if made is None or made.ledger_row is None or made.routing_command is None:
            continue
        place, entry = (made.epoch, made.routing_command.sequence), ledger[made.ledger_offset]
        block = codec.decode(LedgerEntry, entry.value()).quality
        if block is None or place not in heard.commanded or place not in heard.switched:
            continue
        key = keys[block.partition, block.offset[made.ledger_row]]
        if heard.answered[key] < warm:
            continue
        times = _stages(heard.answered[key], entry.timestamp()[1] / 1000, heard.commanded[place], heard.switched[place])
        for name, ms in zip(stages, times, strict=True):
            found[f"{_kind(age[key], heard)} {name}"].append(ms)
    return found


def _appended(codec: Codec, ledger: Iterable[Any], keys: Mapping[tuple[int, int], str]) -> Iterator[tuple[str, float]]:
    """Yield each pair's key with the time at which its row was appended to the ledger, in seconds since 1970."""
    for message in ledger:
        block = codec.decode(LedgerEntry, message.value()).quality
        if block is not None:
            appended = message.timestamp()[1] / 1000
            yield from ((keys[block.partition, offset], appended) for offset in block.offset)


def _kind(age: int, heard: Heard) -> str:
    return "new" if age < heard.n_texts else "known"


def _stages(answered: float, appended: float, commanded: float, switched: float) -> tuple[float, ...]:
    spans = (commanded - answered, switched - commanded, appended - answered, commanded - appended)
    return tuple(span * 1e3 for span in spans)


def run() -> tuple[Heard, dict[str, list[float]]]:
    """Run the pipeline for the given time; return what was heard and the times of each stage."""
    made = sample(Path("out/workload"), 1, print)
    pairs, heard = read_pairs(made.log), Heard()
    with tempfile.TemporaryDirectory(prefix="dualgate-bench-") as logs, LocalBroker() as broker:
        settings = load_settings({}, bootstrap_servers=broker.bootstrap_servers)
        create_topics(broker.bootstrap_servers, "", PARTITIONS)
        file = made.migration.with_name("latency.yaml")
        file.write_text(FILE, encoding="utf-8")
        with Crew(Path(logs), {"DUALGATE_BOOTSTRAP_SERVERS": broker.bootstrap_servers}) as crew:
            for kind in ("pairing", "scoring", "gate"):
                crew.start(kind, "worker", kind)
            crew.start("start", "start", str(file), errand=True)
            while not crew.done("start"):
                time.sleep(0.1)
            _serve(settings, pairs, heard)
            crew.check()
            found = latencies(settings, heard)
            crew.finish("pairing", "scoring", "gate")
    return heard, found


def _serve(settings: Settings, pairs: list[Pair], heard: Heard) -> None:
    stop = threading.Event()
    watcher = threading.Thread(target=watch, args=(settings, heard, stop), daemon=True)
    watcher.start()
    with Router(MIGRATION, settings=settings, on_change=heard.change) as router, Publisher(settings) as publisher:
        while not router.state.valid:
            time.sleep(0.1)
        serve(pairs, router, publisher, heard, SECONDS)
        publisher.flush(10)
        time.sleep(2)
    stop.set()
    watcher.join()


WORDS = {
    "command": "pair to command",
    "blocks": "  of it to the ledger (pairing, scoring)",
    "gate": "  of it from there (gate)",
    "switch": "command to the router's switch",
    "pairs": "every pair to the ledger",
}


def main() -> None:
    """Print the quantiles of each stage."""
    heard, found = run()
    rows = [
        Measurement("queries routed and counted", heard.routed / SECONDS, "1/s"),
        Measurement("of them sampled, paired and scored", len(heard.answered) / SECONDS, "1/s"),
        Measurement("the service was late by at most", heard.late_s * 1e3, "ms"),
    ]
    for kind in ("new", "known"):
        n = len(found[f"{kind} command"])
        rows.append(Measurement(f"decisions on {kind} texts", float(n), "decisions"))
        rows.append(Measurement(f"pairs of {kind} texts", float(len(found[f"{kind} pairs"])), "pairs"))
        for name, words in WORDS.items():
            quantiles = [(q, float(np.percentile(found[f"{kind} {name}"], q))) for q in (50, 99)] if n else []
            rows += [Measurement(f"dualgate {words}, {kind}, p{q}", ms, "ms") for q, ms in quantiles]
    report(rows, [], __doc__ or "")


if __name__ == "__main__":
    main()
