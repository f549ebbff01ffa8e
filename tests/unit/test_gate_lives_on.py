"""No single entry of the ledger may end the gate: whoever can write one would stop every migration, at each start anew."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from dualgate.gate.fold import At, step
from dualgate.gate.table import Book, Entry, apply
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import Command, Label, LedgerEntry
from dualgate.schemas.topics import DEAD_LETTERS, EVIDENCE
from support.gate import EASY, GOOD, ID, T0, Ledger, config, drawn
from support.rated import migration

CODEC = Codec()
BIG = "x" * (7 << 20)
LIMIT = 8 << 20  # what the topics take, key and value together


def command(kind: str = "pause", **changes: Any) -> bytes:
    """Return a command as it stands in the ledger."""
    given: dict[str, Any] = {
        "command_id": "c", "migration_id": ID, "kind": kind, "actor": "ann", "reason": "", "config": None, "config_hash": "h",
        "issued_at_ms": 1,
    }  # fmt: skip
    return CODEC.encode(LedgerEntry(command=Command(**given | changes)))


def outputs(value: bytes, key: bytes = b"m", book: Book | None = None) -> Sequence[Any]:
    """Apply an entry as the gate does; each output must be a record that the broker takes."""
    at = At(0, 5, T0)
    try:
        read = Entry(at, key, value, CODEC.decode(LedgerEntry, value))
    except RecordError as error:
        read = Entry(at, key, value, None, str(error))
    made = apply(book or Book({}, "me"), read, "me")
    for output in made.outputs:
        assert len(output.key.encode()) + len(CODEC.encode(output.record)) < LIMIT - 4096
    return made.outputs


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (json.dumps({BIG: 1}).encode(), b"m"),
        (b"no entry", BIG.encode()),
        (command(migration_id=BIG[: 5 << 19]), b"m"),
    ],
    ids=["field", "key", "migration_id"],
)
def test_a_dead_letter_fits_its_topic_whatever_somebody_wrote(value: bytes, key: bytes) -> None:
    """Key, value and reason of an entry of many megabytes are cut, so that its dead letter is delivered and the gate goes on."""
    (output,) = outputs(value, key)
    assert output.topic == DEAD_LETTERS


def test_the_reason_of_a_dead_letter_is_cut() -> None:
    """A verdict of 2 by somebody with an endless name is refused in words that say how long they were."""
    ledger = migration()
    made = LedgerEntry(label=Label(migration_id=ID, query_hash="q", arm="challenger", verdict=2.0, who=BIG))
    book = Book({}, "me")
    book.put(4, apply(book, Entry(At(0, 4, T0), b"m", b"", ledger.entries[0][1]), "me"))
    (output,) = outputs(CODEC.encode(made), book=book)
    assert output.record.reason.endswith("characters)")
    assert len(output.record.reason) < 5_000


def test_an_endless_config_hash_is_refused() -> None:
    """The record of the refusal names the field and its size, and is small."""
    (output,) = outputs(command(config_hash=BIG))
    assert output.topic == EVIDENCE
    assert "config_hash has 7,340,032 bytes" in output.record.decision.reason


def changed(path: str, value: object) -> str:
    """Return a configuration with one value changed, as a program that knows no model may write it."""
    plain = json.loads(config().to_json())
    part = plain["spec"]
    *folders, last = path.split(".")
    for name in folders:
        part = part[name]
    part[last] = value
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 90_000, "recursion"),
        (changed("lease", "99999999999999d"), "at most 36500d"),
        (changed("lease", "9" * 5_000 + "s"), "at most 36500d"),
        (changed("dimensions.semantic.null", 1e-7), "dimensions.semantic: without re-runs"),
        (changed("phases.canary.observations", 2**63), "1000000000"),
    ],
    ids=["nested", "lease", "digits", "semantic", "observations"],
)
def test_a_start_that_cannot_run_is_refused(text: str, why: str) -> None:
    """Nested without end, a lease or a count beyond any record, a level whose worse lies below its range: refused in words."""
    (output,) = outputs(command("start", config=text))
    assert output.record.decision.outcome == "refused"
    assert why in output.record.decision.reason


def test_a_topic_made_anew_is_found_from_any_partition() -> None:
    """Its first block may be of a partition of which nothing was heard: nothing of it counts, and retry goes on with it."""
    ledger = Ledger(config(dimensions=EASY)).start()
    ledger.pairs(drawn(20, 1, **GOOD), partition=0)
    ledger.pairs(drawn(20, 2, **GOOD), partition=1, lineage="pairs-anew")
    assert ledger.state_.n_units == 20
    assert "pairs/0 was topic pairs-topic-1 and is pairs-anew now" in ledger.state_.held
    ledger.next_offset.clear()
    ledger.order("retry")
    ledger.pairs(drawn(20, 3, **GOOD), partition=1, lineage="pairs-anew")
    ledger.pairs(drawn(20, 4, **GOOD), partition=0, lineage="pairs-anew")
    assert ledger.state_.n_units == 60


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("lineage", BIG, "lineage='x"),
        ("scorer_versions", {"correctness": BIG}, "scorer_versions has 7,340,043 bytes"),
        ("query_hash", BIG, "query_hash='x"),
    ],
)
def test_endless_texts_of_a_block_make_no_state_that_no_record_holds(column: str, value: object, why: str) -> None:
    """What the gate would remember of a block is bounded: the block is refused in words, and changes nothing."""
    ledger = migration()
    before = ledger.state
    with pytest.raises(RecordError, match=why):
        ledger.pairs(drawn(3, 1), **{column: value})
    assert ledger.state == before


def test_step_refuses_a_command_on_what_can_be_no_migration() -> None:
    """No migration has such an id, so there is nobody to record the refusal for: it is a dead letter."""
    order = Command(command_id="c", migration_id="No Such", kind="abort", actor="a", reason="", issued_at_ms=0)
    with pytest.raises(RecordError, match="migration_id='No Such', accepted"):
        step(None, "No Such", LedgerEntry(command=order), At(0, 0, 0))
