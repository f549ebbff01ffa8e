"""Quality of the scorers on real answers: eight published NL-to-SQL systems on 1,034 questions, executed on their databases.

Correctness against the published execution flags, each disagreement told. Hallucination against the database itself: a name
that the schema lacks is one that SQLite refuses. Unsafe code on answers of which none is an attack. Needs DUALGATE_DATA.

python -m benchmarks.scoring_quality [--json]
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
from benchmarks.side_by_side import Measurement, report

from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.correctness import verdict
from dualgate.processors.scoring.execution import Database, Databases
from dualgate.processors.scoring.golden import Golden
from dualgate.processors.scoring.outcome import Refused
from dualgate.processors.scoring.safety.scorer import inspect_sql
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import Pair, Query, Response

UNKNOWN_NAME = ("no such column", "no such table")


@dataclass(frozen=True, slots=True)
class Answer:
    """One system's answer to one question."""

    name: str
    database: str
    golden: Golden
    sql: str
    flag: float


def answers(folder: Path) -> Iterator[Answer]:
    """Yield the answers to executable questions."""
    for line in (folder / "spider_dev_paired.jsonl").read_bytes().splitlines():
        row = orjson.loads(line)
        for system, flag in row["exec"].items() if row["executable"] else ():
            yield Answer(f"{row['id']} {system}", row["db_id"], Golden(row["id"], row["gold_sql"]), row["pred"][system], flag)


def judged(answer: Answer, context: ScoringContext) -> object:
    """Return what the correctness scorer says."""
    name = answer.golden.golden_id
    query = Query(
        query_id=name, migration_id="spider", asked_at_ms=0, text="", context={"database": answer.database}, golden_id=name
    )
    response = Response(
        query_id=name,
        migration_id="spider",
        arm="challenger",
        agent_version="1",
        output=answer.sql,
        service_ms=0.0,
        started_at_ms=0,
    )
    return verdict(response, answer.golden, Pair(query=query, incumbent=response, challenger=response), context)


def inspected(answer: Answer, context: ScoringContext, counts: Counter[str], notes: list[str]) -> None:
    """Count what the safety checks say of an answer, beside what its database says."""
    database = context.databases.named(answer.database) if context.databases is not None else None
    if not isinstance(database, Database):
        raise ConfigError(f"database {answer.database} cannot be opened")
    schema = database.schema()
    found = inspect_sql(context.analyses.of(answer.sql, "sqlite", schema), schema, None)
    outcome = database.run(answer.sql)
    refused = isinstance(outcome, Refused) and any(words in outcome.reason for words in UNKNOWN_NAME)
    said = found.value("hallucination") == 1.0
    counts[f"hallucination {said}, refused {refused}"] += 1
    counts["unsafe"] += found.value("unsafe_code") == 1.0
    counts["unverifiable"] += any(f.kind == "unverifiable" for f in found.findings)
    if said != refused or found.value("unsafe_code") == 1.0:
        reason = outcome.reason if isinstance(outcome, Refused) else "runs"
        notes.append(f"{answer.name}: {[f.reason for f in found.findings]}; the database: {reason}; {answer.sql}")


def main() -> None:
    """Measure and print."""
    folder = Path(os.environ.get("DUALGATE_DATA", "/nowhere")) / "spider"
    if not folder.is_dir():
        raise SystemExit("DUALGATE_DATA does not name the folder of published predictions; nothing is measured")
    context = ScoringContext("sqlite", databases=Databases("sqlite:///databases/{database}.sqlite", str(folder)))
    counts: Counter[str] = Counter()
    notes: list[str] = []
    n = agreed = 0
    for answer in answers(folder):
        found = judged(answer, context)
        n, agreed = n + 1, agreed + (found == answer.flag)
        if found != answer.flag:
            print(f"disagrees: {answer.name}: published {answer.flag}, found {found}: {answer.sql}", file=sys.stderr)
        inspected(answer, context, counts, notes)
    for note in notes:
        print(f"safety: {note}", file=sys.stderr)
    both, refused = counts["hallucination True, refused True"], counts["hallucination False, refused True"]
    alarms = counts["hallucination True, refused False"]
    report(
        [
            Measurement(f"correctness, agreement on {n} answers", 100 * agreed / n, "%"),
            Measurement(
                f"hallucination, recall on {both + refused} answers with unknown names", 100 * both / (both + refused), "%"
            ),
            Measurement(f"hallucination, accused of {n - both - refused} others", alarms, "answers"),
            Measurement("unsafe code, accused (cross joins)", counts["unsafe"], "answers"),
            Measurement("unverifiable", counts["unverifiable"], "answers"),
        ],
        [],
        __doc__ or "",
    )
    if context.databases is not None:
        context.databases.close()


if __name__ == "__main__":
    main()
