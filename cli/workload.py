"""`dualgate workload`: generate an archived log with its databases, golden answers, grants and migration file."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dualgate.cli.output import Json, emit, progress


def register(root: typer.Typer) -> None:
    """Add the verb to the root."""
    root.command("workload")(run)


def run(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; it is made where it is missing.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same files.")] = 1,
    queries: Annotated[
        int, typer.Option("--queries", min=1, max=10_000_000, help="Number of queries; each is answered by both agents.")
    ] = 12_000,
    json: Json = False,
) -> None:
    """Generate an advertising-analytics workload: real questions, real SQL by two agents, executed on a real database.

    Writes log.jsonl.zst, golden.jsonl, migration.yaml, grants.yaml and databases/ to the folder. Its base rates are stated in
    docs/workload.md; latencies come from a stated model.

    Example: `dualgate workload --out sample --seed 1`
    """
    from dualgate.producers.workload.files import Summary, write_workload

    with progress() as bar:
        task = bar.add_task("asking both agents", total=queries)
        summary = write_workload(out, seed, queries, lambda n: bar.update(task, completed=n))

    def show(console: Console, summary: Summary = summary) -> None:
        console.print(
            f"{out}: {summary.n_queries} queries of {summary.n_sessions} sessions ({summary.n_questions} different questions), "
            f"{summary.n_records} records",
            markup=False,
        )
        console.print(f"next: dualgate backtest {out}/log.jsonl.zst --config {out}/migration.yaml", markup=False)

    emit({"out": str(out), "seed": seed, **asdict(summary)}, json, show)
