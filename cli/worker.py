"""`dualgate worker`: one process of the pipeline each. Several of a kind share the partitions."""

from collections.abc import Callable
from typing import Annotated

import typer

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.output import Json, emit, say
from dualgate.processors.runtime.loop import Stop, stop_on_signals
from dualgate.schemas.settings import Settings

app = typer.Typer(help="Run one process of the pipeline.\n\nExample: `dualgate worker pairing`", no_args_is_help=True)

Slot = Annotated[
    str | None,
    typer.Option("--slot", help="A name that this process keeps over restarts, of no other live process; else DUALGATE_SLOT."),
]


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="worker")


@app.command()
def pairing(bootstrap_servers: Servers = None, prefix: Prefix = None, slot: Slot = None, json: Json = False) -> None:
    """Join queries with the answers of both agents until stopped (Ctrl-C or SIGTERM): exit code 0.

    Reports totals, waiting queries and lag as a JSON line on stderr every few seconds while they change.

    Example: `dualgate worker pairing --slot 0`
    """
    from dualgate.processors.pairing.worker import run

    _run("pairing", run, cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix, slot=slot), json)


@app.command()
def scoring(bootstrap_servers: Servers = None, prefix: Prefix = None, slot: Slot = None, json: Json = False) -> None:
    """Score pairs in all dimensions until stopped (Ctrl-C or SIGTERM): exit code 0.

    Example: `dualgate worker scoring`
    """
    from dualgate.processors.scoring.worker import run

    _run("scoring", run, cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix, slot=slot), json)


@app.command()
def gate(bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False) -> None:
    """Decide from the evidence until stopped (Ctrl-C or SIGTERM): exit code 0.

    There is one gate for all topics of a prefix. Exit code 4 says that a newer gate has taken over: do not restart it.

    Example: `dualgate worker gate`
    """
    from dualgate.gate.agent import run

    run(cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix))
    _ended("gate", json)


def _run(name: str, worker: Callable[[Settings, Stop], None], settings: Settings, json: bool) -> None:
    say(f"{name} on {settings.bootstrap_servers}, topics {settings.topic_prefix or '(no prefix)'}")
    with stop_on_signals() as stop:
        worker(settings, stop)
    _ended(name, json)


def _ended(name: str, json: bool) -> None:
    emit({"worker": name, "stopped": True}, json, lambda console: console.print(f"{name} has stopped"))
