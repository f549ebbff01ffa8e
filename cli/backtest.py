"""`dualgate backtest`: a migration decided offline, on an archived log."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.output import Json, emit, err, progress, say, table

if TYPE_CHECKING:
    from dualgate.lab.backtest.asking import Heard
    from dualgate.sinks.report import Story


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("backtest")(run)


def run(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="Archived log (.jsonl, .gz, .zst) or archive's folder.")],
    config: Annotated[Path, typer.Option("--config", help="The migration file.")],
    labels: Annotated[
        Path | None, typer.Option("--labels", help="People's verdicts on rated pairs, as `dualgate label --file` takes them.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write a report there: one HTML file that opens offline.")] = None,
    json: Json = False,
) -> None:
    """Run pairing, scoring and the gate on an archived log, with no broker, in the order in which things happened.

    Exit code 0: completed or promoted (accepted, but the log ended before the rollout did); 3: rejected, rolled back or
    aborted; 4: inconclusive or undecided; 2: bad input; 1: nothing that the file's rater says can be used.

    Example: `dualgate backtest sample/log.jsonl.zst --config sample/migration.yaml --out report.html`
    """
    from dualgate.lab.backtest import backtest
    from dualgate.producers.labels import read_labels
    from dualgate.schemas.migration import load_migration
    from dualgate.sinks.report import write_report
    from dualgate.sinks.report.summary import EXIT_CODES

    migration = load_migration(config)
    said = read_labels(labels, migration.spec.migration, "backtest").labels if labels is not None else ()
    with progress() as bar:
        task = bar.add_task(f"backtesting {log.name}", total=None)
        rater = Told(lambda words: bar.update(task, description=f"backtesting {log.name}; {words}"))
        done = backtest(
            migration,
            log,
            lambda n_done, n_pairs: bar.update(task, completed=n_done, total=n_pairs),
            labels=said,
            hear=rater.hear,
        )
    for remark in done.story.notes:
        say(f"note: {remark}")
    if out is not None:
        write_report(done.reported(), out)
        say(f"report: {out}")
    document = done.document()
    emit(document, json, lambda console: show(console, done.story, document))
    raise typer.Exit(EXIT_CODES[document["verdict"]])


class Told:
    """Shows how far a rater is: in the progress bar of a terminal, else in a line now and then; its first fault at once."""

    def __init__(self, shown: Callable[[str], None], every_s: float = 10.0) -> None:
        self._shown, self._every_s, self._terminal = shown, every_s, err().is_terminal
        self._told: Heard | None = None
        self._told_s = 0.0

    def hear(self, heard: "Heard") -> None:
        """Take in what the rater has said by now."""
        self._shown(f"rater {heard.rated:,} of {heard.asked:,}, {heard.unusable:,} unusable")
        first_fault = heard.unusable > 0 and not (self._told and self._told.unusable)
        due = not self._terminal and (self._told is None or time.monotonic() - self._told_s >= self._every_s)
        if first_fault or due:
            say(heard.words())
            self._told, self._told_s = heard, time.monotonic()


def show(console: Console, story: "Story", document: dict[str, Any]) -> None:
    """Print a summary for people: the verdict with its numbers, each dimension, and every decision with its reason."""
    from dualgate.lab.backtest.gaps import lines
    from dualgate.sinks.report.words import move_words

    console.print(document["verdict"].replace("_", " ").upper(), style="bold", markup=False)
    console.print(document["sentence"], markup=False)
    console.print()
    columns = ("dimension", "status", "estimate (interval)", "log e / boundary", "units", "at unit")
    console.print(table(columns, [_row(story, name, each) for name, each in document["dimensions"].items()]))
    console.print()
    for reason in document["reasons"]:
        move = move_words(reason["from_phase"], reason["to_phase"], reason["rule"])
        console.print(f"{reason['n_pairs']:>6,}  {move}: {reason['reason']}", markup=False)
    for line in lines(document["missing_reasons"]):
        console.print(f"not scored: {line}", markup=False)
    lost = {name: n for name, n in document["counts"].items() if name != "pairs" and n}
    if lost:
        console.print("did not count: " + ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in lost.items()), markup=False)


def _row(story: "Story", name: str, each: dict[str, Any]) -> list[object]:
    from dualgate.sinks.report.words import measure_of, told

    measure, evidence = measure_of(story.config.spec, name), story.evidence.get(name)
    if measure is None or evidence is None:
        return [name, each["status"], *[None] * 4]
    against = f"{evidence.log_e:.2f} / {evidence.threshold:.2f}"
    return [name, evidence.status, told(measure, evidence), against, f"{evidence.n:,}", evidence.pairs_to_decision]
