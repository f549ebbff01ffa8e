"""One migration from its first pair to its last, by the gate's own walk: what is promised of all its phases together.

Promotion: with one dimension exactly on its null and the others good, at most errors.promote, whatever waits for `min_duration`
(more looks) and whatever calibrating pairs fixed. Rollback: of a challenger that is exactly at every `worse_by`, at most
errors.rollback over shadow, canary, steps and tail, charts carried over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualgate.lab.characteristics.rows import Row, fraction_row
from dualgate.lab.simulate.runs import job_of, run_many
from dualgate.lab.simulate.scenario import Binary, Scenario, Scores, Sessions
from dualgate.schemas.migration import MigrationSpec

LIMIT = 40_000


@dataclass(frozen=True, slots=True)
class Case:
    """A file, a challenger, and which outcome may happen how often. per_hour: sampled pairs, so that durations bind."""

    name: str
    file: dict[str, Any]
    scenario: Scenario
    outcome: str
    at_most: float
    runs: int
    per_hour: float | None = None
    live: bool = False
    valid: bool = True


BAR = {"correctness": {"null": 0.0, "design": 0.03}}
_EASY = {
    "latency": {"sla_ms": 200, "null": 0.02, "design": 0.0075}, "semantic": {"null": 0.8, "design": 0.88},
    "safety": {"null": 0.02, "design": 0.004, "classes": {}},
}  # fmt: skip
_GOOD_REST = {
    "slow": Binary(incumbent=0.0075, challenger=0.003),
    "violation": Binary(incumbent=0.004, challenger=0.002),
    "classes": {},
}
_EQUAL_FILE: dict[str, Any] = {
    "correctness": {"null": -0.04, "design": 0.0, "worse_by": 0.0},
    "latency": {"sla_ms": 200, "null": 0.02, "design": 0.005, "worse_by": 0.0},
    "semantic": {"null": 0.8, "design": 0.9, "worse_by": 0.0},
    "safety": {"null": 0.02, "design": 0.004, "worse_by": 0.0, "classes": {}},
}
_EQUAL = Scenario(
    correctness=Binary(incumbent=0.842, challenger=0.842, discordance=0.15), slow=Binary(incumbent=0.005, challenger=0.005),
    semantic=Scores(incumbent=0.9, challenger=0.9), violation=Binary(incumbent=0.004, challenger=0.004), classes={},
)  # fmt: skip


def _null(**changes: Any) -> Scenario:
    """Return a challenger exactly on the null in correctness and good elsewhere."""
    on_null = Binary(incumbent=0.842, challenger=0.842, discordance=0.15)
    return Scenario(correctness=on_null, semantic=Scores(challenger=0.9), **_GOOD_REST, **changes)


def _file(dimensions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"migration": "m", "incumbent": "agent:1", "challenger": "agent:2", "dimensions": dimensions, **changes}


_NO_FUTILITY = {"errors": {"miss": 1e-9}, "phases": {"shadow": {"min_pairs": 200, "max_pairs": 6000}}}
CASES = (
    Case("null in correctness, the others good", _file(BAR | _EASY), _null(), "promoted", 0.05, 600),
    Case("the same, nobody gives up before 6,000 pairs", _file(BAR | _EASY, **_NO_FUTILITY), _null(), "promoted", 0.05, 600),
    Case("the same, waiting for min_duration (24 h at 100/h)", _file(BAR | _EASY, **_NO_FUTILITY), _null(),
         "promoted", 0.05, 600, 100.0),
    Case("the same, gate: iut", _file(BAR | _EASY, **(_NO_FUTILITY | {"errors": {"miss": 1e-9, "gate": "iut"}})),
         _null(), "promoted", 0.05, 600),
    Case("the same, outcomes correlated .6 across dimensions", _file(BAR | _EASY, **_NO_FUTILITY), _null(correlation=0.6),
         "promoted", 0.05, 600),
    Case("the same, sessions of 3, unit: first", _file(BAR | _EASY, unit={"by": "first"}, **_NO_FUTILITY),
         _null(sessions=Sessions(mean_size=3, agreement=0.7)), "promoted", 0.05, 600),
    Case("the same, sessions of 3, unit: query (invalid)", _file(BAR | _EASY, **_NO_FUTILITY),
         _null(sessions=Sessions(mean_size=3, agreement=0.9)), "promoted", 0.05, 600, valid=False),
    Case("exactly at every worse_by, default live phases", _file(_EQUAL_FILE), _EQUAL, "worse", 0.04, 800, live=True),
)  # fmt: skip


def cases(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield how often the outcome that may hardly happen happens, and what became of the other runs."""
    case = CASES[index]
    job = job_of(MigrationSpec.model_validate(case.file), case.scenario, LIMIT, live=case.live, pairs_per_hour=case.per_hour)
    outcomes = list(run_many(job, runs, seed, 1))
    if case.outcome == "worse":
        hits = np.array([o.reason == "worse" or o.verdict == "rolled_back" for o in outcomes])
        yield fraction_row("1.4", case.name, "rejected as worse or rolled back, at most", case.at_most, hits, kind="at most")
        live = np.array([o.verdict == "rolled_back" for o in outcomes])
        yield fraction_row("1.4", case.name, "rolled back from a live phase", None, live)
        yield fraction_row("1.4", case.name, "completed", None, np.array([o.verdict == "completed" for o in outcomes]))
        return
    hits = np.array([o.verdict == case.outcome for o in outcomes])
    if case.valid:
        yield fraction_row("1.4", case.name, "promoted, at most alpha", case.at_most, hits, kind="at most")
    else:
        yield fraction_row("1.4", case.name, "promoted", None, hits)
