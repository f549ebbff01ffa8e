"""Run every fault, one after another, and write what came out: `python -m support.faults.report --out FILE [--only NAME]`.

The page is written after each run. With --again the runs that the page says have passed are kept as they stand there, and
those that failed, or are not there, are run; a row says at which try its run passed.
"""

import argparse
import os
import platform
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dualgate.cli.broker import LocalBroker
from support.faults.matrix import CELLS, play
from support.faults.special import SPECIALS
from support.faults.stage import Outcome

HEAD = """# What faults do to pairs, expiries, vectors and verdicts

Written by `make faults` on {day}: {passed} of {all} runs passed, {seconds} s in all, {machine};
load average at the end {load}.

Each run publishes about {queries} queries of two migrations (one challenger is better, one worse) with late, early, repeated,
missing and orphaned answers, lets real pairing and scoring workers on a real Apache Kafka work on them, and breaks one thing.
When all workers have ended, an oracle recomputes from the input topics what must be there. *Lost* and *doubled* count queries in
`pairs` and `unpaired` (read_committed) and vectors above the ledger's high-water mark; *again* counts rows that stood on the
ledger twice and were dropped by that mark, which is its work. Verdicts are those of the gate's fold of the ledger.
`tests/e2e/test_fault_matrix.py` runs a slice in CI, and shows that the comparison fails where a high-water mark is broken.
`make faults-again` runs only what failed; a row says at which try its run passed. In *full-disk* the broker's process may make
no file longer than 64 KiB, which it meets as a failed write; no device is filled.

| run | queries | pairs | unpaired | late | lost | doubled | again | verdicts | s |
|---|---:|---:|---:|---:|---:|---:|---:|---|---:|
"""


FAILED = "**failed**"
Play = Callable[[str], Outcome | None]
ROW = re.compile(r"\| ([a-z-]+)(?: \(try (\d+)\))? \| (.*) \| (\d+) \|")


@dataclass(frozen=True)
class Row:
    """One run as it stands on the page: at which try it came out so, its cells, how long it took."""

    name: str
    attempt: int
    cells: str
    seconds: int

    @property
    def failed(self) -> bool:
        """Whether what came out is wrong."""
        return FAILED in self.cells

    def __str__(self) -> str:
        attempt = f" (try {self.attempt})" if self.attempt > 1 else ""
        return f"| {self.name}{attempt} | {self.cells} | {self.seconds} |"


def rows_of(page: str) -> dict[str, Row]:
    """Return the rows of a page by name."""
    found = (ROW.fullmatch(line) for line in page.splitlines())
    return {m[1]: Row(m[1], int(m[2] or 1), m[3], int(m[4])) for m in found if m}


def cells_of(outcome: Outcome | None) -> str:
    """Return what a run gave; None is that the worker stopped, where that is right."""
    if outcome is None:
        return "| | | | | | | the worker stops and names the topic"
    o = outcome
    return f"{o.queries:,} | {o.pairs:,} | {o.unpaired} | {o.late} | 0 | 0 | {o.again} | {', '.join(o.verdicts)}"


def run(name: str, attempt: int, play_it: Play, servers: str) -> Row:
    """Run one; a failure is told and kept, and the others go on."""
    began = time.monotonic()
    try:
        cells = cells_of(play_it(servers))
    except Exception as error:
        traceback.print_exc()
        words = " ".join(str(error).split())[:200] or type(error).__name__
        cells = f"| | | | | | | {FAILED}: {words.replace('|', '/')}"
    return Row(name, attempt, cells, round(time.monotonic() - began))


def written(rows: Mapping[str, Row]) -> str:
    """Return the page of runs, of which there is at least one."""
    queries = [row.cells.partition(" | ")[0] for row in rows.values() if row.cells[0].isdigit()]
    head = HEAD.format(
        day=datetime.now(UTC).date(),
        passed=sum(not row.failed for row in rows.values()),
        all=len(rows),
        seconds=sum(row.seconds for row in rows.values()),
        machine=f"{os.cpu_count()} cores ({platform.machine()}) shared with the brokers",
        load=f"{os.getloadavg()[2]:.0f}",
        queries=queries[0] if queries else "no",
    )
    return head + "\n".join(map(str, rows.values())) + "\n"


def main() -> None:
    """Run all of it on one broker, those that hit the broker on brokers of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="runs whose name contains this")
    parser.add_argument("--again", action="store_true", help="only the runs that FILE does not say have passed")
    given = parser.parse_args()
    plays: dict[str, Play] = {str(cell): partial(play, cell) for cell in CELLS}
    plays |= SPECIALS
    before = rows_of(given.out.read_text()) if given.again else {}
    rows = {}
    with LocalBroker() as broker:
        for name in filter(lambda name: given.only in name, plays):
            old = before.pop(name, None)
            if old is None or old.failed:
                old = run(name, old.attempt + 1 if old else 1, plays[name], broker.start().bootstrap_servers)
            rows[name] = old
            print(old, file=sys.stderr, flush=True)
            given.out.write_text(written(rows | before))
    raise SystemExit(any(row.failed for row in rows.values()))


if __name__ == "__main__":
    main()
