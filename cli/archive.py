"""`dualgate archive`: the topics of a run as files."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.output import Json, emit, say, table
from dualgate.sinks.archive import ARCHIVED, Archiver


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("archive")(run)


def run(
    out: Annotated[Path, typer.Option("--out", help="The archive's folder; one that exists is continued.")],
    topic: Annotated[list[str] | None, typer.Option("--topic", help=f"Repeat for several; else {', '.join(ARCHIVED)}.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when the present ends of the topics are reached.")] = False,
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Archive queries, answers, ledger, decisions and evidence as Avro files until stopped; then read on to their ends and close.

    `dualgate verify FOLDER` recomputes every decision from it, `dualgate backtest FOLDER` decides anew from queries and answers.
    Files are closed every five minutes, all together, and listed with checksums in manifest.json: only what it lists is whole.

    Example: `dualgate archive --out archive --once`
    """
    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    archiver = Archiver(out, settings, topic or ARCHIVED)
    say(f"archiving {', '.join(topic or ARCHIVED)} of {settings.bootstrap_servers} into {out}")
    manifest = archiver.run(lambda: once or stopped.is_set())

    def human(console: Console) -> None:
        rows = [(each.file, each.records) for each in manifest.segments]
        console.print(table(("segment", "records"), rows))

    emit({"out": out, "records": archiver.n_records, "segments": manifest.segments}, json, human)
