"""What a report is made of: sections of words, tables and curves, and how a measure is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words under named columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines by name, each of x and y values."""

    title: str
    x: str
    y: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report under a heading; words come first, then points, each a paragraph of its own."""

    title: str
    words: Sequence[str] = ()
    tables: Sequence[Table] = ()
    curves: Sequence[Curves] = ()
    points: Sequence[str] = ()


def section_of(plain: Mapping[str, Any]) -> Section:
    """Return a section from its plain values (`dataclasses.asdict`)."""
    tables = [Table(**table) for table in plain["tables"]]
    return Section(plain["title"], plain["words"], tables, [Curves(**each) for each in plain["curves"]], plain.get("points", ()))


def percent(measure: Mapping[str, Any] | None) -> str:
    """Write a share with its interval; a dash where there is none."""
    if measure is None or measure["estimate"] is None:
        return "-"
    return f"{measure['estimate']:.1%} ({measure['low']:.1%} to {measure['high']:.1%})"


def number(measure: Mapping[str, Any] | None, digits: int = 0) -> str:
    """Write a mean with its interval, the mean alone where it is of one stream; a dash where there is none."""
    if measure is None or measure["estimate"] is None:
        return "-"
    if measure["n"] == 1:
        return f"{measure['estimate']:,.{digits}f} (one stream)"
    half = (measure["high"] - measure["low"]) / 2
    return f"{measure['estimate']:,.{digits}f} ± {half:,.{digits}f}"


def short(value: float) -> str:
    """Write a number with three digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def markdown(sections: Sequence[Section], heading: str) -> str:
    """Return a page; curves are left to the HTML."""
    lines = [heading]
    for section in sections:
        lines += [f"\n## {section.title}\n", *(f"{words}\n" for words in section.words)]
        lines += [f"* {point}" for point in section.points]
        for table in section.tables:
            lines += _markdown_table(table)
    return "\n".join(lines).rstrip() + "\n"


def _markdown_table(table: Table) -> list[str]:
    title = [f"**{table.title}**\n"] if table.title else []
    head = [f"| {' | '.join(table.columns)} |", f"|{'---|' * len(table.columns)}"]
    rows = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in table.rows]
    return [*title, *head, *rows, ""]
