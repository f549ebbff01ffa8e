"""A segment's file: an Avro object container, which any Avro library opens, with each record's place and time beside it."""

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

import fastavro
from fastavro.write import Writer

from dualgate.schemas import catalogue
from dualgate.schemas.archive import Archived
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.plain import to_plain
from dualgate.schemas.topics import BY_NAME, DEAD_LETTERS

CODEC = "deflate"
"""The one codec beside none that every Avro library has."""


@cache
def envelope(topic: str) -> Any:
    """Return the schema of a topic's files: `topic` is dead-letters where the record could not be decoded."""
    names = dict.fromkeys((BY_NAME[topic].value, BY_NAME[DEAD_LETTERS].value))
    kinds = (("topic", "string"), ("partition", "int"), ("offset", "long"), ("timestamp_ms", "long"), ("key", ["null", "string"]))
    fields = [{"name": name, "type": kind} for name, kind in kinds]
    value = [json.loads(catalogue.schema(name).text) for name in names]
    whole = {"type": "record", "name": "Archived", "namespace": "dualgate.archive", "fields": fields}
    return fastavro.parse_schema(whole | {"fields": [*fields, {"name": "value", "type": value}]})


class AvroFile:
    """Writes one file; it appears under its name when all of it is on disk, or not at all."""

    def __init__(self, path: Path, topic: str) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._stream: IO[bytes] = self._partial.open("wb")
        self._writer: Any = Writer(self._stream, envelope(topic), codec=CODEC)
        self.n_records = 0

    def write(self, topic: str, partition: int, offset: int, timestamp_ms: int, key: str | None, value: Any) -> None:
        """Add a record of the catalogue."""
        named = (f"dualgate.{type(value).__name__}", to_plain(value))
        place = {"topic": topic, "partition": partition, "offset": offset, "timestamp_ms": timestamp_ms, "key": key}
        self._writer.write(place | {"value": named})
        self.n_records += 1

    def close(self) -> None:
        """Put the file on disk and give it its name."""
        self._writer.flush()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._partial.replace(self._path)

    def abandon(self) -> None:
        """Remove what was written."""
        self._stream.close()
        self._partial.unlink(missing_ok=True)


def read_avro(path: Path, topic: str) -> Iterator[Archived]:
    """Yield the records of a file as lines of a log; ConfigError where it is none, or of another topic."""
    try:
        with path.open("rb") as stream:
            for number, each in enumerate(fastavro.reader(stream, envelope(topic)), 1):
                given: Any = each
                yield Archived(**given, file=str(path), line=number)
    except (ValueError, EOFError, fastavro.schema.SchemaParseException, fastavro.read.SchemaResolutionError) as error:
        raise ConfigError(f"{path}: not an archive of {topic}: {error}") from None
