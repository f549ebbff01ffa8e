"""The archiver against a real broker: every record once, across restarts, with nothing half-written to be read."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from avro.datafile import DataFileReader
from avro.io import DatumReader
from confluent_kafka import Producer

from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError, StateError
from dualgate.schemas.records import LedgerEntry, Tick
from dualgate.schemas.settings import Settings, load_settings
from dualgate.sinks.archive import Archiver, Manifest, Segment, read_topic
from support.routing import MIGRATION, command
from support.waiting import WAIT_S, await_true

pytestmark = pytest.mark.kafka
NOW = 1_700_000_000_000


@pytest.fixture
def settings(kafka: str, prefix: str, make_topics: Callable[..., None]) -> Settings:
    make_topics()
    return load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix)


def tick(number: int) -> LedgerEntry:
    return LedgerEntry(tick=Tick(migration_id=MIGRATION, issued_at_ms=NOW + number))


def publish(settings: Settings, topic: str, *values: Any) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "partitioner": "murmur2_random"})
    for value in values:
        raw = value if isinstance(value, bytes) else Codec().encode(value)
        producer.produce(settings.topic_prefix + topic, raw, MIGRATION)
    assert producer.flush(WAIT_S) == 0


def archive_now(folder: Path, settings: Settings, **options: Any) -> Manifest:
    return Archiver(folder, settings, **options).run(lambda: True)


def test_what_is_archived_is_what_stands_in_the_topics(settings: Settings, tmp_path: Path) -> None:
    """Records come back equal, in order, with their offsets; a closed archive says so."""
    publish(settings, "ledger", *map(tick, range(3)))
    publish(settings, "decisions", command(1), command(2))
    assert archive_now(tmp_path, settings).closed
    ledger = list(read_topic(tmp_path, "ledger"))
    assert [line.record() for line in ledger] == [tick(n) for n in range(3)]
    assert [(line.partition, line.offset, line.key) for line in ledger] == [(0, n, MIGRATION) for n in range(3)]
    assert [line.record() for line in read_topic(tmp_path, "decisions")] == [command(1), command(2)]


def test_a_second_run_goes_on_where_the_first_ended(settings: Settings, tmp_path: Path) -> None:
    """The manifest is the position: nothing is archived twice and nothing is left out."""
    publish(settings, "ledger", *map(tick, range(3)))
    archive_now(tmp_path, settings)
    publish(settings, "ledger", *map(tick, range(3, 5)))
    archive_now(tmp_path, settings)
    archive_now(tmp_path, settings)
    assert [line.offset for line in read_topic(tmp_path, "ledger")] == list(range(5))


def test_the_files_of_a_killed_run_are_not_read(settings: Settings, tmp_path: Path) -> None:
    """A segment that no manifest names is left over from a crash: it is not read, and its records are archived again."""
    publish(settings, "ledger", *map(tick, range(3)))
    (tmp_path / "ledger-000000.avro").write_bytes(b"half a segment")
    archive_now(tmp_path, settings)
    assert [line.offset for line in read_topic(tmp_path, "ledger")] == [0, 1, 2]


def test_a_record_that_cannot_be_decoded_keeps_its_place(settings: Settings, tmp_path: Path) -> None:
    """It is a dead letter in the topic's own file, with its bytes and the reason, so that offsets have no hole."""
    publish(settings, "ledger", tick(0), b"\xff no entry", tick(1))
    archive_now(tmp_path, settings)
    lines = list(read_topic(tmp_path, "ledger"))
    assert [line.topic for line in lines] == ["ledger", "dead-letters", "ledger"]
    letter = lines[1].record()
    assert (letter.topic, letter.offset, letter.value) == ("ledger", 1, b"\xff no entry")
    assert "neither the Confluent wire format nor JSON" in letter.reason


def test_a_topic_made_anew_is_an_error(settings: Settings, kafka: str, tmp_path: Path) -> None:
    """Where the broker no longer has what follows the archive's end, the archiver stops and says so."""
    publish(settings, "ledger", *map(tick, range(3)))
    manifest = archive_now(tmp_path, settings)
    ahead = manifest.segments[0].__class__("ledger-9.avro", "ledger", 1, "", {"0": (100, 200)})
    manifest.having((ahead,), closed=True).write(tmp_path)
    with pytest.raises(StateError, match="no longer has the records after the archive's end"):
        archive_now(tmp_path, settings)


def test_topics_that_are_not_there_are_named(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A wrong prefix is a configuration error that names the topic and what makes it."""
    with pytest.raises(ConfigError, match=rf"topic {prefix}queries is not on .*topics create"):
        archive_now(tmp_path, load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix))


KILLED = """
import sys
from pathlib import Path
from dualgate.schemas.settings import load_settings
from dualgate.sinks.archive import Archiver
settings = load_settings({}, bootstrap_servers=sys.argv[2], topic_prefix=sys.argv[3])
Archiver(Path(sys.argv[1]), settings, ["ledger"], roll_records=int(sys.argv[4])).run(lambda: False)
"""


def test_a_killed_archiver_loses_and_doubles_nothing(settings: Settings, tmp_path: Path) -> None:
    """kill -9 after closed segments and in the middle of an open one: the next runs archive each record exactly once."""
    words = [sys.executable, "-c", KILLED, str(tmp_path), settings.bootstrap_servers, settings.topic_prefix, "150"]
    for number in range(2):
        wanted = len(segments(tmp_path)) + 1
        publish(settings, "ledger", *(tick(number * 250 + n) for n in range(200)))
        process = subprocess.Popen(words)
        try:
            await_true(lambda wanted=wanted: len(segments(tmp_path)) >= wanted, "a closed segment")  # type: ignore[misc]
            publish(settings, "ledger", *(tick(number * 250 + n) for n in range(200, 250)))
            await_true(lambda: any(tmp_path.glob(".ledger*.partial")), "an open segment")
        finally:
            process.kill()
            process.wait()
    assert not Manifest.read(tmp_path).closed
    assert archive_now(tmp_path, settings, topics=["ledger"]).closed
    assert [line.record() for line in read_topic(tmp_path, "ledger")] == [tick(n) for n in range(500)]
    assert not any(tmp_path.glob(".*.partial"))


def segments(folder: Path) -> tuple[Segment, ...]:
    """Return the segments that are whole so far."""
    return Manifest.read(folder).segments if (folder / "manifest.json").exists() else ()


def test_any_avro_library_opens_a_file(settings: Settings, tmp_path: Path) -> None:
    """The reference implementation reads place, time and value, by the schema that the file itself carries."""
    publish(settings, "decisions", command(1), b"no command")
    archive_now(tmp_path, settings)
    with DataFileReader((tmp_path / "decisions-000000.avro").open("rb"), DatumReader()) as reader:
        found: list[Any] = list(reader)
    first, second = found
    assert (first["topic"], first["offset"], first["key"], first["value"]["live_share"]) == ("decisions", 0, MIGRATION, 0.25)
    assert (second["topic"], second["offset"], second["value"]["value"]) == ("dead-letters", 1, b"no command")
