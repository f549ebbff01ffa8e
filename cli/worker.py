"""`dualgate worker`: one process of the pipeline each. Several of a kind share the partitions."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.output import Json, emit, say
from dualgate.processors.runtime.loop import stop_on_signals
from dualgate.schemas.settings import Settings

app = typer.Typer(help="Run one process of the pipeline.\n\nExample: `dualgate worker pairing`", no_args_is_help=True)

Slot = Annotated[
    str | None,
    typer.Option("--slot", help="A name that this process keeps over restarts, of no other live process; else DUALGATE_SLOT."),
]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", help="[HOST:]PORT to serve /metrics on, port 0 takes a free one; else DUALGATE_METRICS."),
]


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="worker")


@app.command()
def pairing(
    bootstrap_servers: Servers = None, prefix: Prefix = None, slot: Slot = None, metrics: Metrics = None, json: Json = False
) -> None:
    """Join queries with the answers of both agents until stopped (Ctrl-C or SIGTERM): exit code 0.

    Reports totals, waiting queries and lag as a JSON line on stderr every few seconds while they change, and to Prometheus where
    --metrics says so: docs/metrics.md.

    Example: `dualgate worker pairing --slot 0 --metrics 9465`
    """
    from dualgate.processors.pairing.metrics import Reporter
    from dualgate.processors.pairing.worker import run
    from dualgate.sinks.metrics.pairing import families

    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix, slot=slot, metrics=metrics)
    reporter = Reporter()
    with _served("pairing", settings, lambda: families(reporter)), stop_on_signals() as stop:
        run(settings, stop, reporter=reporter)
    _ended("pairing", json)


@app.command()
def scoring(
    bootstrap_servers: Servers = None, prefix: Prefix = None, slot: Slot = None, metrics: Metrics = None, json: Json = False
) -> None:
    """Score pairs in all dimensions until stopped (Ctrl-C or SIGTERM): exit code 0.

    Example: `dualgate worker scoring --metrics 9466`
    """
    from dualgate.processors.scoring.metrics import Reporter
    from dualgate.processors.scoring.worker import run
    from dualgate.sinks.metrics.scoring import families

    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix, slot=slot, metrics=metrics)
    reporter = Reporter()
    with _served("scoring", settings, lambda: families(reporter)), stop_on_signals() as stop:
        run(settings, stop, reporter=reporter)
    _ended("scoring", json)


@app.command()
def gate(bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False) -> None:
    """Decide from the evidence until stopped (Ctrl-C or SIGTERM): exit code 0.

    There is one gate for all topics of a prefix. Exit code 4 says that a newer gate has taken over: do not restart it.

    Example: `dualgate worker gate`
    """
    from dualgate.gate.worker import run

    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    _begins("gate", settings)
    run(settings)
    _ended("gate", json)


@contextmanager
def _served(name: str, settings: Settings, families: Callable[[], Iterable[Any]]) -> Iterator[None]:
    """Say where a worker works, and serve its metrics while the block runs where the settings name an address."""
    _begins(name, settings)
    if settings.metrics is None:
        yield
        return
    from dualgate.sinks.metrics import Endpoint

    host, _, port = settings.metrics.rpartition(":")
    with Endpoint(families, host or "127.0.0.1", int(port)) as endpoint:
        say(f"metrics of {name} on {endpoint.address}")
        yield


def _begins(name: str, settings: Settings) -> None:
    """Say it before the first look at the broker, which takes half a minute where none answers."""
    say(f"{name} on {settings.bootstrap_servers}, topics {settings.topic_prefix or '(no prefix)'}")


def _ended(name: str, json: bool) -> None:
    emit({"worker": name, "stopped": True}, json, lambda console: console.print(f"{name} has stopped"))
