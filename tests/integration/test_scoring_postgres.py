"""Golden answers by execution on a real PostgreSQL: read-only, within limits, in one snapshot, with types of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from dualgate.processors.scoring.execution import Database, Databases
from dualgate.processors.scoring.logic import score_batch
from dualgate.processors.scoring.outcome import Limits, Outcome, Refused, Result, Stopped
from dualgate.processors.scoring.server import ServerSession
from dualgate.schemas.migration import load_migration
from support.postgres import binaries, cluster
from support.scoring import pair, scoring, shop

pytestmark = pytest.mark.skipif(binaries() is None, reason="no PostgreSQL is installed here: initdb and postgres were not found")
LIMITS = Limits(rows=1_000, timeout_ms=1_500, result_bytes=8 << 20, memory_bytes=256 << 20)
TABLES = """
CREATE TABLE ads (id int PRIMARY KEY, title text, price numeric(8,2), seen date, at timestamptz, big bool);
INSERT INTO ads VALUES (1, 'a', 1.50, '2024-03-01', '2024-03-01 00:00+00', true), (2, 'b', NULL, NULL, NULL, false);
CREATE SEQUENCE counter;
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("postgres")) as found:
        engine = sa.create_engine(found)
        with engine.begin() as connection:
            for statement in TABLES.split(";\n"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
        engine.dispose()
        yield found


@pytest.fixture(scope="module")
def databases(url: str) -> Iterator[Databases]:
    found = Databases(url, "", LIMITS)
    yield found
    found.close()


@pytest.fixture
def database(databases: Databases) -> Database:
    found = databases.named(None)
    assert isinstance(found, Database)
    return found


def test_rows_come_with_their_types_and_colons_and_percents_are_no_parameters(database: Database) -> None:
    """Numbers, dates, NULL and text arrive as they are, and an agent's text reaches the server as it is."""
    found = database.run("SELECT id, price, seen::text, big, '12:30 5%s :x' FROM ads WHERE title LIKE '%a%' ORDER BY id;")
    assert isinstance(found, Result)
    assert [[str(cell) for cell in row] for row in found.rows] == [["1", "1.50", "2024-03-01", "True", "12:30 5%s :x"]]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM ads",
        "WITH gone AS (DELETE FROM ads RETURNING id) SELECT id FROM gone",
        "SELECT 1; DELETE FROM ads",
        "SELECT 1; COMMIT; DELETE FROM ads",
        "COMMIT",
        "CREATE TABLE t (a int)",
        "SELECT id INTO stolen FROM ads",
        "SELECT nextval('counter')",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "COPY ads TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT lo_from_bytea(0, 'x')",
        "DO $$ BEGIN DELETE FROM ads; END $$",
        "EXPLAIN ANALYZE DELETE FROM ads",
        "SELECT 1 FROM ads FOR UPDATE",
        "SELECT nope FROM ads",
        "SELECT 1 / 0",
        "not sql",
        "",
    ],
)
def test_nothing_but_reading_is_allowed_and_the_next_query_is_not_disturbed(database: Database, sql: str) -> None:
    """A statement that writes, leaves the transaction or cannot be answered is refused; the table stays whole."""
    assert isinstance(database.run(sql), Refused)
    assert database.run("SELECT count(*) FROM ads") == Result([(2,)])


