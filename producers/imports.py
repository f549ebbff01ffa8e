"""Turns published predictions of two systems into an archived log, with golden answers, databases and a migration file.

Questions, answers and databases are real. What the publication does not have is *composed*, and said so wherever it is shown:
arrival times (a rate profile) and latencies (lognormal, one law for both systems, so that neither is the faster one).
"""

import datetime as dt
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from dualgate.producers.compose import RateProfile, arrival_times
from dualgate.producers.import_files import GRANTS_YAML, migration_yaml
from dualgate.producers.layout import DATABASES, GOLDEN, GRANTS, LOG, MIGRATION_FILE
from dualgate.producers.predictions import Prediction, check_systems, read_predictions
from dualgate.schemas.archive import write_archive
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import Arm, Query, Response
from dualgate.schemas.topics import QUERIES, RESPONSES_CHALLENGER, RESPONSES_INCUMBENT, traffic_key

COMPOSED = "arrival,latency"
"""Value of ``context.composed`` of every query: what of this log nobody has recorded."""
MEDIAN_MS, SIGMA = 40.0, 0.6
"""Of both systems' composed latency: lognormal, 99th percentile 162 ms."""
MAX_STEPS = 50_000_000
"""Of SQLite's virtual machine, after which a reference query counts as not executable."""
NO_DATABASE = "without a database of their db_id"
START = dt.datetime(2025, 3, 10, tzinfo=dt.UTC)

