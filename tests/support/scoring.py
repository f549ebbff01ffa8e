"""Builders for pairs, migrations and their files."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.logic import MigrationScoring
from dualgate.processors.scoring.migrations import scoring_of
from dualgate.schemas.migration import MigrationConfig, load_migration
from dualgate.schemas.records import Arm, Migration, Pair, Query, Response, Status, Step
from dualgate.schemas.scorers import Rater

SHOP = """
CREATE TABLE accounts (id INTEGER PRIMARY KEY, account_id INTEGER, name TEXT);
CREATE TABLE campaigns (id INTEGER PRIMARY KEY, account_id INTEGER REFERENCES accounts (id), name TEXT, budget REAL,
                        region_id INTEGER);
CREATE TABLE ads (id INTEGER PRIMARY KEY, campaign_id INTEGER REFERENCES campaigns (id), account_id INTEGER, title TEXT,
                  clicks INTEGER, region_id INTEGER REFERENCES regions (id));
CREATE TABLE regions (id INTEGER PRIMARY KEY, region TEXT);
INSERT INTO accounts VALUES (7, 7, 'seven'), (8, 8, 'eight');
INSERT INTO campaigns VALUES (1, 7, 'spring', 10.5, 1), (2, 7, 'autumn', 20.25, 2), (3, 8, 'winter', 30.0, 1);
INSERT INTO ads VALUES (1, 1, 7, 'a', 5, 1), (2, 1, 7, 'b', 7, 2), (3, 2, 7, 'c', 0, 1), (4, 3, 8, 'd', 100, 1);
INSERT INTO regions VALUES (1, 'north'), (2, 'south');
"""
GRANTS = """
callers:
  account-7:
    tables: {accounts: [id, account_id], campaigns: "*", ads: "*", regions: "*"}
    row_filter:
      accounts: {column: account_id, value: 7}
      campaigns: {column: account_id, value: 7}
      ads: {column: account_id, value: 7}
"""


def response(arm: Arm, output: str = "", result: Sequence[Sequence[Any]] | None = None, **given: Any) -> Response:
    """Return an answer to query q1 of migration m1."""
    columns = [f"c{i}" for i in range(len(result[0]))] if result else []
    text = None if result is None else json.dumps({"columns": columns, "rows": result})
    defaults: dict[str, Any] = {
        "query_id": "q1",
        "migration_id": "m1",
        "agent_version": f"{arm}:1",
        "service_ms": 10.0,
        "started_at_ms": 1_000,
        "result": text,
    }
    return Response(arm=arm, output=output, **{**defaults, **given})


def pair(
    incumbent: str | Response = "SELECT 1",
    challenger: str | Response = "SELECT 1",
    rerun: str | Response | None = None,
    status: Status = "ok",
    **query: Any,
) -> Pair:
    """Return a pair from the SQL of both arms, or from their responses."""
    given: dict[str, Any] = {
        "query_id": "q1",
        "migration_id": "m1",
        "asked_at_ms": 1_000,
        "text": "how many?",
        "context": {"caller": "account-7"},
        "golden_id": "g1",
    }
    asked = Query(**{**given, **query})
    ids = {"query_id": asked.query_id, "migration_id": asked.migration_id}

    def answer(arm: Arm, of: str | Response, state: Status = "ok") -> Response:
        return of if isinstance(of, Response) else response(arm, of, status=state, **ids)

    again = None if rerun is None else answer("incumbent", rerun)
    return Pair(
        query=asked, incumbent=answer("incumbent", incumbent), challenger=answer("challenger", challenger, status), rerun=again
    )


def steps(*names: str) -> list[Step]:
    """Return a trace of steps without details."""
    return [Step(name=name) for name in names]


def shop(folder: Path, golden: Mapping[str, Any], extra: str = "", grants: str | None = GRANTS) -> MigrationConfig:
    """Write a database, golden answers, grants and a migration file to a folder, and load it."""
    if not (folder / "shop.sqlite").exists():
        with sqlite3.connect(folder / "shop.sqlite") as connection:
            connection.executescript(SHOP)
        connection.close()
    lines = [{"golden_id": name, **({"sql": given} if isinstance(given, str) else given)} for name, given in golden.items()]
    (folder / "golden.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    named = ""
    if grants is not None:
        (folder / "grants.yaml").write_text(grants)
        named = ", grants: grants.yaml"
    (folder / "migration.yaml").write_text(
        "migration: m1\nincumbent: incumbent:1\nchallenger: challenger:1\nmode: replay\n"
        f"scoring: {{database: 'sqlite:///shop.sqlite', golden: golden.jsonl{named}}}\n{extra}"
    )
    return load_migration(folder / "migration.yaml")


def with_rater(config: MigrationConfig, url: str) -> MigrationConfig:
    """Return a configuration with a rater at a URL that is asked once and draws half of its pairs for labels."""
    given = {"url": url, "model": "judge", "retries": 0, "timeout": "60s", "label_probability": 0.5}
    rules = config.spec.scoring.model_copy(update={"rater": Rater.model_validate(given)})
    budget = config.spec.error_budget.model_copy(update={"correctness": None})  # a rated correctness has none
    return replace(config, spec=config.spec.model_copy(update={"scoring": rules, "error_budget": budget}))


def scoring(config: MigrationConfig, epoch: int = 1) -> MigrationScoring:
    """Return what scores by a configuration."""
    return scoring_of(Identity(config.spec.migration, epoch, config.config_hash), config)


def migration_record(config: MigrationConfig, epoch: int = 1, active: bool = True) -> Migration:
    """Return the record that the gate writes when it accepts a configuration."""
    return Migration(
        migration_id=config.spec.migration,
        epoch=epoch,
        config_hash=config.config_hash,
        config=config.to_json(),
        incumbent_version=config.spec.incumbent,
        challenger_version=config.spec.challenger,
        active=active,
        accepted_at_ms=0,
    )
