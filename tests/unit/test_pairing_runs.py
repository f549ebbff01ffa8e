"""Runs are cut by migration; what cannot be used becomes a dead letter that says why."""

import orjson
import pytest

from dualgate.processors.pairing.runs import Cutter, Part, Run
from dualgate.schemas.codec import HEADER_SIZE
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import DeadLetter, Query
from support.traffic import CODEC, INCUMBENT, QUERY, Sent, answer, query

CUTTER = Cutter(CODEC, 3, "w")


def cut(role: int, records: list[Sent]) -> tuple[list[Part], list[DeadLetter]]:
    """Return the parts and the dead letters of records at offsets from 10 on."""
    dead: list[DeadLetter] = []
    offsets = list(range(10, 10 + len(records)))
    keys = [None if r.key == b"NONE" else r.key for r in records]
    run = Run(role, offsets, [r.time for r in records], keys, [r.value for r in records], [r.rerun for r in records])
    return list(CUTTER.parts(run, dead.append)), dead


def test_a_run_of_one_migration_is_taken_whole() -> None:
    """Bodies come without their headers, in order."""
    sent = [query("a", 5), query("b", 9, rerun=True)]
    (part,), dead = cut(QUERY, sent)
    assert dead == []
    assert (part.migration_id, part.first_offset, part.least_ms, part.greatest_ms, part.n_read) == ("m", 10, 5, 9, 2)
    assert list(part.bodies) == [(s.value or b"")[HEADER_SIZE:] for s in sent]
    assert list(part.reruns) == [False, True]


def test_migrations_are_cut_apart() -> None:
    """Each migration gets its records in order, with its own first offset and times."""
    parts, dead = cut(INCUMBENT, [answer(INCUMBENT, "a", 5, "m"), answer(INCUMBENT, "b", 4, "n"), answer(INCUMBENT, "c", 7, "m")])
    assert dead == []
    assert [(p.migration_id, p.first_offset, p.least_ms, p.greatest_ms, list(p.keys)) for p in parts] == [
        ("m", 10, 5, 7, [b"m/a", b"m/c"]),
        ("n", 11, 4, 4, [b"n/b"]),
    ]


def test_json_is_written_as_avro() -> None:
    """A JSON value gives the body that Avro would have had; its field asks for a re-run where no header does."""
    record = Query(query_id="a", migration_id="m", asked_at_ms=5, text="é", rerun=True)
    (part,), dead = cut(QUERY, [Sent(QUERY, 5, b"m/a", orjson.dumps(to_plain(record)))])
    assert dead == []
    assert list(part.bodies) == [CODEC.encode(record)[HEADER_SIZE:]]
    assert list(part.reruns) == [True]


@pytest.mark.parametrize(
    ("sent", "reason", "migration"),
    [
        (Sent(QUERY, 5, b"NONE", b"x"), "key is missing", None),
        (Sent(QUERY, 5, b"nosl", b"x"), "is not migration_id/query_id", None),
        (Sent(QUERY, 5, b"m/", b"x"), "is not migration_id/query_id", None),
        (Sent(QUERY, 5, b"M/a", b"x"), "is not migration_id/query_id", None),
        (Sent(QUERY, 5, b"m/\xff", query("a", 5).value), "is not UTF-8", None),
        (Sent(QUERY, 5, b"m/a", None), "tombstone", "m"),
        (Sent(QUERY, 5, b"m/a", b""), "empty", "m"),
        (Sent(QUERY, 5, b"m/a", b"garbage"), "neither the Confluent wire format nor JSON", "m"),
        (Sent(QUERY, 5, b"m/a", b"\x00\x00\x00\x03\xe7abc"), "schema id 999 is not known", "m"),
        (Sent(QUERY, 5, b"m/a", answer(INCUMBENT, "a", 5).value), "is a Response; a Query is expected", "m"),
        (Sent(QUERY, 5, b"m/a", b'{"query_id": "a"}'), "lacks the field", "m"),
    ],
)
def test_what_cannot_be_used_is_a_dead_letter(sent: Sent, reason: str, migration: str | None) -> None:
    """The dead letter is whole, names origin and reason, and the records beside it go on."""
    parts, dead = cut(QUERY, [query("before", 4), sent, query("after", 6)])
    (letter,) = dead
    assert reason in letter.reason
    assert (letter.topic, letter.partition, letter.offset, letter.migration_id) == ("queries", 3, 11, migration)
    assert (letter.key, letter.value) == (None if sent.key == b"NONE" else sent.key, sent.value)
    assert [key for part in parts for key in part.keys] == [b"m/before", b"m/after"]


def test_an_unusable_record_still_tells_the_time() -> None:
    """A migration whose answers are all unusable does not stop its clock."""
    (part,), dead = cut(INCUMBENT, [Sent(INCUMBENT, 99, b"m/a", b"garbage")])
    assert len(dead) == 1
    assert (part.greatest_ms, list(part.keys), part.n_read) == (99, [], 1)


def test_a_run_is_split_at_an_offset() -> None:
    """Holes in the offsets (transaction markers) do not matter."""
    run = Run(QUERY, [1, 4, 9], [1, 2, 3], [b"a", b"b", b"c"], [None] * 3, [False] * 3)
    below, above = run.split(5)
    assert (list(below.offsets), list(above.offsets), list(above.keys)) == ([1, 4], [9], [b"c"])
