"""Scoring of the sample log from recorded results: pairs/s a core, the cost of each dimension, and what 10,000 pairs/s need.

Execution of the golden answers is measured apart. Cold: every text is new to the process; warm: each was seen before, as when
agents repeat themselves. Beside it: the edit script of sqlglot's own tree diff, the obvious way to compare two queries.
The last figures are recall and false alarms of the safety checks on the written corpus of tests/support/data.

python -m benchmarks.scoring [--json]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlglot
from benchmarks.side_by_side import Measurement, ratio, report
from sqlglot.diff import diff

from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.execution import Database
from dualgate.processors.scoring.logic import MigrationScoring
from dualgate.processors.scoring.migrations import close, scoring_of
from dualgate.processors.scoring.protocol import Score
from dualgate.processors.scoring.worker import settle_collector
from dualgate.producers.workload.files import write_workload
from dualgate.schemas.archive import read_archive
from dualgate.schemas.migration import load_migration
from dualgate.schemas.records import Pair, Query, Response

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.scoring_corpus import attacks, inspect, known_faults, lookalikes  # the corpus belongs to the tests

N_PAIRS = int(os.environ.get("BENCH_PAIRS", "12000"))
BATCH = 500
TARGET = 10_000


def read_pairs(log: Path) -> list[Pair]:
    """Return the pairs of an archived log."""
    queries: dict[str, Query] = {}
    answers: dict[str, dict[str, Response]] = {"incumbent": {}, "challenger": {}, "rerun": {}}
    for line in read_archive(log):
        record = line.record()
        if isinstance(record, Query):
            queries[record.query_id] = record
        elif isinstance(record, Response):
            answers[line.topic.removeprefix("responses.")][record.query_id] = record
    return [
        Pair(query=q, incumbent=answers["incumbent"][i], challenger=answers["challenger"][i], rerun=answers["rerun"].get(i))
        for i, q in queries.items()
    ]


def _batches(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    for start in range(0, len(pairs), BATCH):
        yield pairs[start : start + BATCH]


def execute_golden(scoring: MigrationScoring, pairs: Sequence[Pair]) -> Measurement:
    """Run every golden query once, so that scoring finds its result."""
    context = scoring.context
    if context.databases is None or not isinstance(context.golden, dict):
        raise RuntimeError("the workload names a database and golden answers")
    database = context.databases.named(None)
    if not isinstance(database, Database):
        raise RuntimeError(database.reason)
    texts = {context.golden[p.query.golden_id or ""].sql or "" for p in pairs}
    start = time.process_time()
    for text in texts:
        database.run(text)
    return Measurement("execution of a golden answer", 1e6 * (time.process_time() - start) / len(texts), "us/query")


def cost_of_each(scoring: MigrationScoring, pairs: Sequence[Pair]) -> dict[str, float]:
    """Return the processor time in seconds that each dimension took for all pairs."""
    spent = {scorer.name: 0.0 for scorer in scoring.scorers}
    for batch in _batches(pairs):
        if scoring.context.databases is not None:
            scoring.context.databases.begin_batch()
        columns: dict[str, Sequence[Score]] = {}
        for scorer in scoring.scorers:
            start = time.process_time()
            columns.update(scorer.score(batch, scoring.context, columns))
            spent[scorer.name] += time.process_time() - start
    return spent


def tree_diff(pairs: Sequence[Pair]) -> Measurement:
    """Compare queries by sqlglot's edit script."""
    start = time.process_time()
    for pair in pairs:
        a, b = (sqlglot.parse_one(text, dialect="sqlite") for text in (pair.incumbent.output, pair.challenger.output))
        diff(a, b)
    return Measurement("sqlglot.diff, one comparison", len(pairs) / (time.process_time() - start), "pairs/s")


def _rates(name: str, spent: dict[str, float], n: int) -> list[Measurement]:
    total = sum(spent.values())
    each = [Measurement(f"{dimension}, {name}", 1e6 * seconds / n, "us/pair") for dimension, seconds in spent.items()]
    return [Measurement(f"dualgate, {name}", n / total, "pairs/s"), *each]


def corpus() -> list[Measurement]:
    """Return recall and false alarms of the safety checks."""
    faults = list(known_faults())
    found = [inspect(case).value(case.kind or "") == 1.0 for case in (*attacks(), *(case for case in faults if case.kind))]
    accused = [inspect(case).value("safety") != 0.0 for case in (*lookalikes(), *(case for case in faults if not case.kind))]
    return [
        Measurement(f"recall on {len(found)} written attacks", 100 * sum(found) / len(found), "%"),
        Measurement(f"false alarms on {len(accused)} look-alikes", 100 * sum(accused) / len(accused), "%"),
    ]


def main() -> None:
    """Measure and print."""
    settle_collector()
    with tempfile.TemporaryDirectory() as folder:
        write_workload(Path(folder), seed=1, n_queries=N_PAIRS)
        pairs = read_pairs(Path(folder) / "log.jsonl.zst")
        config = load_migration(Path(folder) / "migration.yaml")
        scoring = scoring_of(Identity(config.spec.migration, 1, config.config_hash), config)
        execution = execute_golden(scoring, pairs)
        cold = _rates("cold", cost_of_each(scoring, pairs), len(pairs))
        warm = _rates("warm", cost_of_each(scoring, pairs), len(pairs))
        close(scoring)
    naive = tree_diff(pairs[:200])
    needs = [Measurement(f"cores for {TARGET:,} pairs/s, {m.name[10:]}", TARGET / m.value, "cores") for m in (cold[0], warm[0])]
    ratios = [ratio("all four dimensions, cold, over one tree diff", cold[0], naive), ratio("warm over cold", warm[0], cold[0])]
    report([*cold, *warm, execution, naive, *needs, *corpus()], ratios, __doc__ or "")


if __name__ == "__main__":
    main()
