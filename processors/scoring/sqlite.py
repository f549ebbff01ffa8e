"""SQLite, opened so that an agent's SQL can read its tables and nothing else, and can not run away."""

import sqlite3
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from dualgate.processors.scoring.outcome import Limits, Outcome, Refused, Result, Stopped
from dualgate.processors.scoring.sql.schema import Schema, read_schema
from dualgate.schemas.errors import TransientError

STEPS_PER_CALL = 20_000
MAX_VALUE_BYTES = 4 << 20
HEAP_BYTES = 512 << 20
"""SQLite's memory in this process, all databases together: sorts and group_concat of what grows without bound."""
FETCHED_ROWS = 100
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_FUNCTION}
_OUR_FAULTS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
}
_FORBIDDEN_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}


class LimitReached(Exception):
    """A query was stopped by a limit of ours."""


class SqliteSession:
    """A read-only connection and its snapshot; a relative path starts from base. TransientError without the file."""

    def __init__(self, url: sa.URL, base: str, limits: Limits) -> None:
        path = Path(base) / (url.database or "")
        if not path.is_file():
            raise TransientError(f"file {path} does not exist")
        self._limits = limits
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        # Whoever forgets a session leaves no connection open: Python 3.13 warns of such, and files stay locked on some systems.
        self._closing = weakref.finalize(self, self._connection.close)
        self._connection.text_factory = _text
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        for pragma in ("query_only=1", "trusted_schema=0", f"hard_heap_limit={HEAP_BYTES}"):
            self._connection.execute(f"PRAGMA {pragma}")

    def begin(self) -> Any:
        """Begin a snapshot and return the version of the database in it, as far as this connection can tell."""
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # a deferred one begins at its first read
        return self._connection.execute("PRAGMA data_version").fetchone()

    def execute(self, sql: str) -> Outcome:
        """Return what a query yields."""
        cursor = self._connection.cursor()
        try:
            with _guarded(self._connection, self._limits.sqlite_steps, self._limits.timeout_ms):
                cursor.execute(sql)
                return _fetched(cursor, self._limits)
        except LimitReached as error:
            return Stopped(str(error))
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError) as error:
            return _failed(error)
        finally:
            cursor.close()

    def schema(self) -> Schema:
        """Return the tables and views with their columns and keys."""
        engine = sa.create_engine("sqlite://", creator=lambda: self._connection, poolclass=StaticPool)
        with engine.connect() as connection:
            return read_schema(sa.inspect(connection))

    def end(self) -> None:
        """End the snapshot."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._closing()


def _fetched(cursor: sqlite3.Cursor, limits: Limits) -> Outcome:
    if cursor.description is None:
        return Refused("the statement returns no rows")
    rows: list[tuple[Any, ...]] = []
    size = 0
    while part := cursor.fetchmany(FETCHED_ROWS):
        rows += part
        size += sum(len(cell) if isinstance(cell, str | bytes) else 8 for row in part for cell in row)
        if len(rows) > limits.rows:
            return Stopped(f"more than {limits.rows} rows")
        if size > limits.result_bytes:
            return Stopped(f"more than {limits.result_bytes} bytes of result")
    return Result(rows)


def _failed(error: Exception) -> Outcome:
    words = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
    ours = isinstance(error, MemoryError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _OUR_FAULTS
    return Stopped(words) if ours else Refused(words)


def _text(raw: bytes) -> str:
    """Real databases hold text in other encodings; a stray byte is no reason to fail."""
    return raw.decode("utf-8", "replace")


@contextmanager
def _guarded(connection: sqlite3.Connection, max_steps: int, timeout_ms: int) -> Iterator[None]:
    """Let one statement only read, and stop it at a number of instructions or, as a last resort, at a time."""
    calls, deadline, reason = max(1, max_steps // STEPS_PER_CALL), time.monotonic() + timeout_ms / 1000, ""

    def progress() -> int:
        nonlocal calls, reason
        calls -= 1
        if calls < 0:
            reason = f"more than {max_steps} instructions of the database"
        elif time.monotonic() > deadline:
            reason = f"longer than {timeout_ms} ms"
        return 1 if reason else 0

    connection.set_progress_handler(progress, STEPS_PER_CALL)
    connection.set_authorizer(_authorize)
    try:
        yield
    except sqlite3.Error as error:
        if reason:
            raise LimitReached(reason) from error
        raise
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)


def _authorize(action: int, _first: str | None, second: str | None, *_rest: Any) -> int:
    if action not in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
