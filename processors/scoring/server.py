"""A database behind a driver: read-only, in one snapshot a batch, a part of the rows at a time.

What the safety checks call unsafe by its statement or a function is not run at all: a role that may only read is the real
wall, and this one stands where somebody forgot it.
"""

import contextlib
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from dualgate.processors.scoring.outcome import Limits, Outcome, Refused, Result, Stopped
from dualgate.processors.scoring.safety.unsafe import unsafe
from dualgate.processors.scoring.sql.parsing import parsed
from dualgate.processors.scoring.sql.schema import UNKNOWN, Schema, read_schema

FETCHED_ROWS = 500
_ANSWER = "dualgate_answer"
_OPEN = f"""DO $dualgate$ DECLARE answer refcursor := '{_ANSWER}'; BEGIN
OPEN answer NO SCROLL FOR EXECUTE current_setting('dualgate.statement'); END $dualgate$"""
"""PostgreSQL: a cursor takes one statement that reads, whatever protocol the driver speaks, and its rows stay on the server."""
_ABORTED = "25P02"
_OURS = (_ABORTED, "08", "40", "53", "55", "57", "58", "XX")
"""Classes of SQLSTATE that say nothing of the query: connection, conflict, resources, locks, operator, system, internal."""


class ServerSession:
    """A connection with its snapshot; made and used in a child process."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._engine = sa.create_engine(url, poolclass=NullPool)
        self.dialect = self._engine.dialect.name
        self._errors = self._engine.dialect.loaded_dbapi.Error
        self._limits = limits
        self._connection = self._engine.connect()

    def begin(self) -> None:
        """Begin a read-only snapshot; what else has been committed is not known, so no result outlives it."""
        self.end()
        if self._connection.closed or self._connection.invalidated:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                self._connection.close()
            self._connection = self._engine.connect()
        self._connection.begin()
        if self.dialect == "postgresql":
            self._say("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self._say(f"SET LOCAL statement_timeout = {int(self._limits.timeout_ms)}")
        elif self.dialect in ("mysql", "mariadb"):
            self._say("SET TRANSACTION READ ONLY")

    def execute(self, sql: str) -> Outcome:
        """Return what a query yields."""
        findings = list(unsafe(parsed(sql, _sqlglot_name(self.dialect)), None, UNKNOWN))
        if findings:
            return Refused(f"not run: {findings[0].reason}")
        outcome = self._tried(sql)
        if isinstance(outcome, Stopped) and outcome.reason.startswith(_ABORTED):
            self.begin()  # what came before took the transaction with it; this query has not been looked at
            outcome = self._tried(sql)
        return outcome

    def _tried(self, sql: str) -> Outcome:
        try:
            return self._cursor(sql) if self.dialect == "postgresql" else self._plain(sql)
        except MemoryError:
            raise  # half a message lies in the connection: the process ends
        except (sa.exc.DBAPIError, self._errors) as error:
            return _failed(error)
        except Exception as error:  # a fault of the driver or above it says nothing of the query, and it may be out of step now
            self._connection.invalidate()
            self.begin()
            return Stopped(f"{type(error).__name__}: {error}"[:250])

    def schema(self) -> Schema:
        """Return the tables and views with their columns and keys."""
        return read_schema(sa.inspect(self._connection))

    def end(self) -> None:
        """End the snapshot."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            if self._connection.in_transaction():
                self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._engine.dispose()

    def _say(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement)

    def _cursor(self, sql: str) -> Outcome:
        """Run a statement in a savepoint, so that its error ends neither the snapshot nor its siblings."""
        savepoint = self._connection.begin_nested()
        try:
            self._connection.execute(sa.text("SELECT set_config('dualgate.statement', :statement, true)"), {"statement": sql})
            self._say(_OPEN)
            found = self._fetched(lambda: self._connection.exec_driver_sql(f"FETCH {FETCHED_ROWS} FROM {_ANSWER}").fetchall())
        except sa.exc.SQLAlchemyError:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                savepoint.rollback()
            raise
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            savepoint.rollback()
        return found

    def _plain(self, sql: str) -> Outcome:
        raw: Any = self._connection.connection
        cursor = raw.cursor()  # the driver's own: neither ":name" nor "%" in an agent's SQL is a parameter
        try:
            cursor.execute(sql)
            if cursor.description is None:
                return Refused("the statement returns no rows")
            return self._fetched(lambda: cursor.fetchmany(FETCHED_ROWS))
        except self._errors:
            self.begin()  # some databases end the transaction with the error
            raise
        finally:
            with contextlib.suppress(Exception):
                cursor.close()

    def _fetched(self, more: Any) -> Outcome:
        rows: list[tuple[Any, ...]] = []
        size = 0
        while part := more():
            rows.extend(tuple(row) for row in part)
            size += sum(_bytes(cell) for row in part for cell in row)
            if len(rows) > self._limits.rows:
                return Stopped(f"more than {self._limits.rows} rows")
            if size > self._limits.result_bytes:
                return Stopped(f"more than {self._limits.result_bytes} bytes of result")
        return Result(rows)


def _bytes(cell: object) -> int:
    return len(cell) if isinstance(cell, str | bytes) else 8


def _failed(error: Exception) -> Outcome:
    cause = getattr(error, "orig", None) or error
    lost = isinstance(error, sa.exc.InterfaceError) or getattr(error, "connection_invalidated", False)
    code, message = _told(cause)
    words = f"{code or type(cause).__name__}: {message}"[:250]
    if lost or isinstance(cause, OSError) or code.startswith(_OURS):
        return Stopped(words)
    return Refused(words)


def _told(error: Any) -> tuple[str, str]:
    """Return SQLSTATE and message, wherever a driver keeps them."""
    told = error.args[0] if getattr(error, "args", None) else None
    if isinstance(told, dict):  # pg8000
        return str(told.get("C", "")), str(told.get("M", ""))
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
    return str(code), (str(error).splitlines() or [""])[0]


def _sqlglot_name(dialect: str) -> str:
    return {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}.get(dialect, dialect)
