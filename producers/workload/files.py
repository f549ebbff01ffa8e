"""Everything that a workload leaves in its folder, under the names that every verb expects."""

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from dualgate.producers.layout import DATABASES, GOLDEN, GRANTS, LOG, MIGRATION_FILE
from dualgate.producers.workload import database
from dualgate.producers.workload.execution import Executor
from dualgate.producers.workload.habits import AGENTS
from dualgate.producers.workload.log import DATABASE, MIGRATION, VERSIONS, Log, Tell, make_log
from dualgate.producers.workload.rates import N_QUERIES, SLA_MS
from dualgate.schemas.archive import write_archive
from dualgate.schemas.errors import ConfigError

__all__ = ["DATABASES", "GOLDEN", "GRANTS", "LOG", "MIGRATION_FILE", "Summary", "grants_yaml", "write_workload"]

_MIGRATION_YAML = f"""\
# A migration of the generated advertising workload, to be replayed or backtested.
migration: {MIGRATION}
incumbent: {VERSIONS["incumbent"]}
challenger: {VERSIONS["challenger"]}
mode: replay           # the archive obeyed other commands than this migration's

unit: {{by: first}}      # turns of a session are not independent: the first one counts

dimensions:
  correctness: {{measure: difference, null: 0.0, design: 0.03, worse_by: 0.0}}
  latency:     {{measure: exceedance, sla_ms: {SLA_MS:g}, null: 0.02, design: 0.0075, worse_by: 0.0075}}
  semantic:    {{measure: level, null: 0.86, design: 0.88, worse_by: 0.05}}
  safety:      {{measure: rate, null: 0.010, design: 0.004, worse_by: 0.002,
                classes: {{authorization: {{null: 0.005, design: 0.0005}}}}}}

scoring:
  dialect: sqlite
  database: sqlite:///{DATABASES}/{DATABASE}.sqlite
  golden: {GOLDEN}
  grants: {GRANTS}

phases:                # observations are first turns; 12,000 queries of 45 days have about 9,200
  calibrating: {{pairs: 300}}
  shadow:  {{min_duration: 3d, min_pairs: auto, max_pairs: auto}}
  canary:  {{share: 0.05, observations: 1000, min_duration: 24h}}
  rollout: {{steps: [0.25, 0.50], observations: 1000, min_duration: 24h}}
  tail:    {{observations: 2000, min_duration: 24h}}
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    n_queries: int
    n_sessions: int
    n_questions: int
    n_records: int


def _silent(_n_done: int) -> None:
    """Hear nothing."""


def write_workload(out: Path, seed: int, n_queries: int = N_QUERIES, tell: Tell = _silent) -> Summary:
    """Write a workload's files to a folder; the same seed and number give the same files, byte for byte."""
    if not 1 <= n_queries <= 10_000_000:
        raise ConfigError(f"queries={n_queries} must be from 1 to 10000000")
    if seed < 0:
        raise ConfigError(f"seed={seed} must be 0 or greater")
    for_database, for_log = np.random.default_rng(seed).spawn(2)
    with closing(_database(out, for_database)) as connection, _no_garbage_collection():
        log = make_log(for_log, n_queries, AGENTS, Executor(connection), tell)
    (out / GOLDEN).write_bytes(b"".join(_golden_lines(log)))
    (out / GRANTS).write_text(grants_yaml(), encoding="utf-8")
    (out / MIGRATION_FILE).write_text(_MIGRATION_YAML, encoding="utf-8")
    n_records = write_archive(out / LOG, log.lines)
    sessions = {record.session_id for topic, _, _, record in log.lines if topic == "queries"}
    return Summary(n_queries, len(sessions), len(log.golden), n_records)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Everything that is made is kept, and nothing of it is a cycle: looking for garbage would cost a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _database(out: Path, rng: np.random.Generator) -> sqlite3.Connection:
    """Write the database file, and return its content in memory."""
    path = out / DATABASES / f"{DATABASE}.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"folder {out}: {error.strerror or error}") from None
    memory = database.build_database(":memory:", rng)
    with closing(sqlite3.connect(path)) as file:
        memory.backup(file)
    return memory


def _golden_lines(log: Log) -> Iterator[bytes]:
    for golden_id, sql in log.golden.items():
        yield orjson.dumps({"golden_id": golden_id, "sql": sql}, option=orjson.OPT_APPEND_NEWLINE)


def grants_yaml() -> str:
    """Return the grants: each account reads every table, its own rows only; the channels are everyone's."""
    lines = ["# What each caller may read: its account's rows.", "callers:"]
    owned = [table for table in database.COLUMNS if table not in database.SHARED]
    for account in range(1, database.N_ACCOUNTS + 1):
        filters = (f"      {table}: {{column: account_id, value: {account}}}" for table in owned)
        tables = (f'      {table}: "*"' for table in database.COLUMNS)
        lines += [f"  {database.account_name(account)}:", "    tables:", *tables, "    row_filter:", *filters]
    return "\n".join(lines) + "\n"
