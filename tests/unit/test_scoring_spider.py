"""Real data: the published execution flags of eight NL-to-SQL systems against the correctness scorer."""

import json
import os
from pathlib import Path

import pytest

from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.correctness import verdict
from dualgate.processors.scoring.execution import Databases
from dualgate.processors.scoring.golden import Golden
from support.scoring import pair

SPIDER = Path(os.environ.get("DUALGATE_DATA", "/nowhere")) / "spider"


@pytest.mark.skipif(not (SPIDER / "spider_dev_paired.jsonl").is_file(), reason="DUALGATE_DATA holds no spider data")
def test_correctness_agrees_with_the_published_execution_flags() -> None:
    """At least 99 % of the 7,776 verdicts on executable questions are the published ones (all of them, when last measured)."""
    context = ScoringContext("sqlite", databases=Databases("sqlite:///databases/{database}.sqlite", str(SPIDER)))
    agreed, disagreements = 0, []
    for line in (SPIDER / "spider_dev_paired.jsonl").read_text().splitlines():
        row = json.loads(line)
        asked = pair(context={"database": row["db_id"]})
        golden = Golden(row["id"], row["gold_sql"])
        for system, flag in row["exec"].items() if row["executable"] else ():
            answer = pair(row["pred"][system]).incumbent
            found = verdict(answer, golden, asked, context)
            if found == flag:
                agreed += 1
            else:
                disagreements.append((row["id"], system, flag, found))
    assert context.databases is not None
    context.databases.close()
    assert agreed >= 0.99 * (agreed + len(disagreements)), disagreements[:20]
    assert agreed + len(disagreements) == 7_776
