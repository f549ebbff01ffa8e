"""`dualgate router`: one router as a process, to watch what routers are told."""

import signal
import threading
from typing import Annotated

import typer
from rich.console import Console

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.output import Json, emit, say
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.topics import MIGRATION_ID
from dualgate.sinks.router import Router, RouterState

KNOWN_AFTER_S = 5.0
"""A command that stands on the topic has come by then where the broker answers."""


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("router")(run)


def run(
    migration_id: Annotated[str, typer.Argument(metavar="ID", help="The migration whose commands are followed.")],
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    router_id: Annotated[
        str | None, typer.Option("--router-id", help="Its name in acknowledgements; else host and chance.")
    ] = None,
    json: Json = False,
) -> None:
    """Follow a migration's routing commands and tell each change until stopped (Ctrl-C or SIGTERM).

    Routers usually live inside the agent service (`dualgate.sinks.router.Router`); this one shows what they are told.

    Example: `dualgate router sql-agent-v7`
    """
    if not MIGRATION_ID.fullmatch(migration_id):
        raise ConfigError(f"migration id {migration_id!r} must match {MIGRATION_ID.pattern}")
    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    changes: list[RouterState] = []

    def tell(state: RouterState) -> None:
        changes.append(state)
        say(words(state))

    with Router(migration_id, settings=settings, router_id=router_id, on_change=tell) as router:
        say(f"router {router.router_id} follows {migration_id} on {settings.bootstrap_servers}")
        _until_stopped(router)
    _show(router, changes, json)


def words(state: RouterState) -> str:
    """Return one line for a change."""
    where = f"epoch {state.epoch} sequence {state.sequence}"
    if not state.valid:
        return f"{state.migration_id}: incumbent for everyone ({where}; {state.reason})"
    return f"{state.migration_id}: {state.phase}, challenger serves {state.share:.0%} ({where}; {state.reason})"


def _show(router: Router, changes: list[RouterState], json: bool) -> None:
    def human(console: Console) -> None:
        console.print(f"router {router.router_id} stopped after {len(changes)} changes", markup=False)

    emit({"router_id": router.router_id, "changes": changes}, json, human)


def unknown(state: RouterState) -> str:
    """Return a line for a migration of which no command has come, nothing for any other."""
    if state.epoch is not None:
        return ""
    return f"no command of {state.migration_id} is known yet: incumbent for everyone until a gate gives one ('dualgate status')"


def _until_stopped(router: Router) -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    if not stopped.wait(KNOWN_AFTER_S) and (line := unknown(router.state)):
        say(line)
    stopped.wait()
