"""`dualgate evaluate`: this gate and its rivals on the same streams, with events injected into real answers."""

import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.output import Json, emit, json_text, progress, say, table


def register(root: typer.Typer) -> None:
    """Add the verb to the root."""
    root.command("evaluate")(run)


def run(
    log: Annotated[Path | None, typer.Argument(metavar="[LOG]", help="Archived log; the sample workload unless given.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The log's migration file.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the reports and of what is finished: run again to go on.")] = Path(
        "out/evaluation"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Few events and repetitions: the form that CI runs.")] = False,
    repetitions: Annotated[int, typer.Option("--repetitions", min=1, help="Streams an event in the full form.")] = 200,
    event: Annotated[list[str] | None, typer.Option("--event", help="Only this event; may be given more than once.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample and of every stream.")] = 1,
    page: Annotated[Path | None, typer.Option("--page", help="Write the tables into this page too, between its marks.")] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Processes; every core unless given.")] = None,
    json: Json = False,
) -> None:
    """Inject events into a log's real answers and let every strategy meet the same streams.

    Every changed answer is executed and scored once and kept in --out; repetitions run only the decisions. An interrupted
    run goes on where it was with the same command.

    Example: `dualgate evaluate --quick --out out/evaluation`
    """
    from dataclasses import replace

    from dualgate.lab.evaluate import evaluation, report, runs

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # workers must not outlive a command that is told to end

    plan = evaluation.quick(seed, processes) if quick else evaluation.full(repetitions, seed, processes)
    if event:
        plan = replace(plan, events=evaluation.chosen(event))
    try:
        with progress(remaining=True) as bar:
            tasks: dict[str, Any] = {}

            def tell(what: str, done: int, of: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=of)
                bar.update(tasks[what], completed=done)

            document, sections = evaluation.evaluate(plan, out, log, config, tell)
    except KeyboardInterrupt:
        say(f"interrupted; what is finished is kept in {out}: the same command goes on from there")
        n = runs.complete(out / "pieces", plan.events, plan.twice)
        if n:
            say(f"every event has {n} streams by now: --repetitions {n} reports those")
        raise typer.Exit(1) from None
    (out / "evaluation.json").write_text(json_text(document), encoding="utf-8")
    command = _command(quick, repetitions, event, seed, log, config)
    written = report.write(out, sections, document, command)
    if page is not None:
        report.rewrite(page, sections, command)
    say(f"reports: {', '.join(str(file) for file in written)}")
    emit(document, json, lambda console: show(console, document))


def _command(
    quick: bool, repetitions: int, event: list[str] | None, seed: int, log: Path | None, config: Path | None
) -> str:  # fmt: skip
    """Return the command line that repeats an evaluation."""
    words = ["dualgate evaluate", *([log.name, f"--config {config.name}"] if log and config else [])]
    words += ["--quick"] if quick else [f"--repetitions {repetitions}"]
    return " ".join([*words, *(f"--event {name}" for name in event or ()), f"--seed {seed}"])


def show(console: Console, document: dict[str, Any]) -> None:
    """Print what each strategy made of each event."""
    measures = ("promoted", "stopped", "detected_before_impact", "bad_answers_seen", "false_rollback", "false_promotion")
    for event, words in document["events"].items():
        rows = [
            (name, *(_number(found["events"][event].get(measure)) for measure in measures))
            for name, found in document["strategies"].items()
            if event in found["events"]
        ]
        console.print(table(("strategy", *(m.replace("_", " ") for m in measures)), rows, title=f"{event}: {words}"))
        console.print()


def _number(measure: dict[str, Any] | None) -> str | None:
    return None if measure is None or measure["estimate"] is None else f"{measure['estimate']:.3g}"
