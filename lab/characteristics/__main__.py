"""Measure every table and write docs/statistics-results.md: expected beside obtained.

`python -m dualgate.lab.characteristics --out docs/statistics-results.md`; `--share 0.1` takes a tenth of the runs.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dualgate.lab.characteristics.charts import table_6
from dualgate.lab.characteristics.families import table_5
from dualgate.lab.characteristics.invalid import drifting, peeked_mcnemar, plug_in_baseline
from dualgate.lab.characteristics.rows import LEVEL, Row, fraction_row
from dualgate.lab.characteristics.sampling_models import table_8
from dualgate.lab.characteristics.single_tests import table_2_2, table_2_3
from dualgate.lab.characteristics.whole_gate import table_1_3
from dualgate.lab.characteristics.words import FOOTER, HEADER

Table = tuple[str, Callable[[int], Iterable[Row]], int]


def invalid_table(runs: int) -> Iterator[Row]:
    """Yield the type I errors of procedures that are not valid."""
    yield fraction_row("2.4", "McNemar looked at every pair", "type I error", 0.333, peeked_mcnemar(runs, 1), 2000)
    for n, stated in ((300, 0.193), (1000, 0.095), (5000, 0.057)):
        yield fraction_row(
            "3", f"semantic null plugged in from {n} pairs", "type I error", stated, plug_in_baseline(n, runs, 2), 2000
        )
    fixed, learned = drifting(runs, 3)
    yield fraction_row("1, theorem 3", "mean -6 then +6 points", "rejects, nine fixed bets", 0.0035, fixed, 2000)
    yield fraction_row(
        "1, theorem 3", "mean -6 then +6 points", "rejects, bet learned from 200 pairs (page: .375)", None, learned
    )


TABLES: tuple[Table, ...] = (
    ("The gate as a whole (1.3)", lambda n: table_1_3(n, 11), 400),
    ("One test, planned right (2.2)", lambda n: table_2_2(n, 12, quick=False), 10_000),
    ("One test, planned wrong (2.3)", lambda n: table_2_3(n, 13), 4000),
    ("Procedures that are not valid (2.4, 3, theorem 3)", invalid_table, 2000),
    ("Families of dimensions (5)", lambda n: table_5(n, 14), 2000),
    ("CUSUM thresholds (6, exact)", lambda _: table_6(), 1),
    ("Sessions and sampling (8)", lambda n: table_8(n, 15), 2000),
)


def markdown(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of one table."""
    yield "| case | quantity | expected | obtained | interval | runs | agrees |"
    yield "|---|---|---|---|---|---|---|"
    words = {True: "yes", False: "**no**", None: ""}
    for r in rows:
        expected = "" if r.expected is None else f"{r.expected:g}"
        span = f"{_number(r.low)} to {_number(r.high)}"
        cells = (r.row, r.quantity, expected, _number(r.obtained), span, str(r.runs or "exact"), words[r.agrees])
        yield f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:.4f}" if value < 2 else f"{value:.1f}"


def main() -> None:
    """Measure all tables, with progress on stderr, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m dualgate.lab.characteristics", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/statistics-results.md"))
    parser.add_argument("--share", type=float, default=1.0, help="share of the full number of runs")
    args = parser.parse_args()
    lines = [HEADER.format(level=LEVEL)]
    for title, table, runs in TABLES:
        begin = time.monotonic()
        rows = list(table(max(50, round(runs * args.share))))
        print(f"{title}: {len(rows)} rows in {time.monotonic() - begin:.0f} s", file=sys.stderr)
        lines += [f"\n## {title}\n", *markdown(rows)]
    lines.append(FOOTER)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
