"""Golden answers: JSON lines of ``golden_id`` with a reference ``sql`` or ``result``, or ``refuse`` where no answer is right."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from dualgate.processors.scoring.published import Reference, rows_of
from dualgate.schemas.errors import ConfigError

FIELDS = ("golden_id", "sql", "result", "ordered", "refuse")


@dataclass(frozen=True, slots=True)
class Golden:
    """A reference answer: SQL to execute, or a result as ``{"columns": [...], "rows": [[...]]}``, or a refusal.

    `ordered` says whether the order of rows is part of the question; None: it is where the SQL ends in ORDER BY.
    """

    golden_id: str
    sql: str | None = None
    reference: Reference | None = None
    ordered: bool | None = None
    refuse: bool = False


def read_golden(lines: Iterable[bytes | str], origin: str) -> dict[str, Golden]:
    """Read golden answers by id; ConfigError names file, line and fault."""
    found: dict[str, Golden] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        golden = _golden(line, f"{origin}:{number}")
        if golden.golden_id in found:
            raise ConfigError(f"{origin}:{number}: golden_id={golden.golden_id!r} is given twice")
        found[golden.golden_id] = golden
    return found


def _golden(line: bytes | str, where: str) -> Golden:
    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{where}: not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigError(f"{where}: a line is an object with {', '.join(FIELDS)}")
    if not isinstance(given.get("golden_id"), str):
        raise ConfigError(f"{where}: golden_id={given.get('golden_id')!r} must be a string")
    result, sql, refuse = given.get("result"), given.get("sql"), given.get("refuse", False)
    for key in ("ordered", "refuse"):
        if not isinstance(given.get(key), bool | None):
            raise ConfigError(f"{where}: {key}={given[key]!r} must be true or false")
    if refuse and (sql is not None or result is not None):
        raise ConfigError(f"{where}: golden_id={given['golden_id']!r} has an answer and says that it must be refused")
    if sql is None and result is None and not refuse:
        raise ConfigError(f"{where}: golden_id={given['golden_id']!r} has neither sql nor result nor refuse")
    if sql is not None and not (isinstance(sql, str) and sql.strip()):
        raise ConfigError(f"{where}: sql={sql!r} must be a query")
    if isinstance(result, dict) and result.get("truncated"):
        raise ConfigError(f"{where}: result is truncated; answers can only be held to a whole one")
    rows = None if result is None else rows_of(result)
    if result is not None and rows is None:
        raise ConfigError(f'{where}: result must be {{"columns": [...], "rows": [[...], ...]}}')
    return Golden(given["golden_id"], sql, None if rows is None else Reference(rows), given.get("ordered"), bool(refuse))
