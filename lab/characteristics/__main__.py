"""Measure every table and write docs/statistics-results.md: expected beside obtained.

`python -m dualgate.lab.characteristics --out docs/statistics-results.md`; `--share 0.1` takes a tenth of the runs, `--only 5,7`
the sections whose number begins so.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

from dualgate.lab.characteristics.measuring import measured
from dualgate.lab.characteristics.page import page
from dualgate.lab.characteristics.tables import SECTIONS


def main() -> None:
    """Measure the sections over all cores, with progress on stderr, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m dualgate.lab.characteristics", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/statistics-results.md"))
    parser.add_argument("--share", type=float, default=1.0, help="share of the full number of runs")
    parser.add_argument("--only", default="", help="numbers of sections, separated by commas")
    parser.add_argument("--processes", type=int, default=None, help="default: one a core")
    args = parser.parse_args()
    wanted = tuple(number for number in args.only.split(",") if number)
    sections = tuple(s for s in SECTIONS if not wanted or s.number in wanted)
    begin = time.monotonic()
    found = measured(sections, args.share, args.processes, lambda words: print(words, file=sys.stderr, flush=True))
    args.out.write_text(page(found, args.share), encoding="utf-8")
    disagreeing = sum(row.agrees is False for _, rows in found for row in rows)
    total = sum(len(rows) for _, rows in found)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = f"{time.monotonic() - begin:.0f} s, {spent.ru_utime + spent.ru_stime:.0f} s of processor time"
    print(f"{total} rows, {disagreeing} disagree, {words}: {args.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
