"""What one ledger entry makes of the gate's table, and what a gate reads out of it."""

import pytest

from dualgate.gate import table
from dualgate.gate.fold import At
from dualgate.gate.process import faults
from dualgate.gate.state import VERSION
from dualgate.gate.table import OWN, Applied, Book, Entry, Row, apply
from dualgate.schemas.errors import StateError
from dualgate.schemas.records import Claim, LedgerEntry, Tick
from support.ledgers import GOOD, Ledger

CLAIM = LedgerEntry(claim=Claim(claim_id="me", issued_at_ms=0))


def _read(offset: int, entry: LedgerEntry | None, reason: str = "") -> Entry:
    return Entry(At(0, offset, 1_000), b"m", b"value", entry, reason)


def _ledger() -> Ledger:
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 30)
    return ledger


def _written(book: Book, records: dict[bytes, bytes], read: Entry) -> Applied:
    made = apply(book, read, "me")
    records[book.key(made.name)] = book.row(read.at.offset, made)
    for key in book.put(read.at.offset, made):
        records.pop(key)
    return made


def test_an_empty_table_has_applied_nothing() -> None:
    """The first entry is the one at offset 0, and no claim is known."""
    book = Book({}, "me")
    assert (book.applied, book.claim, list(book.states())) == (-1, -1, [])


def test_each_entry_is_one_record_of_its_migration_or_of_the_partition() -> None:
    """The table after any entry, read anew, knows what the gate that wrote it knew."""
    book, records = Book({}, "me"), dict[bytes, bytes]()
    entries = [entry for _, entry in _ledger().entries]
    for offset, entry in enumerate([entries[0], CLAIM, *entries[1:]]):
        _written(book, records, _read(offset, entry))
        again = Book(records, "other")
        assert (again.applied, again.claim) == (book.applied, book.claim) == (offset, 1 if offset else -1)
        assert again.state("m") == book.state("m")
    assert set(records) == {b"m@me", b"@me"}


def test_of_two_records_of_a_migration_the_greater_offset_counts() -> None:
    """An old record that a replaced gate still delivers, first or last, does not stand in the place of its successor's."""
    ledger = _ledger()
    old, new = Row(5, 1, {"version": 99}).encode(), Row(9, 7, ledger.state.to_json() if ledger.state else None).encode()
    for records in ({b"m@a": old, b"m@b": new}, {b"m@b": new, b"m@a": old}):
        book = Book(records, "me")
        assert (book.applied, book.claim, book.state("m")) == (9, 7, ledger.state)


def test_a_writer_replaces_the_records_of_others() -> None:
    """The first record of a process names the keys that it makes void, once."""
    records = {b"m@a": Row(1).encode(), b"m@b": Row(2).encode(), b"@a": Row(0).encode()}
    book = Book(records, "me")
    made = Applied("m", -1, None, [])
    assert book.put(3, made) == [b"m@a", b"m@b"]
    assert book.put(4, made) == []


def test_its_own_claim_tells_each_migration_again() -> None:
    """Configuration and present command are published at the own claim, and at nobody else's."""
    book, ledger = Book({}, "me"), _ledger()
    for offset, (_, entry) in enumerate(ledger.entries):
        _written(book, {}, _read(offset, entry))
    state = book.state("m")
    assert state is not None
    made = apply(book, _read(9, CLAIM), "me")
    assert [output.record for output in made.outputs] == [state.migration, state.last_command]
    assert (made.name, made.claim) == (OWN, 9)
    assert apply(book, _read(9, CLAIM), "another").outputs == []


@pytest.mark.parametrize("entry", [None, LedgerEntry()])
def test_what_cannot_be_applied_is_a_dead_letter(entry: LedgerEntry | None) -> None:
    """It is kept whole with its place and the reason, counts as applied, and changes no migration."""
    made = apply(Book({}, "me"), _read(4, entry, "not Avro"), "me")
    (output,) = made.outputs
    assert (output.topic, output.record.offset, output.record.value, output.record.key) == ("dead-letters", 4, b"value", b"m")
    assert output.record.reason == (
        "not Avro" if entry is None else "a ledger entry has exactly one of its parts; this one has 0"
    )
    assert (made.name, made.state) == (OWN, None)


def test_a_dead_letter_fits_its_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value beyond the limit is cut and said to be."""
    monkeypatch.setattr(table, "MAX_DEAD_BYTES", 3)
    (output,) = apply(Book({}, "me"), _read(4, None, "not Avro"), "me").outputs
    assert (output.record.value, output.record.truncated) == (b"val", True)


def test_an_entry_of_an_unknown_migration_is_the_partitions_own_record() -> None:
    """A tick of a migration that nobody started moves the applied offset and nothing else."""
    made = apply(Book({}, "me"), _read(0, LedgerEntry(tick=Tick(migration_id="x", issued_at_ms=0))), "me")
    assert (made.name, made.state, made.outputs) == (OWN, None, [])


def test_a_record_that_the_broker_would_refuse_is_an_error() -> None:
    """Both numbers are told before anything is published."""
    with pytest.raises(StateError, match=r"has 1000\d\d\d bytes > 1000000"):
        Row(7, -1, {"much": "x" * 1_000_000}).encode()


def test_a_state_of_another_version_is_an_error() -> None:
    """It names the migration and both versions."""
    with pytest.raises(StateError, match=rf"migration m: .*version 99.*version {VERSION}"):
        Book({b"m@a": Row(0, -1, {"version": 99}).encode()}, "me").state("m")


def test_faults_of_other_workers_do_nothing() -> None:
    """Only what is meant for the gate counts."""
    faults("pairing:written:1")("written")
    faults(None)("written")
    faults("gate:written:2")("written")
