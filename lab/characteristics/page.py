"""The text of docs/statistics-results.md from measured rows."""

from collections.abc import Iterable, Iterator, Sequence

from dualgate.lab.characteristics.measuring import Measured
from dualgate.lab.characteristics.rows import LEVEL, Row
from dualgate.lab.characteristics.words import DIFFERENCES, HEADER, LEFT_OUT


def page(found: Sequence[Measured], share: float) -> str:
    """Return the page: what disagrees first, then every table, what was left out, and why numbers differ."""
    rows = [row for _, each in found for row in each]
    judged = [row for row in rows if row.agrees is not None]
    apart = [row for row in judged if row.agrees is False]
    lines = [
        HEADER.format(level=LEVEL),
        f"\n{len(rows)} numbers, {len(judged)} of them judged: {len(judged) - len(apart)} agree, {len(apart)} do not.",
    ]
    if share != 1.0:
        lines.append(f"\n**Only {share:g} of the full number of runs were taken.**")
    if apart:
        lines += ["\n## What disagrees\n", *_table(apart, numbered=True), "", DIFFERENCES]
    for section, each in found:
        lines += [f"\n## {section.title} ({section.number})\n", *_table(each)]
    lines += ["\n## Rows of the design page that are not here, and why\n", LEFT_OUT]
    return "\n".join(lines) + "\n"


def _table(rows: Iterable[Row], numbered: bool = False) -> Iterator[str]:
    yield "| " + ("table | " if numbered else "") + "case | quantity | expected | obtained | interval | runs | agrees |"
    yield "|---" * (8 if numbered else 7) + "|"
    words = {True: "yes", False: "**no**", None: ""}
    for r in rows:
        bound = {"at most": "≤ ", "at least": "≥ "}.get(r.kind, "")
        expected = "" if r.expected is None else f"{bound}{_stated(r.expected)}"
        span = "" if r.runs == 0 and r.kind != "about" else f"{number(r.low)} to {number(r.high)}"
        cells = (r.row, r.quantity, expected, number(r.obtained), span, f"{r.runs:,}" if r.runs else "exact", words[r.agrees])
        yield "| " + (f"{r.table} | " if numbered else "") + f"{' | '.join(cells)} |"


def _stated(value: float) -> str:
    return f"{value:,g}" if abs(value) < 1e6 else f"{value:,.0f}"


def number(value: float) -> str:
    """Return a number to about four digits."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    if size >= 2:
        return f"{value:.2f}"
    return f"{value:.3g}" if 0 < size < 0.01 else f"{value:.4f}"
