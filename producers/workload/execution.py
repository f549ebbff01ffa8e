"""Executes SQL on the workload's database, each text once, and tells whether two results are the same."""

import sqlite3
from dataclasses import dataclass, field
from typing import Any

import orjson

MAX_RESULT_ROWS = 50
"""A recorded result holds at most so many rows."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: columns and rows, or the database's error."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    error: str | None = None

    def as_json(self) -> str | None:
        """Return columns and rows as they are recorded; None where the database refused."""
        if self.error is not None:
            return None
        return orjson.dumps({"columns": self.columns, "rows": self.rows[:MAX_RESULT_ROWS]}).decode()


@dataclass(slots=True)
class Executor:
    """A database with a memory of what it was asked."""

    connection: sqlite3.Connection
    _results: dict[str, Result] = field(default_factory=dict)

    def run(self, sql: str) -> Result:
        """Return the result of a statement; a refusal is a result too."""
        found = self._results.get(sql)
        if found is None:
            found = self._results[sql] = self._run(sql)
        return found

    def _run(self, sql: str) -> Result:
        try:
            cursor = self.connection.execute(sql)
            return Result(tuple(d[0] for d in cursor.description or ()), tuple(cursor.fetchall()))
        except sqlite3.Error as error:
            return Result(error=str(error))


def same_rows(reference: Result, answer: Result, ordered: bool) -> bool:
    """Tell whether an answer is right: the reference's rows, in any order unless it orders them.

    Columns are compared in the order given, which the workload's agents never change; numbers to nine digits.
    """
    if reference.error is not None or answer.error is not None or len(reference.rows) != len(answer.rows):
        return False
    if reference.rows == answer.rows:
        return True
    rows, others = _rounded(reference), _rounded(answer)
    return rows == others if ordered else sorted(rows) == sorted(others)


def _rounded(result: Result) -> list[list[str]]:
    return [[f"{cell:.9g}" if isinstance(cell, float | int) else repr(cell) for cell in row] for row in result.rows]
