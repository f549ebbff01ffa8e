"""Execution: an agent's SQL can read one database's tables, within limits, in one snapshot, and nothing else."""

import sqlite3
from pathlib import Path

import pytest

from dualgate.processors.scoring.execution import Database, Databases
from dualgate.processors.scoring.outcome import Limits, Refused, Result, Stopped
from support.scoring import shop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shop(tmp_path, {"g1": "SELECT 1"})
    return tmp_path


def database(folder: Path, limits: Limits | None = None) -> Database:
    found = Databases("sqlite:///shop.sqlite", str(folder), limits).named(None)
    assert isinstance(found, Database)
    return found


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO ads (id) VALUES (99)",
        "UPDATE ads SET clicks = 0",
        "DELETE FROM ads",
        "DROP TABLE ads",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "ATTACH DATABASE 'other.sqlite' AS other",
        "PRAGMA query_only = 0",
        "PRAGMA writable_schema = 1",
        "SELECT load_extension('x')",
        "VACUUM INTO 'copy.sqlite'",
        "BEGIN",
        "SELECT 1; DELETE FROM ads",
        "SELECT * FROM pragma_table_info('ads')",
    ],
)
def test_nothing_but_reading_is_allowed(folder: Path, sql: str) -> None:
    """A statement that writes, attaches, sets or calls out is refused, and the file stays as it was."""
    before = (folder / "shop.sqlite").read_bytes()
    assert isinstance(database(folder).run(sql), Refused)
    assert (folder / "shop.sqlite").read_bytes() == before
    assert not list(folder.glob("copy*"))


def test_a_query_is_refused_with_the_databases_words(folder: Path) -> None:
    """What the database does not understand is the answer's fault, and the next query is not disturbed."""
    shops = database(folder)
    outcome = shops.run("SELECT nope FROM ads")
    assert isinstance(outcome, Refused)
    assert "no such column: nope" in outcome.reason
    assert shops.run("SELECT count(*) FROM ads") == Result([(4,)])


def test_a_runaway_query_is_stopped_by_counts_and_not_called_wrong(folder: Path) -> None:
    """Instructions, rows and bytes have limits that do not depend on the machine; past them the result is not known."""
    limits = Limits(rows=10, sqlite_steps=1_000_000)
    shops = database(folder, limits)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    assert shops.run(endless) == Stopped("more than 1000000 instructions of the database")
    assert shops.run("SELECT 1 FROM ads, ads AS b, ads AS c") == Stopped("more than 10 rows")
    assert isinstance(shops.run("SELECT length(zeroblob(100000000))"), Refused)
    assert shops.run("SELECT 1") == Result([(1,)])


def test_an_agents_colon_and_percent_are_no_parameters(folder: Path) -> None:
    """SQL reaches the driver as it is."""
    assert database(folder).run("SELECT '12:30' || ' 5%s'") == Result([("12:30 5%s",)])


def test_a_batch_sees_one_snapshot_and_the_next_one_sees_the_change(folder: Path) -> None:
    """Gold and answers of a batch see the same data; what was cached before a change is forgotten after it."""
    databases = Databases("sqlite:///shop.sqlite", str(folder))
    shops = databases.named(None)
    assert isinstance(shops, Database)
    count = "SELECT count(*) FROM regions"
    assert shops.run(count) == Result([(2,)])
    databases.begin_batch()
    with sqlite3.connect(folder / "shop.sqlite") as writer:
        writer.execute("INSERT INTO regions VALUES (3, 'east')")
    writer.close()
    assert shops.run(count) == Result([(3,)])
    databases.close()


def test_a_database_is_named_by_the_query_and_never_by_a_path(folder: Path) -> None:
    """The placeholder takes a plain name; a missing file or a path gives a reason and no database."""
    databases = Databases("sqlite:///{database}.sqlite", str(folder))
    assert isinstance(databases.named("shop"), Database)
    for name in ("../shop", "a/b", "", None, ".."):
        found = databases.named(name)
        assert isinstance(found, Stopped)
    missing = databases.named("other")
    assert isinstance(missing, Stopped)
    assert "other.sqlite does not exist" in missing.reason


def test_the_schema_holds_columns_and_keys_in_lower_case(folder: Path) -> None:
    """Names, primary keys and references of all tables are known."""
    schema = database(folder).schema()
    assert schema.tables is not None
    assert schema.tables["regions"] == ("id", "region")
    assert schema.keys["ads"] == ("id",)
    assert (("ads", "campaign_id"), ("campaigns", "id")) in schema.references


def test_results_are_remembered_within_a_bound(folder: Path) -> None:
    """The cache forgets the oldest results once it holds more cells than it may, and still answers."""
    shops = database(folder, Limits(cached_cells=50))
    for i in range(100):
        assert shops.run(f"SELECT {i}") == Result([(i,)])
    assert shops.run("SELECT 0") == Result([(0,)])
