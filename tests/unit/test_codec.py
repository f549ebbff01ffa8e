"""Bad bytes are a record error that says what is wrong; JSON is as good as Avro on input topics."""

import json

import pytest

from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import LedgerEntry, Query, RoutingCommand, Tick

QUERY = Query(query_id="q1", migration_id="m", asked_at_ms=7, text="how many?", sampling_probability=0.5)
WIRE = Codec().encode(QUERY)


def test_json_equals_avro() -> None:
    """A JSON value of the same schema is the same record, with defaults for what it leaves out and ints for doubles."""
    text = json.dumps({"query_id": "q1", "migration_id": "m", "asked_at_ms": 7, "text": "how many?", "sampling_probability": 0.5})
    assert Codec().decode(Query, text.encode()) == QUERY
    whole = Codec().decode(Query, b'{"query_id":"q","migration_id":"m","asked_at_ms":1,"text":"","sampling_probability":1}')
    assert isinstance(whole.sampling_probability, float)


def test_json_takes_the_slow_road_to_the_same_body() -> None:
    """Pairing moves Avro bodies undecoded and re-encodes JSON to the very same bytes."""
    text = json.dumps({"query_id": "q1", "migration_id": "m", "asked_at_ms": 7, "text": "how many?", "sampling_probability": 0.5})
    codec = Codec()
    assert codec.present_body(Query, WIRE) == WIRE[5:]
    assert codec.present_body(Query, text.encode()) is None
    assert codec.recoded(Query, text.encode()) == WIRE[5:]


def test_json_of_a_nested_record() -> None:
    """A part of a ledger entry is given by its name alone."""
    entry = Codec().decode(LedgerEntry, b'{"tick": {"migration_id": "m", "issued_at_ms": 5}}')
    assert entry == LedgerEntry(tick=Tick(migration_id="m", issued_at_ms=5))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "missing (a tombstone)"),
        (b"", "empty"),
        (b"hello", "neither the Confluent wire format nor JSON"),
        (b"\x00\x00", "neither the Confluent wire format nor JSON"),
        (b"\x00\x00\x00\x03\xe7abc", "schema id 999 is not known; a Query has id 1"),
        (b"\x00\x00\x00\x00\x07abc", "schema id 7 is a RoutingCommand; a Query is expected"),
        (WIRE[:-3], "value is not a Query"),
        (WIRE + b"!", "1 bytes left over after the Query"),
        (b"{oops", "neither Avro nor JSON"),
        (b'{"query_id": "q"}', "lacks the field 'migration_id'"),
        (b'{"query": "q"}', "no field 'query'; its fields are query_id"),
        (b'{"query_id":"q","migration_id":"m","asked_at_ms":"x","text":""}', "asked_at_ms is <x>"),
        (b'{"query_id":"q","migration_id":"m","asked_at_ms":99999999999999999999,"text":""}', "asked_at_ms"),
        (b'{"query_id":"q","migration_id":"m","asked_at_ms":1,"text":"","served_by":"champion"}', "champion"),
    ],
)
def test_bad_value(data: bytes | None, words: str) -> None:
    """Whatever cannot be read is a RecordError that names the cause."""
    with pytest.raises(RecordError) as error:
        Codec().decode(Query, data)
    assert words in str(error.value)


def test_bad_record_is_not_written() -> None:
    """A value that does not fit its schema is refused at the writer, with the field's name."""
    with pytest.raises(RecordError, match="text"):
        Codec().encode(Query(query_id="q", migration_id="m", asked_at_ms=1, text=None))  # type: ignore[arg-type]


def test_every_wire_value_names_its_schema() -> None:
    """The header of a record is the magic byte and its id."""
    assert Codec().header(RoutingCommand) == b"\x00\x00\x00\x00\x07"
