"""Run every fault, one after another, and write what came out: `python -m support.faults.report --out FILE [--only NAME]`."""

import argparse
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from os import cpu_count
from pathlib import Path

from dualgate.cli.broker import LocalBroker
from support.faults.matrix import CELLS, play
from support.faults.special import SPECIALS
from support.faults.stage import Outcome

HEAD = """# What faults do to pairs, expiries, vectors and verdicts

Written by `make faults` on {day}: {passed} of {all} runs passed, {seconds:.0f} s in all, {machine}.

Each run publishes about {queries:,} queries of two migrations (one challenger is better, one worse) with late, early, repeated,
missing and orphaned answers, lets real pairing and scoring workers on a real Apache Kafka work on them, and breaks one thing.
When all workers have ended, an oracle recomputes from the input topics what must be there. *Lost* and *doubled* count queries in
`pairs` and `unpaired` (read_committed) and vectors above the ledger's high-water mark; *again* counts rows that stood on the
ledger twice and were dropped by that mark, which is its work. Verdicts are those of the gate's fold of the ledger.
`tests/e2e/test_fault_matrix.py` runs a slice in CI, and shows that the comparison fails where a high-water mark is broken.

| run | queries | pairs | unpaired | late | lost | doubled | again | verdicts | s |
|---|---:|---:|---:|---:|---:|---:|---:|---|---:|
"""


@dataclass(frozen=True)
class Done:
    """One run: its outcome, None where the right outcome is that the worker stops; the failure where it did not pass."""

    name: str
    outcome: Outcome | None
    seconds: float
    failure: str = ""

    def row(self) -> str:
        """Return its row of the table."""
        if self.failure:
            return f"| {self.name} | | | | | | | | **failed**: {self.failure} | {self.seconds:.0f} |"
        if self.outcome is None:
            return f"| {self.name} | | | | | | | | the worker stops and names the topic | {self.seconds:.0f} |"
        o = self.outcome
        numbers = f"{o.queries:,} | {o.pairs:,} | {o.unpaired} | {o.late} | 0 | 0 | {o.again}"
        return f"| {self.name} | {numbers} | {', '.join(o.verdicts)} | {self.seconds:.0f} |"


def run(name: str, play_it: Callable[[str], Outcome | None], servers: str) -> Done:
    """Run one; a failure is told and kept, and the others go on."""
    began = time.monotonic()
    try:
        outcome = play_it(servers)
    except Exception as error:
        traceback.print_exc()
        words = " ".join(str(error).split())[:200] or type(error).__name__
        return Done(name, None, time.monotonic() - began, words.replace("|", "/"))
    return Done(name, outcome, time.monotonic() - began)


def written(done: Iterable[Done]) -> str:
    """Return the page."""
    done = list(done)
    queries = next((d.outcome.queries for d in done if d.outcome), 0)
    head = HEAD.format(
        day=datetime.now(UTC).date(),
        passed=sum(not d.failure for d in done),
        all=len(done),
        seconds=sum(d.seconds for d in done),
        machine=f"{cpu_count()} cores ({platform.machine()}) shared with the brokers",
        queries=queries,
    )
    return head + "\n".join(d.row() for d in done) + "\n"


def main() -> None:
    """Run all of it on one broker, those that hit the broker on brokers of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="runs whose name contains this")
    given = parser.parse_args()
    runs: dict[str, Callable[[str], Outcome | None]] = {str(cell): partial(play, cell) for cell in CELLS}
    runs |= SPECIALS
    done = []
    with LocalBroker() as broker:
        for name, play_it in runs.items():
            if given.only in name:
                done.append(run(name, play_it, broker.bootstrap_servers))
                print(done[-1].row(), file=sys.stderr, flush=True)
    given.out.write_text(written(done))
    raise SystemExit(any(d.failure for d in done))


if __name__ == "__main__":
    main()
