"""What a verb says: one JSON document on stdout with --json, else tables and words; progress and logs on stderr."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, progress and logs on stderr.")]
"""The `--json` option of every verb: `json: Json = False`."""


def out() -> Console:
    """Return the console of results, on the stdout of this moment."""
    return Console(file=sys.stdout, soft_wrap=True, highlight=False)


def err() -> Console:
    """Return the console of progress and remarks, on stderr."""
    return Console(file=sys.stderr, soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """Write one line of progress on stderr, its brackets taken as they are."""
    err().print(text, markup=False)


def json_text(document: object) -> str:
    """Return indented JSON; a number that JSON does not have (NaN, infinity) becomes null, numpy values are plain."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(document, default=_plain, option=options).decode()


def _plain(value: Any) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def emit(document: object, json: bool, human: Callable[[Console], None]) -> None:
    """Print the document as JSON, or let `human` print it for people."""
    if json:
        print(json_text(document))
    else:
        human(out())


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> Table:
    """Return a plain table; cells are turned into words, None into a dash."""
    made = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*("-" if cell is None else str(cell) for cell in row))
    return made


def progress(*, remaining: bool = False) -> Progress:
    """Return a progress bar on stderr with a count, the time passed and, where asked for, an estimate of the time left."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    left = [TextColumn("left"), TimeRemainingColumn()] if remaining else []
    return Progress(*columns, *left, console=err(), transient=True)
