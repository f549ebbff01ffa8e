"""Archived logs: JSON lines ``{"topic": …, "key": …, "timestamp_ms": …, "value": {…}}``, optionally .gz or .zst.

``partition`` and ``offset`` may stand beside them, where the line is a copy of a topic's record. Bytes (of dead letters)
are text with one character a byte, as in Avro's JSON. Files are read and written as streams, never whole.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import fastavro.validation
import orjson

from dualgate.schemas import catalogue, records
from dualgate.schemas.archive_files import lines_of, packed
from dualgate.schemas.codec import Codec, body
from dualgate.schemas.errors import ConfigError, RecordError
from dualgate.schemas.plain import from_plain, to_plain
from dualgate.schemas.topics import BY_NAME

_CODEC = Codec()
MAX_TIMESTAMP_MS = 253_402_300_800_000
"""The year 10,000: what is beyond is no time, and a broker takes only what fits a signed 64-bit number."""


@dataclass(frozen=True, slots=True)
class Archived:
    """One line of an archived log; `value` is plain as it was read, and `record` or `avro` make something of it."""

    topic: str
    key: str | None
    timestamp_ms: int
    value: dict[str, Any]
    partition: int | None
    offset: int | None
    file: str
    line: int

    @property
    def where(self) -> str:
        """Return file and line, as every error about this record begins."""
        return f"{self.file}:{self.line}"

    def record(self) -> Any:
        """Return the value as the record of its topic; ConfigError names file, line and what does not fit."""
        name = BY_NAME[self.topic].value
        cls, value = getattr(records, name), _with_bytes(name, self.value)
        if _fits(name, value):
            with suppress(TypeError):  # a field that the record does not have passes there: the slow road names it
                return from_plain(cls, value)
        return self._slowly(lambda: _CODEC.decode(cls, orjson.dumps(self.value)))

    def avro(self, codec: Codec = _CODEC) -> bytes:
        """Return the value as it is published; ConfigError names file, line and what does not fit."""
        name = BY_NAME[self.topic].value
        try:
            return codec.header(getattr(records, name)) + body(name, _with_bytes(name, self.value))
        except RecordError:
            return codec.encode(self.record())  # fields with a default may be left out

    def _slowly(self, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except RecordError as error:
            raise ConfigError(f"{self.where}: {error}") from None


@cache
def _parsed(name: str) -> Any:
    return catalogue.schema(name).parsed


def _fits(name: str, value: dict[str, Any]) -> bool:
    try:
        return bool(fastavro.validation.validate(value, _parsed(name), raise_errors=False, strict=True))
    except Exception:  # validation itself trips over values of unexpected kinds; the slow road says what is wrong
        return False


def _with_bytes(name: str, value: dict[str, Any]) -> dict[str, Any]:
    if name != "DeadLetter":
        return value
    return {k: v.encode("latin-1") if k in ("key", "value") and isinstance(v, str) else v for k, v in value.items()}


def read_archive(path: str | Path) -> Iterator[Archived]:
    """Yield the records of an archived log in file order.

    ConfigError names file and line of what is no record, and says so where the archive ends in its middle.
    """
    file = Path(path)
    number = 0
    for number, line in enumerate(lines_of(file), 1):
        if line.strip():
            yield _archived(str(file), number, line)


def _archived(file: str, number: int, line: bytes) -> Archived:
    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        cut = "" if line.endswith(b"\n") else " (the archive ends in the middle of this line: it is truncated)"
        raise ConfigError(f"{file}:{number}: not JSON: {error}{cut}") from None
    fault = _fault(given)
    if fault:
        raise ConfigError(f"{file}:{number}: {fault}")
    return Archived(
        given["topic"],
        given.get("key"),
        given["timestamp_ms"],
        given["value"],
        given.get("partition"),
        given.get("offset"),
        file,
        number,
    )


def _fault(given: Any) -> str:
    """Return what is wrong with the outer form of a line; nothing where it is right."""
    if not isinstance(given, dict):
        return f"is {type(given).__name__}; a line is an object with topic, key, timestamp_ms and value"
    if given.get("topic") not in BY_NAME:
        return f"topic {given.get('topic')!r} is not one of {', '.join(BY_NAME)}"
    if not isinstance(given.get("key"), str | None):
        return f"key {given['key']!r} is not text"
    if type(given.get("timestamp_ms")) is not int or not 0 <= given["timestamp_ms"] < MAX_TIMESTAMP_MS:
        return f"timestamp_ms {given.get('timestamp_ms')!r} is not a whole number of milliseconds from 1970 to 9999"
    if not isinstance(given.get("value"), dict):
        return f"value is {type(given.get('value')).__name__}; it must be an object: a {BY_NAME[given['topic']].value}"
    for name in ("partition", "offset"):
        if type(given.get(name)) not in (int, type(None)):
            return f"{name} {given[name]!r} is not a whole number"
    return ""


class ArchiveWriter:
    """Writes an archived log; the file appears under its name when all of it is there, or not at all.

    A context manager: leaving it by an exception removes what was written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.partial")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._raw = self._partial.open("wb")
        except OSError as error:
            raise ConfigError(f"archive {path}: {error.strerror or error}") from None
        self._stream: Any = packed(self._path, self._raw)
        self.n_records = 0

    def write(
        self,
        topic: str,
        key: str | None,
        timestamp_ms: int,
        value: Any,
        partition: int | None = None,
        offset: int | None = None,
    ) -> None:
        """Add a line; the value is a record or its plain form."""
        line: dict[str, Any] = {"topic": topic, "key": key, "timestamp_ms": timestamp_ms}
        if partition is not None:
            line |= {"partition": partition, "offset": offset}
        line["value"] = to_plain(value) if is_dataclass(value) else value
        self._stream.write(orjson.dumps(line, default=_bytes_as_text, option=orjson.OPT_APPEND_NEWLINE))
        self.n_records += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            with suppress(OSError):  # a full disk stays full; what went wrong first is what is told
                self._stream.close()
                self._raw.close()
            self._partial.unlink(missing_ok=True)
            return
        self._stream.close()
        self._raw.close()
        self._partial.replace(self._path)


def _bytes_as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    raise TypeError(f"a {type(value).__name__} cannot be written to an archive")


def write_archive(path: str | Path, lines: Iterable[tuple[str, str | None, int, Any]]) -> int:
    """Write lines of (topic, key, timestamp_ms, value) as an archive, whole or not at all; return how many."""
    with ArchiveWriter(path) as writer:
        for topic, key, timestamp_ms, value in lines:
            writer.write(topic, key, timestamp_ms, value)
        return writer.n_records
