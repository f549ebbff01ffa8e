"""Records to bytes and back: Avro in the Confluent wire format; on input topics also JSON of the same schema.

The wire format is a zero byte, the schema id in four bytes (big endian) and the Avro body. A value that starts with ``{``
is JSON. Everything that cannot be read is a RecordError that says why.
"""

import io
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

import fastavro
import fastavro.validation
import orjson

from dualgate.schemas import catalogue
from dualgate.schemas.catalogue import Schema
from dualgate.schemas.errors import RecordError
from dualgate.schemas.plain import from_plain, to_plain

R = TypeVar("R")
HEADER_SIZE = 5


class Codec:
    """Encodes and decodes the records of all topics; ids come from the catalogue, or from a registry that is given."""

    def __init__(self, ids: Mapping[str, int] | None = None, known: Callable[[int], Schema | None] = catalogue.by_id) -> None:
        self._ids = dict(catalogue.IDS if ids is None else ids)
        self._known = known
        self._headers = {name: struct.pack(">bI", 0, number) for name, number in self._ids.items()}

    def header(self, cls: type[Any]) -> bytes:
        """Return the five bytes before each body of this record."""
        return self._headers[cls.__name__]

    def encode(self, record: Any) -> bytes:
        """Return a record in the wire format; RecordError where a value does not fit its schema."""
        name = type(record).__name__
        return self._headers[name] + body(name, to_plain(record))

    def decode(self, cls: type[R], data: bytes | None) -> R:
        """Return the record of a value, from Avro of any known version or from JSON; RecordError says what is wrong."""
        return from_plain(cls, self._plain(cls.__name__, data))

    def present_body(self, cls: type[Any], data: bytes | None) -> bytes | None:
        """Return the undecoded body where the value is of the present version, else None (the slow road: `recoded`)."""
        if data is not None and data.startswith(self._headers[cls.__name__]):
            return data[HEADER_SIZE:]
        return None

    def recoded(self, cls: type[Any], data: bytes | None) -> bytes:
        """Return the body of the present version for JSON or another version; RecordError where it is neither."""
        return body(cls.__name__, self._plain(cls.__name__, data))

    def _plain(self, name: str, data: bytes | None) -> dict[str, Any]:
        if not data:
            raise RecordError(f"value of a {name} is {'missing (a tombstone)' if data is None else 'empty'}")
        if data[:1] == b"{":
            return _from_json(name, data)
        if data[0] != 0 or len(data) < HEADER_SIZE:
            raise RecordError(f"value of a {name} starts with {data[:HEADER_SIZE]!r}: neither the Confluent wire format nor JSON")
        return _from_avro(name, self._schema_of(name, data), data)

    def _schema_of(self, name: str, data: bytes) -> Schema:
        number = int.from_bytes(data[1:HEADER_SIZE], "big")
        known = self._known(number)
        if known is None:
            raise RecordError(f"schema id {number} is not known; a {name} has id {self._ids.get(name)}")
        if known.name != name:
            raise RecordError(f"schema id {number} is a {known.name}; a {name} is expected")
        return known


def body(name: str, plain: Mapping[str, Any]) -> bytes:
    """Return the Avro body of a plain record; RecordError names the record and what does not fit."""
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, catalogue.schema(name).parsed, plain, strict=True)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, struct.error) as error:
        raise RecordError(f"{name} does not fit its schema: {_first_misfit(name, plain) or error}") from None
    return out.getvalue()


def _from_avro(name: str, written: Schema, data: bytes) -> dict[str, Any]:
    stream = io.BytesIO(data)
    stream.seek(HEADER_SIZE)
    try:
        plain = fastavro.schemaless_reader(stream, written.parsed, catalogue.schema(name).parsed)
    except Exception as error:  # fastavro raises many kinds on bytes that are no Avro, all of which mean just that
        raise RecordError(f"value is not a {name}: {type(error).__name__}: {error}") from None
    rest = len(data) - stream.tell()
    if rest:
        raise RecordError(f"value has {rest} bytes left over after the {name}")
    return cast(dict[str, Any], plain)


def _from_json(name: str, data: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"value is neither Avro nor JSON: {error}") from None
    plain: dict[str, Any] = _completed(name, catalogue.schema(name).parsed, given)
    misfit = _first_misfit(name, plain)
    if misfit:
        raise RecordError(f"JSON is not a {name}: {misfit}")
    return plain


def _completed(where: str, node: Any, given: Any) -> Any:
    """Fill in the defaults of missing fields, all the way down; RecordError names an unknown or missing field."""
    if isinstance(node, list):
        return None if given is None else _completed(where, next(n for n in node if n != "null"), given)
    if isinstance(node, str):
        node = _named(node) or node
    kind = node["type"] if isinstance(node, dict) else node
    if kind == "record" and isinstance(given, dict):
        return _completed_record(where, node, given)
    if kind == "array" and isinstance(given, list):
        return [_completed(f"{where}[{i}]", node["items"], item) for i, item in enumerate(given)]
    if kind == "map" and isinstance(given, dict):
        return {key: _completed(f"{where}.{key}", node["values"], item) for key, item in given.items()}
    return float(given) if kind == "double" and type(given) is int else given


def _completed_record(where: str, node: Any, given: dict[str, Any]) -> dict[str, Any]:
    names = [f["name"] for f in node["fields"]]
    for key in given:
        if key not in names:
            raise RecordError(f"{where} has no field {key!r}; its fields are {', '.join(names)}")
    for f in node["fields"]:
        if f["name"] not in given and "default" not in f:
            raise RecordError(f"{where} lacks the field {f['name']!r}")
    return {
        f["name"]: _completed(f"{where}.{f['name']}", f["type"], given[f["name"]]) if f["name"] in given else f["default"]
        for f in node["fields"]
    }


@cache
def _named(name: str) -> Any:
    return catalogue.schema(name.removeprefix("dualgate.")).parsed if name.startswith("dualgate.") else None


def _first_misfit(name: str, plain: Any) -> str:
    try:
        fastavro.validation.validate(plain, catalogue.schema(name).parsed)
    except fastavro.validation.ValidationError as error:
        return str(error.errors[0]) if error.errors else str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
