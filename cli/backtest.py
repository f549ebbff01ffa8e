"""`dualgate backtest`: a migration decided offline, on an archived log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.output import Json, emit, progress, say, table

if TYPE_CHECKING:
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
    aborted; 4: inconclusive or undecided; 2: bad input.

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
        done = backtest(migration, log, lambda n_done, n_pairs: bar.update(task, completed=n_done, total=n_pairs), labels=said)
    for remark in done.story.notes:
        say(f"note: {remark}")
    if out is not None:
        write_report(done.reported(), out)
        say(f"report: {out}")
    document = done.document()
    emit(document, json, lambda console: show(console, done.story, document))
    raise typer.Exit(EXIT_CODES[document["verdict"]])


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
