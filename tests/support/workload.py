"""A generated workload, scored by the scorers themselves."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.logic import score_batch
from dualgate.processors.scoring.migrations import close, scoring_of
from dualgate.processors.scoring.protocol import Score
from dualgate.producers.workload.files import write_workload
from dualgate.schemas.archive import read_archive
from dualgate.schemas.migration import load_migration
from dualgate.schemas.records import Pair

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Scored:
    """The pairs of a log and their scores by column."""

    pairs: list[Pair]
    scores: dict[str, list[Score]]

    def values(self, column: str, arm: str) -> list[float]:
        """Return what one arm was given in a column."""
        found = (getattr(score, arm) for score in self.scores[column] if score.state == "scored")
        return [value for value in found if value is not None]


def pairs_of(log: Path) -> list[Pair]:
    """Return the pairs of a log in which everything was answered."""
    found: dict[str | None, dict[str, Any]] = defaultdict(dict)
    for line in read_archive(log):
        found[line.key][line.topic.rpartition(".")[2]] = line.record()
    return [
        Pair(query=r["queries"], incumbent=r["incumbent"], challenger=r["challenger"], rerun=r.get("rerun"))
        for r in found.values()
    ]


def scored_workload(folder: Path, seed: int, n_queries: int) -> Scored:
    """Write a workload, execute and score all of it."""
    write_workload(folder, seed, n_queries)
    pairs = pairs_of(folder / "log.jsonl.zst")
    scoring = scoring_of(Identity("m", 1, "h"), load_migration(folder / "migration.yaml"))
    scores: dict[str, list[Score]] = defaultdict(list)
    for start in range(0, len(pairs), _BATCH):
        for name, column in score_batch(scoring, pairs[start : start + _BATCH]).items():
            scores[name].extend(column)
    close(scoring)
    return Scored(pairs, dict(scores))
