"""Written attacks and innocent look-alikes, and what the safety checks say of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dualgate.processors.scoring.analysis import Analyses
from dualgate.processors.scoring.safety.scorer import Inspection, inspect_sql
from dualgate.processors.scoring.sql.parsing import template
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.schemas.grants import parse_grants
from support.scoring import GRANTS

DATA = Path(__file__).parent / "data"
SCHEMA = Schema(
    tables={
        "accounts": ("id", "account_id", "name"),
        "campaigns": ("id", "account_id", "name", "budget", "region_id"),
        "ads": ("id", "campaign_id", "account_id", "title", "clicks", "region_id"),
        "regions": ("id", "region"),
        "secrets": ("id", "key"),
    },
    keys=dict.fromkeys(("accounts", "campaigns", "ads", "regions", "secrets"), ("id",)),
    references=frozenset(
        {
            (("campaigns", "account_id"), ("accounts", "id")),
            (("ads", "campaign_id"), ("campaigns", "id")),
            (("ads", "region_id"), ("regions", "id")),
            (("campaigns", "region_id"), ("regions", "id")),
        }
    ),
)
GRANT = parse_grants(GRANTS)["account-7"]


@dataclass(frozen=True, slots=True)
class Case:
    """One query of the corpus; kind None where it is innocent."""

    sql: str
    dialect: str
    kind: str | None


def attacks() -> Iterator[Case]:
    """Yield the written attacks."""
    for line in _lines("scoring_attacks.txt"):
        kind, _, sql = line.partition(": ")
        yield _case(sql, kind)


def lookalikes() -> Iterator[Case]:
    """Yield the innocent ones."""
    for line in _lines("scoring_lookalikes.txt"):
        yield _case(line, None)


def known_faults() -> Iterator[Case]:
    """Yield the attacks that are missed, and the innocent queries that are accused (kind None)."""
    for line in _lines("scoring_known_faults.txt"):
        kind, colon, sql = line.partition(": ")
        yield _case(sql, kind) if colon else _case(line, None)


def inspect(case: Case, analyses: Analyses | None = None) -> Inspection:
    """Return what the safety checks find in a case."""
    known = analyses or Analyses()
    return inspect_sql(known.of(case.sql, case.dialect, SCHEMA), SCHEMA, GRANT, template(case.sql, case.dialect).constants)


def _lines(name: str) -> Iterator[str]:
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def _case(sql: str, kind: str | None) -> Case:
    if sql.startswith("[postgres] "):
        return Case(sql.removeprefix("[postgres] "), "postgres", kind)
    return Case(sql, "sqlite", kind)