def test_what_runs_away_is_stopped_and_not_called_wrong(database: Database) -> None:
    """Time, rows and bytes have limits; past them the result is not known, and the server is free again."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    stopped = database.run(endless)
    assert isinstance(stopped, Stopped)
    assert "57014" in stopped.reason  # the server's own statement timeout
    squared = "SELECT a.g FROM generate_series(1, 10000) AS a(g), generate_series(1, 10000) AS b(g)"
    assert database.run(squared) == Stopped("more than 1000 rows")
    wide = database.run("SELECT repeat('x', 20000) FROM generate_series(1, 900)")
    assert wide == Stopped(f"more than {8 << 20} bytes of result")
    assert database.run("SELECT 1") == Result([(1,)])


def test_a_row_that_does_not_fit_ends_the_child_and_nothing_else(url: str) -> None:
    """A value of half a gigabyte arrives in the child process, which has a quarter; the next query finds a new one."""
    patient = Databases(url, "", replace(LIMITS, timeout_ms=60_000))
    database = patient.named(None)
    assert isinstance(database, Database)
    large = "SELECT string_agg(repeat('x', 1048576), '') FROM generate_series(1, 512)"
    assert database.run(large) == Stopped("stopped: more than 256 MB")
    assert database.run("SELECT 2") == Result([(2,)])
    patient.close()


def test_a_drivers_own_fault_is_not_called_wrong(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the driver cannot read says nothing of the query; it may be out of step, so the next query has another connection."""
    session = ServerSession(url, Limits())
    session.begin()
    before = session.execute("SELECT pg_backend_pid()")

    def torn(_more: object) -> Outcome:
        raise KeyError(b"x")

    with monkeypatch.context() as broken:
        broken.setattr(session, "_fetched", torn)
        assert session.execute("SELECT 1") == Stopped("KeyError: b'x'")
    assert session.execute("SELECT 2") == Result([(2,)])
    assert session.execute("SELECT pg_backend_pid()") != before
    session.close()


def test_gold_and_answers_see_one_snapshot_and_the_next_batch_the_change(url: str, databases: Databases) -> None:
    """What is committed in mid-batch is seen by the next batch, and cached results do not outlive theirs."""
    shops = databases.named(None)
    assert isinstance(shops, Database)
    databases.begin_batch()
    count = "SELECT count(*) FROM ads WHERE id > 2"
    assert shops.run(count) == Result([(0,)])
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO ads VALUES (3, 'c')")
    assert shops.run("SELECT 0 + count(*) FROM ads WHERE id > 2") == Result([(0,)])
    databases.begin_batch()
    assert shops.run(count) == Result([(1,)])
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ads WHERE id > 2")
    engine.dispose()
    databases.begin_batch()


def test_correctness_is_scored_by_execution(url: str, tmp_path: Path) -> None:
    """Columns in any order, numbers by value, dates by what they say; what the server refuses is wrong."""
    shop(tmp_path, {"g1": "SELECT title, price, seen FROM ads"}, grants=None)
    file = tmp_path / "migration.yaml"
    text = file.read_text().replace("sqlite:///shop.sqlite", url).replace("scoring: {", "scoring: {dialect: postgres, ")
    file.write_text(text)
    answers = [
        ("SELECT seen::timestamp, title, price * 1.0 FROM ads", 1.0),
        ("SELECT seen, title, coalesce(price, 0) FROM ads", 0.0),
        ("SELECT sean FROM ads", 0.0),
    ]
    rules = scoring(load_migration(file))
    found = score_batch(rules, [pair(sql, sql) for sql, _ in answers])["correctness"]
    assert [score.challenger for score in found] == [wanted for _, wanted in answers]
    assert rules.context.databases is not None
    rules.context.databases.close()


def test_a_server_that_is_gone_makes_scores_missing() -> None:
    """Nobody answers on the port: there is a reason, and no exception."""
    found = Databases("postgresql+pg8000://tester@127.0.0.1:9/postgres", "", LIMITS).named(None)
    assert isinstance(found, Stopped)
    assert "database cannot be opened" in found.reason


def test_a_transaction_that_was_aborted_is_begun_anew(url: str) -> None:
    """Where undoing a statement fails, the next one is neither refused for it nor lost."""
    session = ServerSession(url, LIMITS)
    session.begin()
    with pytest.raises(sa.exc.SQLAlchemyError):
        session._say("SELECT 1 / 0")  # outside a savepoint: the server refuses everything from here on
    assert session.execute("SELECT 1") == Result([(1,)])
    session.close()
