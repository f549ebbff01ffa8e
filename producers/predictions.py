"""Reads a file of published predictions: JSON lines with db_id, question, gold_sql and pred: {system: SQL}.

`id` (a text or a number) is the question's name, its line where the file gives none. `hardness` becomes the stratum where it is
given; `executable: false` leaves a question out. Further keys are left alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from dualgate.schemas.errors import ConfigError

DATABASE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_TEXTS = ("db_id", "question", "gold_sql")


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question with its reference query and what each system answered (None: the system gave nothing)."""

    id: str
    db_id: str
    question: str
    gold_sql: str
    stratum: str
    executable: bool
    answers: dict[str, str | None]
    where: str


def read_predictions(path: Path) -> list[Prediction]:
    """Return all questions of a file in its order; ConfigError names file, line and what is wrong."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"predictions {path}: {error.strerror or error}") from None
    found = list(_predictions(path, lines))
    if not found:
        raise ConfigError(f"predictions {path} holds no questions")
    return found


def _predictions(path: Path, lines: list[bytes]) -> Iterator[Prediction]:
    seen: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        prediction = _prediction(where, line, number)
        if prediction.id in seen:
            raise ConfigError(f"{where}: id {prediction.id!r} is given twice (first at {seen[prediction.id]})")
        seen[prediction.id] = where
        yield prediction


def _prediction(where: str, line: bytes, number: int) -> Prediction:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{where}: not JSON: {error}") from None
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: is {type(row).__name__}; a line is an object with {', '.join(_TEXTS)} and pred")
    for name in _TEXTS:
        if not isinstance(row.get(name), str) or not row[name]:
            raise ConfigError(f"{where}: {name} is {row.get(name)!r}; it must be a text")
    if not DATABASE_NAME.fullmatch(row["db_id"]):
        raise ConfigError(f"{where}: db_id {row['db_id']!r} must match {DATABASE_NAME.pattern}: it names a file")
    return Prediction(
        id=_id(where, row.get("id"), number),
        db_id=row["db_id"],
        question=row["question"],
        gold_sql=row["gold_sql"],
        stratum=str(row.get("hardness") or "all"),
        executable=row.get("executable") is not False,
        answers=_answers(where, row),
        where=where,
    )


def _id(where: str, given: Any, number: int) -> str:
    if given is None:
        return f"line-{number}"
    if type(given) not in (str, int) or given == "":
        raise ConfigError(f"{where}: id is {given!r}; it must be a text or a whole number")
    return str(given)


def _answers(where: str, row: dict[str, Any]) -> dict[str, str | None]:
    given = row.get("pred")
    if not isinstance(given, dict) or not all(isinstance(sql, str | None) for sql in given.values()):
        raise ConfigError(f"{where}: pred is {given!r}; it must be an object of system to SQL")
    return given


def check_systems(path: Path, predictions: list[Prediction], *systems: str) -> None:
    """Raise ConfigError where no question of the file was answered by one of the systems."""
    known = sorted({name for prediction in predictions for name in prediction.answers})
    for system in systems:
        if system not in known:
            raise ConfigError(f"predictions {path} has no system {system!r}; it has {', '.join(known) or 'none'}")
