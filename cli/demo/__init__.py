"""`dualgate demo`: the whole way of a query on this machine, from an archived log to a verdict with a report."""

from pathlib import Path
from typing import Annotated

import typer

from dualgate.cli.output import Json


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("demo")(run)


def run(
    out: Annotated[Path, typer.Option("--out", help="Where the workload, the report and the archive are written.")] = Path("out"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the generated workload.")] = 7,
    json: Json = False,
) -> None:
    """Run a generated log of 12,000 paired queries through a real Apache Kafka, pairing, scoring and the gate to a verdict.

    Nothing is needed beforehand: Kafka runs on a free local port, every part as a process of its own, and all of them end
    with this command. It leaves OUT/report.html, OUT/summary.json and OUT/archive (for `dualgate verify`).

    Example: `dualgate demo --out out`
    """
    from dualgate.cli.demo.walk import walk

    raise typer.Exit(walk(out, seed, json))
