"""Archived logs come back as they were written, and every fault names file, line and what is wrong."""

import gzip
from pathlib import Path

import orjson
import pytest

from dualgate.schemas.archive import ArchiveWriter, read_archive, write_archive
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import DeadLetter, Query, Response, Step

QUERY = Query(query_id="q1", migration_id="m", asked_at_ms=5, text="wie viele?", context={"dialect": "sqlite"})
RESPONSE = Response(
    query_id="q1",
    migration_id="m",
    arm="incumbent",
    agent_version="v1",
    service_ms=3.5,
    started_at_ms=5,
    trace=[Step(name="plan")],
)
LINES = [("queries", "m/q1", 5, QUERY), ("responses.incumbent", "m/q1", 9, RESPONSE)]
SUFFIXES = pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])


@SUFFIXES
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    """Records, keys and times survive each kind of file, in order."""
    path = tmp_path / f"log.jsonl{suffix}"
    assert write_archive(path, LINES * 2000) == 4000
    read = [(a.topic, a.key, a.timestamp_ms, a.record()) for a in read_archive(path)]
    assert read == LINES * 2000


def test_a_record_is_published_as_the_codec_encodes_it(tmp_path: Path) -> None:
    """`avro` of a line gives the bytes of the record itself."""
    write_archive(tmp_path / "log.jsonl", LINES)
    published = [line.avro() for line in read_archive(tmp_path / "log.jsonl")]
    assert published == [Codec().encode(record) for *_, record in LINES]


def test_fields_with_a_default_may_be_left_out(tmp_path: Path) -> None:
    """A line by hand needs only the fields that have no default, as a record and as published bytes."""
    path = tmp_path / "log.jsonl"
    value = {"query_id": "q1", "migration_id": "m", "asked_at_ms": 5, "text": "x"}
    path.write_bytes(orjson.dumps({"topic": "queries", "key": "m/q1", "timestamp_ms": 5, "value": value}))
    (line,) = read_archive(path)
    query = Query(query_id="q1", migration_id="m", asked_at_ms=5, text="x")
    assert line.record() == query
    assert line.avro() == Codec().encode(query)


def test_bytes_of_dead_letters_survive(tmp_path: Path) -> None:
    """Key and value of a dead letter are any bytes, and come back as those."""
    letter = DeadLetter(
        topic="queries", partition=1, offset=2, timestamp_ms=3, key=b"\xff\x00", value=bytes(range(256)), reason="r", worker="w"
    )
    write_archive(tmp_path / "d.jsonl", [("dead-letters", None, 3, letter)])
    (line,) = read_archive(tmp_path / "d.jsonl")
    assert line.record() == letter
    assert line.avro() == Codec().encode(letter)


def test_partition_and_offset_of_a_copied_record_are_kept(tmp_path: Path) -> None:
    """A line may say where its record stood."""
    with ArchiveWriter(tmp_path / "log.jsonl") as writer:
        writer.write("queries", "m/q1", 5, QUERY, partition=3, offset=17)
        writer.write("queries", "m/q1", 5, QUERY)
    assert [(a.partition, a.offset) for a in read_archive(tmp_path / "log.jsonl")] == [(3, 17), (None, None)]


@SUFFIXES
def test_an_archive_that_was_cut_is_truncated(tmp_path: Path, suffix: str) -> None:
    """An archive that ends in its middle is an error that says so, after the whole lines before it."""
    path = tmp_path / f"log.jsonl{suffix}"
    write_archive(path, LINES * 500)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ConfigError, match=r"log\.jsonl.*:\d+: .*truncated"):
        list(read_archive(path))


@SUFFIXES
def test_an_archive_of_several_pieces_is_one(tmp_path: Path, suffix: str) -> None:
    """Archives may be joined by concatenation, also packed ones."""
    path = tmp_path / f"log.jsonl{suffix}"
    write_archive(path, LINES)
    path.write_bytes(path.read_bytes() * 3)
    assert len(list(read_archive(path))) == 6


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_damaged_data_is_named(tmp_path: Path, suffix: str) -> None:
    """A file that is not packed as its name says, or whose bytes were changed, is an error with file and line."""
    path = tmp_path / f"log.jsonl{suffix}"
    path.write_bytes(b"{}\n" * 100)
    with pytest.raises(ConfigError, match=r"log\.jsonl.*: "):
        list(read_archive(path))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense\n", "log.jsonl:2: not JSON"),
        (b"[]\n", "log.jsonl:2: is list"),
        (b'{"topic": "querys"}\n', "log.jsonl:2: topic 'querys' is not one of queries, "),
        (b'{"topic": "queries", "key": 5}\n', "log.jsonl:2: key 5 is not text"),
        (b'{"topic": "queries", "key": "m/q"}\n', "log.jsonl:2: timestamp_ms None is not a whole number"),
        (b'{"topic": "queries", "key": "m/q", "timestamp_ms": true}\n', "log.jsonl:2: timestamp_ms True"),
        (b'{"topic": "queries", "key": "m/q", "timestamp_ms": -5}\n', "log.jsonl:2: timestamp_ms -5"),
        (b'{"topic": "queries", "key": "m/q", "timestamp_ms": 9223372036854775808}\n', "log.jsonl:2: timestamp_ms 9223372"),
        (
            b'{"topic": "queries", "key": "m/q", "timestamp_ms": 1}\n',
            "log.jsonl:2: value is NoneType; it must be an object: a Query",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    """What is no record of an archive is an error with file, line and what is accepted."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(orjson.dumps({"topic": "queries", "key": "m/q", "timestamp_ms": 1, "value": {}}) + b"\n" + line)
    with pytest.raises(ConfigError) as caught:
        list(read_archive(path))
    assert words in str(caught.value)


def test_a_value_that_does_not_fit_its_schema_is_named(tmp_path: Path) -> None:
    """A record with a wrong or missing field is an error with file, line, field and value."""
    path = tmp_path / "log.jsonl.gz"
    bad = {"query_id": "q", "migration_id": "m", "asked_at_ms": "noon", "text": "x"}
    more = to_plain(QUERY) | {"colour": "red"}
    lines = [{"topic": "queries", "key": "m/q", "timestamp_ms": 1, "value": value} for value in (bad, {"text": "x"}, more)]
    with gzip.open(path, "wb") as stream:
        stream.writelines(orjson.dumps(line) + b"\n" for line in lines)
    first, second, third = read_archive(path)
    with pytest.raises(ConfigError, match=r"log\.jsonl\.gz:1: .*asked_at_ms.*noon"):
        first.record()
    with pytest.raises(ConfigError, match=r"log\.jsonl\.gz:2: .*lacks the field 'query_id'"):
        second.avro()
    for read in (third.record, third.avro):
        with pytest.raises(ConfigError, match=r"log\.jsonl\.gz:3: Query has no field 'colour'"):
            read()


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    """A file that is not there is a ConfigError with its path."""
    with pytest.raises(ConfigError, match=r"none\.jsonl: No such file"):
        list(read_archive(tmp_path / "none.jsonl"))


def test_an_archive_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """Where writing fails half-way the old file stays and nothing else is left."""
    path = tmp_path / "log.jsonl.zst"
    write_archive(path, LINES)

    def failing() -> None:
        with ArchiveWriter(path) as writer:
            writer.write(*LINES[0])
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        failing()
    assert [a.record() for a in read_archive(path)] == [QUERY, RESPONSE]
    assert [p.name for p in tmp_path.iterdir()] == ["log.jsonl.zst"]
