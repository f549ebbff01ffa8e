"""`dualgate status`: where a migration stands and what it waits for."""

from typing import Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.operate.options import checked_id
from dualgate.cli.output import Json, emit, err, out
from dualgate.schemas.errors import ConfigError


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("status")(run)


def run(
    migration_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The migration; without one, all of them.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it is over, or Ctrl-C.")] = False,
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Tell phase, share, what is waited for, the evidence of each dimension, and the last decision.

    Exit code with an ID: 0 completed, or promoted (live phases); 3 rejected, rolled back or aborted; 4 inconclusive or not
    yet decided. With --json and --watch, changes are told on stderr and the document is printed at the end.

    Example: `dualgate status sql-agent-v7 --watch`
    """
    from dualgate.cli.operate.watching import Follower, now_ms
    from dualgate.cli.operate.watching import watch as follow
    from dualgate.sinks.report.summary import EXIT_CODES

    if migration_id is not None:
        checked_id(migration_id)
    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    with Follower(settings) as follower:
        follower.catch_up()
        chosen = migration_id or (_only(list(follower.views)) if watch else None)
        if chosen is None:
            _show_all([view.document(now_ms()) for _, view in sorted(follower.views.items())], json)
            return
        view = follower.one(chosen)
        if watch:
            follow(follower, view, err() if json else out())
        document = view.document(now_ms())
    _show(document, json, shown=watch and out().is_terminal)
    raise typer.Exit(EXIT_CODES[document["verdict"]])


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise ConfigError(f"--watch follows one migration; name one of: {', '.join(sorted(names)) or '(there is none)'}")
    return names[0]


def _show(document: dict[str, Any], json: bool, shown: bool) -> None:
    from dualgate.cli.operate import words

    def human(console: Console) -> None:
        if not shown:
            console.print(words.status(document))

    emit(document, json, human)


def _show_all(documents: list[dict[str, Any]], json: bool) -> None:
    from dualgate.cli.operate import words

    def human(console: Console) -> None:
        console.print(words.overview(documents) if documents else "no migration: `dualgate start FILE` begins one")

    emit({"migrations": documents}, json, human)
