"""`dualgate verify`: recompute every decision from the ledger."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.output import Json, emit, say
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.topics import MIGRATION_ID


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("verify")(run)


def run(
    what: Annotated[str, typer.Argument(metavar="ID|ARCHIVE", help="A migration on the broker, or an archive's folder.")],
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Fold the ledger again and compare every decision with the one recorded, field by field.

    Exit code 0: all equal; 1: one differs, or something is missing so that nothing can be promised; 2: bad input.

    Example: `dualgate verify out/archive`
    """
    document = _verified(what, bootstrap_servers, prefix)
    emit(document, json, lambda console: show(console, what, document))
    raise typer.Exit(0 if document["equal"] else 1)


def _verified(what: str, servers: str | None, prefix: str | None) -> dict[str, Any]:
    if Path(what).is_dir():
        from dualgate.lab.verify import verify_archive

        return verify_archive(Path(what))
    if not MIGRATION_ID.fullmatch(what):
        raise ConfigError(f"{what!r} is neither an archive's folder nor a migration id ({MIGRATION_ID.pattern})")
    from dualgate.cli.operate.verifying import verify_topics

    settings = cluster_settings(bootstrap_servers=servers, topic_prefix=prefix)
    say(f"no folder {what} here: reading ledger, evidence and decisions of migration {what} on {settings.bootstrap_servers}")
    return verify_topics(what, settings)


def show(console: Console, what: str, document: dict[str, Any]) -> None:
    """Print the comparison for people."""
    n, entries, found = document["decisions"], document["entries"], document["first_difference"]
    head = "EQUAL" if document["equal"] else "DIFFERENT" if found else "INCOMPLETE"
    console.print(head, style="bold", markup=False)
    console.print(f"{what}: {n:,} decisions compared with those recomputed from {entries:,} ledger entries", markup=False)
    for words in document["incomplete"]:
        console.print(f"incomplete: {words}", markup=False)
    if unread := document["unreadable"]:
        console.print(
            f"{len(unread):,} records among the decisions cannot be read, the first {unread[0]}; "
            "a decision that is missing for it is a difference",
            markup=False,
        )
    if found:
        console.print(f"first difference: {found['decision_id']} (number {found['index']}), {found['field']}", markup=False)
        console.print(f"  recorded    {found['recorded']}", markup=False)
        console.print(f"  recomputed  {found['recomputed']}", markup=False)
