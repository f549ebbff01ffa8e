"""`dualgate replay`: publish an archived log."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.output import Json, emit, progress, say


def register(root: typer.Typer) -> None:
    """Add the verb to the root."""
    root.command("replay")(run)


def run(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="Archived log: .jsonl, .jsonl.gz or .jsonl.zst.")],
    speed: Annotated[str, typer.Option("--speed", help="max, real, or how many times as fast as it was.")] = "max",
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Publish the queries and answers of an archived log, under their own keys and times.

    Exit code 2 names file and line of what cannot be published, 1 a broker that does not take it.

    Example: `dualgate replay sample/log.jsonl.zst --speed max`
    """
    from dualgate.producers.replay import replay, speed_of

    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    pace, began = speed_of(speed), time.monotonic()
    with progress() as bar:
        task = bar.add_task(f"replaying {log.name}", total=None)
        published = replay(log, settings, pace, lambda n: bar.update(task, completed=n))
    seconds = time.monotonic() - began
    if published.composed:
        say(f"note: {published.composed} of this log are composed, not recorded")
    document: dict[str, Any] = {
        "log": str(log),
        "records": published.n_records,
        "topics": dict(published.topics),
        "first_timestamp_ms": published.first_timestamp_ms,
        "last_timestamp_ms": published.last_timestamp_ms,
        "composed": published.composed,
        "seconds": round(seconds, 3),
        "records_per_second": round(published.n_records / seconds, 1),
    }
    emit(document, json, lambda console: _show(console, document))


def _show(console: Console, document: dict[str, Any]) -> None:
    console.print(
        f"{document['log']}: {document['records']} records in {document['seconds']:.1f} s "
        f"({document['records_per_second']:.0f}/s)",
        markup=False,
    )
    for topic, count in document["topics"].items():
        console.print(f"  {topic}: {count}", markup=False)
