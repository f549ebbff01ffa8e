"""The grants file: which tables and columns each caller may read, and the rows of which tenant.

.. code-block:: yaml

    callers:
      account-7:
        tables:                    # or "*": every table
          campaigns: "*"           # every column
          accounts: [account_id, name]
        row_filter:                # tables whose rows belong to a tenant
          campaigns: {column: account_id, value: 7}
      analyst: {tables: "*"}

A SELECT that reads a table with a row filter must say ``column = value`` for that table, or join it by equality to a table
for which it does. Names are compared without regard to case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dualgate.schemas.errors import ConfigError
from dualgate.schemas.text import read_text
from dualgate.schemas.yaml_lines import Document, read_yaml


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The tenant's rows of a table: those where ``column = value``."""

    column: str
    value: str | int


@dataclass(frozen=True, slots=True)
class Grant:
    """What one caller may read; names are in lower case, and None stands for all."""

    tables: Mapping[str, frozenset[str] | None] | None
    row_filter: Mapping[str, RowFilter] = field(default_factory=dict)

    def may_read_table(self, table: str) -> bool:
        """Tell whether the caller may read anything of a table."""
        return self.tables is None or table.lower() in self.tables

    def may_read(self, table: str, column: str) -> bool:
        """Tell whether the caller may read a column of a table."""
        if not self.may_read_table(table):
            return False
        columns = None if self.tables is None else self.tables[table.lower()]
        return columns is None or column.lower() in columns

    def filter_of(self, table: str) -> RowFilter | None:
        """Return the row filter that a query on a table must carry, where there is one."""
        return self.row_filter.get(table.lower())


def load_grants(path: str | Path) -> Mapping[str, Grant]:
    """Read a grants file as grants by caller; ConfigError names file, line, key, value and what is accepted."""
    return parse_grants(read_text(Path(path), "grants file", "YAML"), str(path))


def parse_grants(text: str, origin: str = "grants file") -> Mapping[str, Grant]:
    """Read the text of a grants file; ConfigError as `load_grants`."""
    reader = _Reader(read_yaml(text, origin), origin)
    root = reader.mapping(reader.document.value, (), {"callers"})
    callers = reader.mapping(root.get("callers"), ("callers",))
    return {caller: reader.grant(given, ("callers", caller)) for caller, given in callers.items()}


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Document
    origin: str

    def fail(self, path: tuple[str | int, ...], words: str) -> ConfigError:
        name = ".".join(map(str, path)) or "the file"
        return ConfigError(f"{self.origin}:{self.document.line(path)}: {name} {words}")

    def mapping(self, given: Any, path: tuple[str | int, ...], keys: set[str] | None = None) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise self.fail(path, f"is {given!r}; it must be a mapping{' with ' + ', '.join(sorted(keys)) if keys else ''}")
        for key in given:
            if keys is not None and key not in keys:
                raise self.fail((*path, key), f"is not a key here; accepted are {', '.join(sorted(keys))}")
        return given

    def grant(self, given: Any, path: tuple[str | int, ...]) -> Grant:
        whole = self.mapping(given, path, {"tables", "row_filter"})
        if "tables" not in whole:
            raise self.fail(path, 'lacks tables; it must be a mapping of table to columns, or "*"')
        filters = self.mapping(whole.get("row_filter", {}), (*path, "row_filter"))
        self.once(filters, (*path, "row_filter"))
        return Grant(
            self.tables(whole["tables"], (*path, "tables")),
            {table.lower(): self.row_filter(f, (*path, "row_filter", table)) for table, f in filters.items()},
        )

    def tables(self, given: Any, path: tuple[str | int, ...]) -> Mapping[str, frozenset[str] | None] | None:
        if given == "*":
            return None
        self.once(self.mapping(given, path), path)
        return {t.lower(): self.columns(c, (*path, t)) for t, c in given.items()}

    def once(self, given: dict[str, Any], path: tuple[str | int, ...]) -> None:
        """Hold tables to one entry each: of two that differ in case alone only one would count."""
        seen: set[str] = set()
        for table in given:
            if table.lower() in seen:
                raise self.fail((*path, table), "is given twice; names are compared without regard to case")
            seen.add(table.lower())

    def columns(self, given: Any, path: tuple[str | int, ...]) -> frozenset[str] | None:
        if given == "*":
            return None
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            raise self.fail(path, f'is {given!r}; it must be a list of column names, or "*"')
        return frozenset(name.lower() for name in given)

    def row_filter(self, given: Any, path: tuple[str | int, ...]) -> RowFilter:
        both = self.mapping(given, path, {"column", "value"})
        column, value = both.get("column"), both.get("value")
        if not isinstance(column, str) or isinstance(value, bool) or not isinstance(value, str | int):
            raise self.fail(path, f"is {given!r}; it must be {{column: a name, value: text or a whole number}}")
        return RowFilter(column.lower(), value)
