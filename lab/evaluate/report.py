"""An evaluation's three reports: Markdown, JSON, and one HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dualgate.lab.evaluate import sections
from dualgate.lab.evaluate.findings import findings
from dualgate.lab.evaluate.goals import goals, least_pairs
from dualgate.lab.evaluate.page import render
from dualgate.lab.evaluate.rivals import rivals_better
from dualgate.lab.evaluate.tables import Section, markdown
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec

TITLE = "Evaluation: this gate and its rivals on injected events"
MARKDOWN, PAGE = "evaluation.md", "evaluation.html"
_HEADING = f"""\
# {TITLE}

Written by `{{command}}`, which repeats every figure here (the same seed gives the same streams). What is not a
strategy's doing says so. Intervals are 95 %.
"""


def report(document: Mapping[str, Any], spec: MigrationSpec, more: Sequence[Section]) -> list[Section]:
    """Return the sections of a report; `more` are those that do not come from the streams."""
    told = document["strategies"]
    return [
        *findings(told, spec),
        sections.study(told),
        goals(told, spec),
        rivals_better(told),
        sections.window(told, spec, document),
        sections.pairs_by_dimension(told, spec),
        least_pairs(told),
        sections.by_event(told, spec),
        sections.later(told),
        *more,
        sections.about(document),
    ]


def write(folder: Path, parts: Sequence[Section], document: Mapping[str, Any], command: str) -> tuple[Path, Path]:
    """Write Markdown and HTML; ConfigError where the folder cannot be written."""
    page = render(TITLE, parts, document["strategies"])
    files = {MARKDOWN: markdown(parts, _HEADING.format(command=command)), PAGE: page}
    try:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"report {folder}: {error.strerror or error}") from None
    return folder / MARKDOWN, folder / PAGE


BEGIN, END = "<!-- made by dualgate evaluate -->", "<!-- end -->"


def rewrite(page: Path, parts: Sequence[Section], command: str) -> None:
    """Replace what stands between the marks of a page by these tables; ConfigError where it has none."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"page {page}: {error.strerror or error}") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"page {page} has no {BEGIN} … {END} to write between")
    made = markdown(parts, f"Made by\n\n```console\n$ {command}\n```")
    page.write_text(f"{before}{BEGIN}\n\n{made}\n{END}{after}", encoding="utf-8")
