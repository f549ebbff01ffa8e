"""What a starting gate trusts: a table that fits the ledger and knows what it has commanded."""

from dataclasses import replace

import pytest

from dualgate.gate.table import OWN, Book, Row
from dualgate.gate.trust import Found, distrust
from dualgate.schemas.records import RoutingCommand
from support.ledgers import Ledger
from support.routing import command


def book(off: int = 5) -> Book:
    """Return a book that knows migration m at an offset."""
    ledger = Ledger.started()
    assert ledger.state is not None
    return rows("m", Row(off, -1, ledger.state.to_json()))


def rows(name: str, row: Row) -> Book:
    """Return a book of one row."""
    return Book({f"{name}@w".encode(): row.encode()}, "w")


def told(sequence: int, offset: int) -> RoutingCommand:
    return replace(command(sequence), migration_id="m", ledger_offset=offset)


def found(*commands: RoutingCommand, low: int = 0, end: int = 10) -> Found:
    return Found(low, end, {each.migration_id: each for each in commands})


@pytest.mark.parametrize(
    "commands", [(), (told(1, 0),), (told(1, 5),), (told(9, 6),)], ids=["none", "earlier", "its own", "not applied yet"]
)
def test_a_table_that_knows_its_commands_is_trusted(commands: tuple[RoutingCommand, ...]) -> None:
    """Also one that is behind what was published: the entries after it are folded again."""
    assert distrust(book(), found(*commands)) == ""


def test_an_empty_table_is_trusted_where_the_ledger_is_whole() -> None:
    """A first start, or a changelog that was deleted: the ledger is folded from its beginning."""
    assert distrust(Book({}, "w"), found(told(4, 3))) == ""


def test_a_ledger_without_its_beginning_is_not_enough() -> None:
    """What was never applied and is no longer there cannot be made good."""
    assert "begins at offset 3, the table has applied -1" in distrust(Book({}, "w"), found(low=3))
    assert distrust(book(off=2), found(low=3)) == ""
    assert "begins at offset 4, the table has applied 2" in distrust(book(off=2), found(low=4))


def test_a_table_ahead_of_the_ledger_is_refused() -> None:
    """It is another ledger's."""
    assert "has applied ledger offset 5, the ledger ends at 4" in distrust(book(), found(end=5))


def test_a_migration_that_is_missing_is_refused() -> None:
    """Its record is lost while others went on."""
    assert "knows nothing of it, but m was given command 1/2 at offset 3" in distrust(rows(OWN, Row(5)), found(told(2, 3)))


def test_an_older_state_of_a_migration_is_refused() -> None:
    """A record that came back from the past has forgotten a command."""
    assert "knows 1/1, but m was given command 1/2 at offset 4" in distrust(book(), found(told(2, 4)))


def test_a_state_of_another_version_is_refused() -> None:
    """The reason names the migration and both versions."""
    old = rows("m", Row(1, -1, {"version": 1}))
    assert "migration m: state of a migration has version 1; this gate reads" in distrust(old, found())
