"""SQLite, opened so that an agent's SQL can read its tables and nothing else, and can not run away."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from dualgate.schemas.errors import TransientError

STEPS_PER_CALL = 20_000
MAX_VALUE_BYTES = 4 << 20
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_FUNCTION}
_FORBIDDEN_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}


class LimitReached(Exception):
    """A query was stopped by a limit of ours."""


def engine(url: sa.URL, base: str) -> sa.Engine:
    """Return an engine on one read-only connection; a relative path starts from base. TransientError without the file."""
    path = Path(base) / (url.database or "")
    if not path.is_file():
        raise TransientError(f"file {path} does not exist")
    uri = f"file:{quote(str(path))}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.text_factory = _text
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        connection.execute("PRAGMA query_only=1")
        connection.execute("PRAGMA trusted_schema=0")
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=StaticPool)


def _text(raw: bytes) -> str:
    """Real databases hold text in other encodings; a stray byte is no reason to fail."""
    return raw.decode("utf-8", "replace")


def begin(connection: sa.Connection) -> Any:
    """Begin a snapshot and return the version of the database in it, as far as this connection can tell."""
    raw: Any = connection.connection
    raw.execute("BEGIN")
    raw.execute("SELECT count(*) FROM sqlite_master").fetchone()  # a deferred transaction begins at its first read
    return raw.execute("PRAGMA data_version").fetchone()


@contextmanager
def guarded(raw: Any, max_steps: int, timeout_ms: int) -> Iterator[None]:
    """Let one statement only read, and stop it at a number of instructions or, as a last resort, at a time."""
    connection: sqlite3.Connection = raw.driver_connection
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
