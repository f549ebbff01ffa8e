"""Run queries for their results: read-only, in one snapshot a batch, within limits, each distinct one once.

A query may fail in two ways that mean different things: the database refuses it (the answer is wrong), or a limit of ours or
a fault of the connection stops it (nobody knows whether it is wrong). Limits are counts wherever the database has them
(SQLite: instructions, bytes, rows), so that a second run says the same.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from dualgate.processors.scoring import sqlite
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.schemas.errors import TransientError

Rows = list[tuple[Any, ...]]
DATABASE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may cost."""

    rows: int = 20_000
    timeout_ms: int = 30_000
    sqlite_steps: int = 200_000_000
    cached_cells: int = 4_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a query."""

    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Refused:
    """The database says that this is no query it can answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A limit or a fault that is not the query's: its result is not known."""

    reason: str


Outcome = Result | Refused | Stopped


class Databases:
    """The databases of one migration by name, opened when first used; a URL may hold ``{database}``."""

    def __init__(self, url: str, base: str, limits: Limits | None = None) -> None:
        self._url = url
        self._base = base
        self._limits = limits or Limits()
        self._open: dict[str, Database] = {}

    def named(self, name: str | None) -> "Database | Stopped":
        """Return the database that a query names in its context; Stopped says why there is none."""
        key = (name or "") if "{database}" in self._url else ""
        if key not in self._open:
            opened = self._opened(key)
            if isinstance(opened, Stopped):
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
        """Begin a new snapshot of each database at its next use."""
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
        self.dialect = parsed.get_backend_name()
        self._limits = limits
        self._engine = sqlite.engine(parsed, base) if self.dialect == "sqlite" else sa.create_engine(parsed, poolclass=NullPool)
        self._connection = self._engine.connect()
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
            found = self._execute(sql)
            self._keep(sql, found)
        return found

    def schema(self) -> Schema:
        """Return the tables and views with their columns and keys; read once, when first asked for."""
        if self._schema is None:
            if not self._in_batch:
                self._begin()
            self._schema = _schema(sa.inspect(self._connection))
        return self._schema

    def end(self) -> None:
        """End the snapshot of this batch."""
        if self._connection.in_transaction():
            self._connection.rollback()
        self._in_batch = False

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._engine.dispose()

    def _begin(self) -> None:
        """Begin a snapshot; results of another version of the database are forgotten."""
        self._connection.begin()
        version = sqlite.begin(self._connection) if self.dialect == "sqlite" else _begin_other(self._connection, self._limits)
        if version is None or version != self._version:
            self._cache.clear()
            self._cells, self._schema = 0, None
        self._version = version
        self._in_batch = True

    def _execute(self, sql: str) -> Outcome:
        # the driver's own cursor: neither ":name" nor "%" in an agent's SQL is a parameter
        raw: Any = self._connection.connection
        cursor = raw.cursor()
        guard = sqlite.guarded(raw, self._limits.sqlite_steps, self._limits.timeout_ms) if self.dialect == "sqlite" else None
        try:
            with guard if guard is not None else _savepoint(cursor):
                cursor.execute(sql)
                return self._fetched(cursor)
        except sqlite.LimitReached as error:
            return Stopped(str(error))
        except Exception as error:  # every driver has its own tree
            return self._failed(error)
        finally:
            cursor.close()

    def _fetched(self, cursor: Any) -> Outcome:
        if cursor.description is None:
            return Refused("the statement returns no rows")
        rows = cursor.fetchmany(self._limits.rows + 1)
        if len(rows) > self._limits.rows:
            return Stopped(f"more than {self._limits.rows} rows")
        return Result(list(rows))

    def _failed(self, error: Exception) -> Outcome:
        words = f"{type(error).__name__}: {_first_line(error)}"
        if _is_ours(error):
            return Stopped(words)
        return Refused(words)

    def _keep(self, sql: str, outcome: Outcome) -> None:
        self._cells += _size(outcome)
        self._cache[sql] = outcome
        while self._cells > self._limits.cached_cells and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._cells -= _size(dropped)


def _schema(inspector: sa.Inspector) -> Schema:
    names = [*inspector.get_table_names(), *inspector.get_view_names()]
    return Schema(
        tables={name.lower(): tuple(c["name"].lower() for c in inspector.get_columns(name)) for name in names},
        keys={n.lower(): tuple(c.lower() for c in inspector.get_pk_constraint(n)["constrained_columns"]) for n in names},
        references=frozenset(
            ((name.lower(), own.lower()), (key["referred_table"].lower(), other.lower()))
            for name in names
            for key in inspector.get_foreign_keys(name)
            for own, other in zip(key["constrained_columns"], key["referred_columns"], strict=False)
        ),
    )


def _size(outcome: Outcome) -> int:
    return 8 + (len(outcome.rows) * len(outcome.rows[0]) if isinstance(outcome, Result) and outcome.rows else 0)


def _begin_other(connection: sa.Connection, limits: Limits) -> Any:
    """Begin a read-only snapshot; None, since what else has been committed is not known, so no result outlives the batch."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(limits.timeout_ms)}")
    elif connection.dialect.name in ("mysql", "mariadb"):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    return None


@contextmanager
def _savepoint(cursor: Any) -> Iterator[None]:
    """Undo what one statement did, so that its error ends neither the snapshot nor its siblings."""
    cursor.execute("SAVEPOINT dualgate_answer")
    try:
        yield
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT dualgate_answer")


_OURS: tuple[Callable[[Exception], bool], ...] = (
    lambda e: isinstance(e, MemoryError),
    lambda e: getattr(e, "sqlstate", None) in ("57014", "57P01", "53200", "08006", "08003"),
    lambda e: "database is locked" in str(e) or "disk I/O error" in str(e) or "file is not a database" in str(e),
)


def _is_ours(error: Exception) -> bool:
    return any(test(error) for test in _OURS)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
