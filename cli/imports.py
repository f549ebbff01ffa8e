"""`dualgate import`: turn a file of published predictions into an archived log."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.output import Json, emit


def register(root: typer.Typer) -> None:
    """Add the verb to the root."""
    root.command("import")(run)


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines: db_id, question, gold_sql, pred: {system: SQL}.")],
    databases: Annotated[Path, typer.Option("--databases", help="Folder with a DB_ID.sqlite for each db_id.")],
    incumbent: Annotated[str, typer.Option("--incumbent", help="The system of the file that stands for today's agent.")],
    challenger: Annotated[str, typer.Option("--challenger", help="The system of the file that is to replace it.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; it is made where it is missing.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the shuffle and of what is composed.")] = 1,
    arrivals: Annotated[
        Path | None, typer.Option("--arrivals", help="CSV with category, window_start_s, requests_per_s; else office hours.")
    ] = None,
    category: Annotated[str | None, typer.Option("--category", help="Of the arrivals file; else its first.")] = None,
    all_dimensions: Annotated[
        bool, typer.Option("--all-dimensions", help="All four dimensions in the migration file, not correctness alone.")
    ] = False,
    json: Json = False,
) -> None:
    """Turn published predictions of two systems into an archived log with golden answers, databases and a migration file.

    Questions are shuffled by the seed, since files group them by database; those that cannot be executed are left out and
    counted. Arrival times and latencies are composed: the publication has none.

    Example: `dualgate import dev.jsonl --databases databases --incumbent gpt4 --challenger dinsql --out imported`
    """
    from dualgate.producers.compose import office_hours, read_rates
    from dualgate.producers.imports import MEDIAN_MS, SIGMA, import_predictions
    from dualgate.schemas.errors import ConfigError

    if category is not None and arrivals is None:
        raise ConfigError(f"category={category!r} is of an arrivals file, and --arrivals is not given")
    profile = office_hours(14, weekend=0.45) if arrivals is None else read_rates(arrivals, category)
    made = import_predictions(
        file, databases, incumbent, challenger, out, seed=seed, profile=profile, all_dimensions=all_dimensions
    )
    law = f"lognormal with median {MEDIAN_MS:g} ms and sigma {SIGMA:g}, the same for both systems"
    document: dict[str, Any] = {
        "out": str(out),
        "seed": seed,
        **asdict(made),
        "composed": {"arrival": profile.source, "latency": law},
    }
    emit(document, json, lambda console: _show(console, document))


def _show(console: Console, made: dict[str, Any]) -> None:
    out, composed = made["out"], made["composed"]
    console.print(
        f"{out}: migration {made['migration']}, {made['n_queries']} questions on {len(made['databases'])} databases, "
        f"{made['n_records']} records",
        markup=False,
    )
    for reason, count in made["left_out"].items():
        console.print(f"left out: {count} {reason}", markup=False)
    console.print(
        f"composed, not recorded: arrival times ({composed['arrival']}); latencies ({composed['latency']})", markup=False
    )
    console.print(f"next: dualgate backtest {out}/log.jsonl.zst --config {out}/migration.yaml", markup=False)