Line = tuple[str, str, int, Query | Response]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made, and what it left out by reason."""

    migration: str
    n_queries: int
    n_records: int
    databases: list[str]
    left_out: dict[str, int]
    composed: str = COMPOSED


def import_predictions(
    path: Path,
    databases: Path,
    incumbent: str,
    challenger: str,
    out: Path,
    *,
    seed: int,
    profile: RateProfile,
    all_dimensions: bool = False,
) -> Imported:
    """Write the files of an import to a folder; the same seed gives the same files.

    ConfigError names what is wrong with the file, its line, a system or a database.
    """
    if incumbent == challenger:
        raise ConfigError(f"incumbent and challenger are both {incumbent!r}; they must be two systems of the file")
    if seed < 0:
        raise ConfigError(f"seed={seed} must be 0 or greater")
    predictions = read_predictions(path)
    check_systems(path, predictions, incumbent, challenger)
    chosen, left_out = _usable(predictions, databases, incumbent, challenger)
    if not chosen:
        raise ConfigError(
            f"predictions {path} with the databases of {databases}: no question can be executed and was answered by both "
            f"({_words(left_out)})"
        )
    rng = np.random.default_rng(seed)
    migration = migration_id(incumbent, challenger)
    chosen = [chosen[i] for i in rng.permutation(len(chosen))]
    lines = sorted(_lines(rng, chosen, migration, (incumbent, challenger), profile), key=lambda line: line[2])
    names = sorted({prediction.db_id for prediction in chosen})
    _copy_databases(databases, out / DATABASES, names)
    (out / GOLDEN).write_bytes(b"".join(_golden(chosen)))
    (out / GRANTS).write_text(GRANTS_YAML, encoding="utf-8")
    (out / MIGRATION_FILE).write_text(migration_yaml(migration, incumbent, challenger, all_dimensions), encoding="utf-8")
    n_records = write_archive(out / LOG, lines)
    return Imported(migration, len(chosen), n_records, names, left_out)


def migration_id(incumbent: str, challenger: str) -> str:
    """Return a migration id made of the names of two systems."""
    names = [re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:45] or "system" for name in (incumbent, challenger)]
    return "-to-".join(names)


def _words(left_out: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in left_out.items()) or "nothing left out"


def _usable(
    predictions: list[Prediction], databases: Path, incumbent: str, challenger: str
) -> tuple[list[Prediction], dict[str, int]]:
    """Return the questions that can be executed and that both systems were asked, and how many were not, by reason."""
    chosen, left_out = [], {NO_DATABASE: 0, "not executable": 0, "not asked of both": 0}
    for prediction in predictions:
        file = database_file(databases, prediction.db_id)
        if prediction.executable and file is None:
            left_out[NO_DATABASE] += 1
        elif file is None or not prediction.executable or not _runs(prediction, file):
            left_out["not executable"] += 1
        elif incumbent not in prediction.answers or challenger not in prediction.answers:
            left_out["not asked of both"] += 1
        else:
            chosen.append(prediction)
    return chosen, {reason: count for reason, count in left_out.items() if count}


def _runs(prediction: Prediction, file: Path) -> bool:
    """Tell whether the reference query runs on its database."""
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes  # published databases hold text that is not UTF-8
        connection.set_progress_handler(lambda: True, MAX_STEPS)
        try:
            connection.execute(prediction.gold_sql).fetchone()
        except sqlite3.Error:
            return False
    return True


def database_file(folder: Path, name: str) -> Path | None:
    """Return the file of a database: NAME.sqlite, or NAME/NAME.sqlite; None where neither is there."""
    files = (folder / f"{name}.sqlite", folder / name / f"{name}.sqlite")
    return next((file for file in files if file.is_file()), None)


def _copy_databases(source: Path, target: Path, names: list[str]) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            file, copy = database_file(source, name), target / f"{name}.sqlite"
            if file is not None and not (copy.exists() and copy.samefile(file)):
                shutil.copyfile(file, copy)
    except OSError as error:
        raise ConfigError(f"folder {target}: {error.strerror or error}") from None


def _golden(predictions: list[Prediction]) -> Iterator[bytes]:
    for prediction in sorted(predictions, key=lambda p: p.id):
        yield orjson.dumps({"golden_id": prediction.id, "sql": prediction.gold_sql}, option=orjson.OPT_APPEND_NEWLINE)


def _lines(
    rng: np.random.Generator, predictions: list[Prediction], migration: str, systems: tuple[str, str], profile: RateProfile
) -> Iterator[Line]:
    start_ms = int(START.timestamp() * 1000)
    times = start_ms + arrival_times(rng, profile, len(predictions))
    latencies = MEDIAN_MS * np.exp(SIGMA * rng.standard_normal((len(predictions), 2)))
    for i, prediction in enumerate(predictions):
        query = _query(i, prediction, migration, int(times[i]))
        key = traffic_key(migration, query.query_id).decode()
        yield QUERIES, key, query.asked_at_ms, query
        arms: tuple[tuple[Arm, str], ...] = (("incumbent", RESPONSES_INCUMBENT), ("challenger", RESPONSES_CHALLENGER))
        for (arm, topic), system, ms in zip(arms, systems, latencies[i], strict=True):
            response = _response(query, arm, system, prediction.answers[system], round(float(ms), 3))
            yield topic, key, query.asked_at_ms + round(response.service_ms), response


def _query(i: int, prediction: Prediction, migration: str, asked_at_ms: int) -> Query:
    context = {
        "dialect": "sqlite",
        "database": prediction.db_id,
        "caller": "analyst",
        "composed": COMPOSED,
        "question_id": prediction.id,
    }
    return Query(
        query_id=f"q{i:06d}",
        migration_id=migration,
        asked_at_ms=asked_at_ms,
        text=prediction.question,
        context=context,
        stratum=prediction.stratum,
        golden_id=prediction.id,
    )


def _response(query: Query, arm: Arm, system: str, sql: str | None, service_ms: float) -> Response:
    """Return a system's answer; a system that gave nothing has answered with an error."""
    return Response(
        query_id=query.query_id,
        migration_id=query.migration_id,
        arm=arm,
        agent_version=system,
        lane="live" if arm == "incumbent" else "shadow",
        status="ok" if sql and sql.strip() else "error",
        output=sql or "",
        service_ms=service_ms,
        started_at_ms=query.asked_at_ms,
    )
