"""Scoring against a real broker: blocks on the ledger, each vector above the last offset, commits after acknowledgements."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from dualgate.processors.scoring import worker
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import DeadLetter, LedgerEntry, QualityBlock, Unpaired
from dualgate.schemas.settings import Settings
from support.rater_server import endpoint, verdict
from support.scoring import migration_record, pair, shop, with_rater
from support.scoring_thread import Running
from support.waiting import WAIT_S, await_true

pytestmark = pytest.mark.kafka
CODEC = Codec()
T0 = 1_700_000_000_000


@pytest.fixture
def settings(kafka: str, prefix: str, make_topics: Callable[..., None]) -> Settings:
    make_topics(partitions=2)
    return Settings.model_validate({"bootstrap_servers": kafka, "topic_prefix": prefix, "partitions": 2})


@pytest.fixture
def send(settings: Settings) -> Callable[..., None]:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "partitioner": "murmur2_random"})

    def produce(topic: str, records: list[tuple[bytes, bytes]], partition: int = 0, timestamp: int = T0) -> None:
        for key, value in records:
            producer.produce(settings.topic_prefix + topic, value, key, partition=partition, timestamp=timestamp)
        assert producer.flush(WAIT_S) == 0

    return produce


def read(settings: Settings, topic: str, enough: Callable[[list[Any]], bool], kind: type[Any]) -> list[Any]:
    """Read a one-partition topic from its start until the records are enough."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(settings.topic_prefix + topic, 0, 0)])
    found: list[Any] = []

    def enough_came() -> bool:
        found.extend(CODEC.decode(kind, m.value()) for m in consumer.consume(500, 0.5))
        return enough(found)

    try:
        await_true(enough_came, f"enough on {topic}")
        return found
    finally:
        consumer.close()


def rows(entries: list[LedgerEntry]) -> int:
    return sum(len(e.quality.offset) for e in entries if e.quality) + sum(len(e.coverage.offset) for e in entries if e.coverage)


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[], Running]]:
    running: list[Running] = []

    def begin() -> Running:
        running.append(Running(settings))
        return running[-1]

    yield begin
    for each in running:
        each._stop.set()
        each._thread.join(WAIT_S)


def test_pairs_and_unpaired_become_blocks_and_bad_records_dead_letters(
    settings: Settings, send: Callable[..., None], start: Callable[[], Running], tmp_path: Path
) -> None:
    """Every record of pairs and unpaired is a row of a block or a dead letter; a restart goes on where it was committed."""
    config = shop(tmp_path, {"g1": "SELECT count(*) FROM ads WHERE account_id = 7"})
    send("migrations", [(b"m1", CODEC.encode(migration_record(config, epoch=3)))])
    good = [
        pair("SELECT 3", "SELECT count(*) FROM ads WHERE account_id = 7", query_id=f"q{i}", asked_at_ms=T0 - i)
        for i in range(700)
    ]
    send("pairs", [(f"m1/{p.query.query_id}".encode(), CODEC.encode(p)) for p in good])
    send("pairs", [(b"m1/other", CODEC.encode(good[0])), (b"m9/q", CODEC.encode(good[0])), (b"m1/q", b"\x00junk")], partition=1)
    lost = Unpaired(migration_id="m1", query_id="q1", reason="no_challenger", silent_arm="challenger", query=good[1].query)
    send("unpaired", [(b"m1/q1", CODEC.encode(lost))])

    first = start()
    entries = read(settings, "ledger", lambda found: rows(found) >= 701, LedgerEntry)
    dead = read(settings, "dead-letters", lambda found: len(found) >= 3, DeadLetter)
    first.stop()

    blocks: list[QualityBlock] = [e.quality for e in entries if e.quality]
    assert [o for b in blocks for o in b.offset] == list(range(700))
    assert all((b.epoch, b.config_hash, b.partition) == (3, config.config_hash, 0) and len(b.offset) <= 500 for b in blocks)
    assert {b.lineage for b in blocks} != {e.coverage.lineage for e in entries if e.coverage}
    assert [b.from_offset for b in blocks] == [0, *(b.to_offset for b in blocks[:-1])]
    assert all(v == 1.0 for b in blocks for v in b.dimensions["correctness"].challenger)
    assert sorted(d.reason.split(":")[0] for d in dead)[0].startswith("incumbent is of m1/q0, but the key says")
    assert any("schema id" in d.reason for d in dead)

    late = [replace(good[0].query, query_id=f"r{i}") for i in range(3)]
    more = [pair("SELECT 3", "SELECT 3", query_id=q.query_id, asked_at_ms=T0) for q in late]
    send("pairs", [(f"m1/{p.query.query_id}".encode(), CODEC.encode(p)) for p in more])
    second = start()
    entries = read(settings, "ledger", lambda found: rows(found) >= 704, LedgerEntry)
    second.stop()
    assert rows(entries) == 704


