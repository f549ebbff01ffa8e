"""Run queries for their results: read-only, in one snapshot a batch, within limits, each distinct one once.

A query may fail in two ways that mean different things: the database refuses it (the answer is wrong), or a limit of ours or
a fault of the connection stops it (nobody knows whether it is wrong). Limits are counts wherever the database has them
(SQLite: instructions, bytes, rows), so that a second run says the same. SQLite runs in this process, and its limits hold it;
any other database is asked from a child process, which is killed where a driver hangs or a row does not fit.
"""

import contextlib
import re
from collections import OrderedDict
from typing import Any, Protocol

import sqlalchemy as sa

from dualgate.processors.scoring.confined import Confined, Ended, Failed
from dualgate.processors.scoring.outcome import Limits, Outcome, Result, Stopped
from dualgate.processors.scoring.server import ServerSession
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sqlite import SqliteSession
from dualgate.schemas.errors import TransientError

DATABASE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
KILL_AFTER_S = 5.0
"""Beyond a query's own time limit, which its server keeps where it can."""


class Session(Protocol):
    """A connection to one database; `begin` comes before `execute`, and returns the version of what it sees, None unknown."""

    def begin(self) -> Any:
        """Begin a snapshot."""
        ...

    def execute(self, sql: str) -> Outcome:
        """Return what a query yields in the snapshot."""
        ...

    def schema(self) -> Schema:
        """Return the schema."""
        ...

    def end(self) -> None:
        """End the snapshot."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Databases:
    """The databases of one migration by name, opened when first used; a URL may hold ``{database}``."""

    def __init__(self, url: str, base: str, limits: Limits | None = None) -> None:
        self._url = url
        self._base = base
        self._limits = limits or Limits()
        self._open: dict[str, Database] = {}
        self._closed: dict[str, Stopped] = {}

    def named(self, name: str | None) -> "Database | Stopped":
        """Return the database that a query names in its context; Stopped says why there is none."""
        key = (name or "") if "{database}" in self._url else ""
        if key in self._closed:
            return self._closed[key]
        if key not in self._open:
            opened = self._opened(key)
            if isinstance(opened, Stopped):
                self._closed[key] = opened
                return opened
            self._open[key] = opened
        return self._open[key]

    def _opened(self, name: str) -> "Database | Stopped":
        if "{database}" in self._url and not DATABASE_NAME.fullmatch(name):
            return Stopped(f"context.database={name!r} is not the name of a database")
        try:
            return Database(self._url.replace("{database}", name), self._base, self._limits)
        except (sa.exc.SQLAlchemyError, OSError, ImportError, TransientError) as error:
            return Stopped(f"database cannot be opened: {_first_line(error)}")

    def begin_batch(self) -> None:
        """Begin a new snapshot of each database at its next use, and try those again that could not be opened."""
        self._closed.clear()
        for database in self._open.values():
            database.end()

    def close(self) -> None:
        """Close all connections."""
        for database in self._open.values():
            database.close()
        self._open.clear()


class Database:
    """One database, opened read-only, with the results of its queries by text."""

    def __init__(self, url: str, base: str, limits: Limits) -> None:
        parsed = sa.make_url(url)
        self._limits = limits
        self._session: Session = (
            SqliteSession(parsed, base, limits) if parsed.get_backend_name() == "sqlite" else ConfinedSession(parsed, limits)
        )
        self._in_batch = False
        self._version: Any = None
        self._schema: Schema | None = None
        self._cache: OrderedDict[str, Outcome] = OrderedDict()
        self._cells = 0

    def run(self, sql: str) -> Outcome:
        """Return what a query yields, from the cache where the database has not changed since."""
        if not self._in_batch:
            self._begin()
        found = self._cache.get(sql)
        if found is None:
            found = self._session.execute(sql)
            self._keep(sql, found)
        return found

    def schema(self) -> Schema:
        """Return the tables and views with their columns and keys; read once, when first asked for."""
        if self._schema is None:
            if not self._in_batch:
                self._begin()
            self._schema = self._session.schema()
        return self._schema

    def end(self) -> None:
        """End the snapshot of this batch."""
        if self._in_batch:
            self._session.end()
        self._in_batch = False

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _begin(self) -> None:
        """Begin a snapshot; results of another version of the database are forgotten."""
        version = self._session.begin()
        if version is None or version != self._version:
            self._cache.clear()
            self._cells = 0
            if version is not None:
                self._schema = None
        self._version = version
        self._in_batch = True

    def _keep(self, sql: str, outcome: Outcome) -> None:
        self._cells += _size(outcome)
        self._cache[sql] = outcome
        while self._cells > self._limits.cached_cells and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._cells -= _size(dropped)


class ConfinedSession:
    """A server's session in a child process; where the child is killed, the next query has another, and a new snapshot.

    TransientError where it cannot be opened.
    """

    def __init__(self, url: sa.URL, limits: Limits) -> None:
        self._child = Confined(ServerSession, (url.render_as_string(hide_password=False), limits), limits.memory_bytes)
        self._seconds = limits.timeout_ms / 1000 + KILL_AFTER_S
        self._begun = False
        try:
            self._ask("end")
        except (Failed, Ended) as error:
            self.close()
            raise TransientError(str(error)) from None

    def begin(self) -> None:
        """Begin a snapshot; where that fails, the queries in it say so."""
        with contextlib.suppress(Failed, Ended):
            self._begin()

    def execute(self, sql: str) -> Outcome:
        """Return what a query yields; Stopped where it takes too long or too much."""
        try:
            if not self._begun:
                self._begin()
            outcome: Outcome = self._ask("execute", sql)
        except (Failed, Ended) as error:
            return Stopped(str(error))
        return outcome

    def schema(self) -> Schema:
        """Return the schema; TransientError where it cannot be had."""
        try:
            found: Schema = self._ask("schema")
        except (Failed, Ended) as error:
            raise TransientError(f"schema: {error}") from None
        return Schema(found.tables, found.keys, found.references)  # numbered in this process

    def end(self) -> None:
        """End the snapshot."""
        with contextlib.suppress(Failed, Ended):
            self._ask("end")
        self._begun = False

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def _begin(self) -> None:
        self._ask("begin")
        self._begun = True

    def _ask(self, method: str, *args: object) -> Any:
        try:
            return self._child.call(method, *args, seconds=self._seconds)
        except (Failed, Ended):
            self._begun = False
            raise


def _size(outcome: Outcome) -> int:
    return 8 + (len(outcome.rows) * len(outcome.rows[0]) if isinstance(outcome, Result) and outcome.rows else 0)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
