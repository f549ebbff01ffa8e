"""The bytes on the topics: golden files of every schema, and the reference implementation of Avro as the judge."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import fastavro
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualgate.schemas import catalogue, records
from dualgate.schemas.codec import HEADER_SIZE, Codec, body
from dualgate.schemas.plain import from_plain, to_plain
from support.avro_values import plain_values, sample

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(catalogue.IDS)


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    return [_jsonable(item) for item in value] if isinstance(value, list) else value


def _by_reference(name: str, plain: Any) -> bytes:
    out = io.BytesIO()
    avro.io.DatumWriter(avro.schema.parse(catalogue.schema(name).text)).write(plain, avro.io.BinaryEncoder(out))
    return out.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_golden_bytes(name: str) -> None:
    """A value written by any release is read to the same record for ever, and is still written to the same bytes."""
    golden = json.loads((GOLDEN / f"{catalogue.IDS[name]}-{name}.json").read_text(encoding="utf-8"))
    data = base64.b64decode(golden["bytes"])
    record = Codec().decode(getattr(records, name), data)
    assert _jsonable(to_plain(record)) == golden["value"]
    assert Codec().encode(record) == data


@pytest.mark.parametrize("number", sorted(catalogue.past()))
def test_bytes_of_a_past_schema_are_read(number: int) -> None:
    """What an earlier release wrote is read as it was; what its schema did not have takes the default."""
    name = catalogue.past()[number].name
    golden = json.loads((GOLDEN / f"{number}-{name}.json").read_text(encoding="utf-8"))
    record = Codec().decode(getattr(records, name), base64.b64decode(golden["bytes"]))
    assert _with_defaults(golden["value"], _jsonable(to_plain(record))) == _jsonable(to_plain(record))


def _with_defaults(old: Any, new: Any) -> Any:
    """Return an old value with the fields that only the new one has, where these are null."""
    if not isinstance(old, dict):
        return old
    added = {name: None for name, value in new.items() if name not in old and value is None}
    return {name: _with_defaults(value, new.get(name)) for name, value in old.items()} | added


@pytest.mark.parametrize("name", NAMES)
def test_sample_uses_every_field(name: str) -> None:
    """The golden sample is the whole schema: a field that is added or renamed shows in it."""
    golden = json.loads((GOLDEN / f"{catalogue.IDS[name]}-{name}.json").read_text(encoding="utf-8"))
    assert golden["value"] == _jsonable(sample(catalogue.schema(name).parsed))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_same_bytes_as_reference(name: str, data: st.DataObject) -> None:
    """The fast encoder writes what the reference implementation writes, and what it wrote reads back."""
    plain = data.draw(plain_values(catalogue.schema(name).parsed))
    record = from_plain(getattr(records, name), plain)
    written = Codec().encode(record)
    assert written[HEADER_SIZE:] == _by_reference(name, plain)
    assert Codec().decode(type(record), written) == record


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pair_is_a_concatenation(data: st.DataObject) -> None:
    """The body of a Pair is those of its parts end to end, with one byte before the optional re-run."""
    pair = from_plain(records.Pair, data.draw(plain_values(catalogue.schema("Pair").parsed)))
    parts = [body("Query", to_plain(pair.query)), *(body("Response", to_plain(r)) for r in (pair.incumbent, pair.challenger))]
    rerun = b"\x00" if pair.rerun is None else b"\x02" + body("Response", to_plain(pair.rerun))
    assert Codec().encode(pair)[HEADER_SIZE:] == b"".join(parts) + rerun


def test_records_mirror_schemas() -> None:
    """Every record class has the fields of its schema, in the same order."""
    for file in Path(catalogue.__file__).parent.joinpath("avsc").glob("*.avsc"):
        node = json.loads(file.read_text(encoding="utf-8"))
        if node["type"] == "record":
            assert [f["name"] for f in node["fields"]] == list(getattr(records, file.stem).__slots__), file.stem


def _older_query() -> catalogue.Schema:
    """Return a Query from before golden ids, as a release before this one might have written it."""
    node = json.loads(catalogue.schema("Query").text)
    node["fields"] = [f for f in node["fields"] if f["name"] != "golden_id"]
    return catalogue.Schema(900, "Query", json.dumps(node), fastavro.parse_schema(node))


def test_older_writer_newer_reader() -> None:
    """A record of an older schema is resolved: what it lacks takes its default, and pairing can re-encode it."""
    older = _older_query()
    plain = {k: v for k, v in sample(catalogue.schema("Query").parsed).items() if k != "golden_id"}
    out = io.BytesIO()
    avro.io.DatumWriter(avro.schema.parse(older.text)).write(plain, avro.io.BinaryEncoder(out))
    data = b"\x00" + (900).to_bytes(4, "big") + out.getvalue()
    codec = Codec(known=lambda number: older if number == 900 else catalogue.by_id(number))
    query = codec.decode(records.Query, data)
    assert query.golden_id is None
    assert query.text == plain["text"]
    assert codec.present_body(records.Query, data) is None
    assert codec.recoded(records.Query, data) == Codec().encode(query)[HEADER_SIZE:]


def test_schemas_stay_readable() -> None:
    """The present schema reads the older one by the reference implementation's own rules of compatibility."""
    for older in (_older_query(), *catalogue.past().values()):
        checker: Any = ReaderWriterCompatibilityChecker
        verdict = checker().get_compatibility(
            reader=avro.schema.parse(catalogue.schema(older.name).text), writer=avro.schema.parse(older.text)
        )
        assert verdict.compatibility is SchemaCompatibilityType.compatible, verdict.messages


if __name__ == "__main__":  # writes the golden file of a new schema: python tests/contract/test_wire_format.py
    for fresh in NAMES:
        value = sample(catalogue.schema(fresh).parsed)
        wire = Codec().encode(from_plain(getattr(records, fresh), value))
        text = json.dumps({"value": _jsonable(value), "bytes": base64.b64encode(wire).decode()}, indent=1, ensure_ascii=False)
        target = GOLDEN / f"{catalogue.IDS[fresh]}-{fresh}.json"
        if not target.exists():
            target.write_text(text + "\n", encoding="utf-8")