def test_the_partitions_of_an_archive_are_scored_side_by_side(
    settings: Settings, send: Callable[..., None], start: Callable[[], Running], tmp_path: Path
) -> None:
    """Two partitions that are there whole take turns: neither is ever a turn ahead, so evidence keeps the log's order."""
    config = shop(tmp_path, {"g1": "SELECT 1"})
    send("migrations", [(b"m1", CODEC.encode(migration_record(config)))])
    for partition in range(2):
        pairs = [pair(query_id=f"q{partition}-{i}", asked_at_ms=T0 + i) for i in range(600)]
        send("pairs", [(f"m1/{p.query.query_id}".encode(), CODEC.encode(p)) for p in pairs], partition)
    running = start()
    entries = read(settings, "ledger", lambda found: rows(found) >= 1_200, LedgerEntry)
    running.stop()
    ahead, done = [], [0, 0]
    for block in (entry.quality for entry in entries if entry.quality):
        done[block.partition] += len(block.offset)
        ahead.append(abs(done[0] - done[1]))
    assert done == [600, 600]
    assert max(ahead) <= worker.TURN_PAIRS


def test_an_archive_replayed_twice_counts_once(
    settings: Settings, send: Callable[..., None], start: Callable[[], Running], tmp_path: Path
) -> None:
    """A vector that is older than its migration's clock allows is dropped, also by a successor of the worker that set it."""
    config = shop(tmp_path, {"g1": "SELECT 1"})
    send("migrations", [(b"m1", CODEC.encode(migration_record(config)))])
    hour = 3_600_000
    archive = [pair(query_id=f"q{i}", asked_at_ms=T0 - (9 - i) * hour) for i in range(10)]
    values = [(f"m1/{p.query.query_id}".encode(), CODEC.encode(p)) for p in archive]
    send("pairs", values)
    first = start()
    read(settings, "ledger", lambda found: rows(found) >= 10, LedgerEntry)
    first.stop()
    send("pairs", values)
    second = start()
    entries = read(settings, "ledger", lambda found: rows(found) >= 11, LedgerEntry)
    second.stop()
    assert [o for e in entries if e.quality for o in e.quality.offset] == [*range(10), 19]


def test_a_rated_migration_waits_alone_and_a_crash_loses_none_of_its_pairs(
    settings: Settings, send: Callable[..., None], start: Callable[[], Running], tmp_path: Path
) -> None:
    """While the rater is silent the other migration's block goes out, and what waits is not committed; then it goes out once."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    unrated = shop(tmp_path / "b", {"g1": "SELECT 1"})
    with endpoint(None) as server:
        rated = with_rater(shop(tmp_path / "a", {"g1": "SELECT 1"}), server.url)
        records = [replace(migration_record(config), migration_id=name) for name, config in (("m1", rated), ("m2", unrated))]
        send("migrations", [(record.migration_id.encode(), CODEC.encode(record)) for record in records])
        asked = [pair(query_id=f"q{i}", migration_id=f"m{i % 2 + 1}", golden_id=None, asked_at_ms=T0) for i in range(10)]
        send("pairs", [(f"{p.query.migration_id}/{p.query.query_id}".encode(), CODEC.encode(p)) for p in asked])
        first = start()
        entries = read(settings, "ledger", lambda found: rows(found) >= 5, LedgerEntry)
        assert [(e.quality.migration_id, e.quality.offset) for e in entries if e.quality] == [("m2", [1, 3, 5, 7, 9])]
        first.stop()
        server.replies = [verdict(True)]
        server.gate.set()
        second = start()
        entries = read(
            settings, "ledger", lambda found: any(e.quality and e.quality.migration_id == "m1" for e in found), LedgerEntry
        )
        second.stop()
    (block,) = [e.quality for e in entries if e.quality and e.quality.migration_id == "m1"]
    assert block.offset == [0, 2, 4, 6, 8]
    assert set(block.dimensions["correctness"].source) == {"rater"}
    assert block.dimensions["correctness"].challenger == [1.0] * 5
