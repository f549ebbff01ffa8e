"""`dualgate replay` and the publisher against a real broker."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_CREATE_TIME, Consumer, TopicPartition

from dualgate.cli.main import main
from dualgate.producers import Publisher
from dualgate.producers.replay import replay
from dualgate.schemas.archive import write_archive
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError, RecordError
from dualgate.schemas.records import Query, Response
from dualgate.schemas.settings import Settings, load_settings
from dualgate.schemas.topics import RERUN_HEADER
from support.waiting import WAIT_S

pytestmark = pytest.mark.kafka
PARTITIONS = 3
N = 40
START = 1_700_000_000_000


@pytest.fixture
def settings(kafka: str, prefix: str, make_topics: Callable[..., None]) -> Settings:
    make_topics(partitions=PARTITIONS)
    return load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix, partitions=PARTITIONS)


def query(i: int) -> Query:
    return Query(query_id=f"q{i}", migration_id="m", asked_at_ms=START + 1_000 * i, text=f"question {i}", rerun=i % 2 == 0)


def answer(i: int) -> Response:
    return Response(
        query_id=f"q{i}", migration_id="m", arm="challenger", agent_version="v", service_ms=40.0, started_at_ms=START + 1_000 * i
    )


def log_of(tmp_path: Path) -> Path:
    lines: list[tuple[str, str | None, int, Any]] = []
    for i in range(N):
        lines.append(("queries", f"m/q{i}", START + 1_000 * i, query(i)))
        lines.append(("responses.challenger", f"m/q{i}", START + 1_000 * i + 40, answer(i)))
    write_archive(tmp_path / "log.jsonl.zst", lines)
    return tmp_path / "log.jsonl.zst"


def read(settings: Settings, topic: str, n: int) -> list[Any]:
    """Return n messages of a topic, all partitions."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(settings.topic_prefix + topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    found = consumer.consume(n, WAIT_S)
    consumer.close()
    assert [m.error() for m in found] == [None] * n
    return list(found)


def test_a_replay_publishes_every_record_under_its_key_and_time(settings: Settings, tmp_path: Path) -> None:
    """Records arrive with their keys, their archived CreateTime and their bytes; only awaited re-runs carry the header."""
    told: list[int] = []
    published = replay(log_of(tmp_path), settings, "max", told.append)
    assert dict(published.topics) == {"queries": N, "responses.challenger": N}
    assert told[-1] == 2 * N
    messages = sorted(read(settings, "queries", N), key=lambda m: int(m.timestamp()[1]))
    assert [m.timestamp() for m in messages] == [(TIMESTAMP_CREATE_TIME, START + 1_000 * i) for i in range(N)]
    assert [m.key() for m in messages] == [f"m/q{i}".encode() for i in range(N)]
    assert [Codec().decode(Query, m.value()) for m in messages] == [query(i) for i in range(N)]
    assert [m.headers() for m in messages] == [[(RERUN_HEADER, b"1")] if i % 2 == 0 else None for i in range(N)]


def test_a_query_and_its_answers_share_a_partition(settings: Settings, tmp_path: Path) -> None:
    """One key is one partition number on every topic, and the keys spread over all of them."""
    replay(log_of(tmp_path), settings, "max", lambda _n: None)
    places = {m.key(): m.partition() for m in read(settings, "queries", N)}
    assert {m.key(): m.partition() for m in read(settings, "responses.challenger", N)} == places
    assert set(places.values()) == set(range(PARTITIONS))


def test_replay_and_publisher_agree(settings: Settings, tmp_path: Path) -> None:
    """The publisher puts a record where a replay of it goes, with the same bytes, time and header."""
    write_archive(tmp_path / "one.jsonl", [("queries", "m/q2", START + 2_000, query(2))])
    replay(tmp_path / "one.jsonl", settings, "max", lambda _n: None)
    with Publisher(settings) as publisher:
        assert publisher.query(query(2))
        assert publisher.flush(WAIT_S) == 0
        assert publisher.counts.delivered == 1
    first, second = read(settings, "queries", 2)
    assert [first.key(), first.value(), first.timestamp(), first.headers(), first.partition()] == [
        second.key(),
        second.value(),
        second.timestamp(),
        second.headers(),
        second.partition(),
    ]


def test_the_verb_says_what_it_published(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --json the verb prints one document with the counts by topic."""
    monkeypatch.setenv("DUALGATE_BOOTSTRAP_SERVERS", settings.bootstrap_servers)
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(log_of(tmp_path)), "--prefix", settings.topic_prefix, "--json"])
    assert ended.value.code == 0
    document = orjson.loads(capsys.readouterr().out)
    assert document["records"] == 2 * N
    assert document["topics"] == {"queries": N, "responses.challenger": N}


def test_a_record_from_the_future_is_refused_with_its_line(settings: Settings, tmp_path: Path) -> None:
    """A time that lies ahead of the broker's clock is an error that names file and line."""
    far = 4_000_000_000_000
    late = Query(query_id="q1", migration_id="m", asked_at_ms=far, text="x")
    write_archive(tmp_path / "log.jsonl", [("queries", "m/q0", START, query(0)), ("queries", "m/q1", far, late)])
    with pytest.raises(RecordError, match=r"log\.jsonl:2: topic queries takes no record stamped more than a minute ahead"):
        replay(tmp_path / "log.jsonl", settings, "max", lambda _n: None)


def test_an_oversized_record_is_refused_with_its_line(settings: Settings, tmp_path: Path) -> None:
    """A value that the topic does not take is an error that names file and line."""
    huge = Query(query_id="q1", migration_id="m", asked_at_ms=1, text=Random(1).randbytes(3 << 20).hex())
    write_archive(tmp_path / "log.jsonl", [("queries", "m/q1", 1, huge)])
    with pytest.raises(RecordError, match=r"log\.jsonl:1: topic .*queries: "):
        replay(tmp_path / "log.jsonl", settings, "max", lambda _n: None)


def test_missing_topics_are_named(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Where the topics do not exist the error says how to make them, and none is made by the way."""
    nothing = load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix)
    with pytest.raises(ConfigError, match="do not exist; create them with: dualgate topics create"):
        replay(log_of(tmp_path), nothing, "max", lambda _n: None)


def test_a_truncated_archive_stops_the_replay_with_its_line(settings: Settings, tmp_path: Path) -> None:
    """A log that ends in its middle is an error; the records before its end were delivered."""
    path = tmp_path / "log.jsonl"
    write_archive(path, [("queries", f"m/q{i}", START + 1_000 * i, query(i)) for i in range(3)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match=r"log\.jsonl:3: not JSON.*truncated"):
        replay(path, settings, "max", lambda _n: None)
    assert {m.key() for m in read(settings, "queries", 2)} == {b"m/q0", b"m/q1"}
