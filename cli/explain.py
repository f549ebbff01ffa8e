"""`dualgate explain`: a decision in words, with its numbers."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.operate.options import Id, checked_id
from dualgate.cli.output import Json, emit


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("explain")(run)


def run(
    migration_id: Id,
    sequence: Annotated[
        int | None, typer.Option("--sequence", min=0, help="Of the routing command; else the last decision.")
    ] = None,
    epoch: Annotated[int | None, typer.Option("--epoch", min=0, help="Of the migration; else the last one.")] = None,
    history: Annotated[bool, typer.Option("--history", help="All decisions of all epochs: who did what when.")] = False,
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Explain a decision: its rule, both numbers of each condition, its place in the ledger, and what routers were told.

    With --history instead a line for each decision, with its operator.

    Example: `dualgate explain sql-agent-v7 --sequence 3`
    """
    from dualgate.cli.operate import proof, words
    from dualgate.cli.operate.watching import Follower
    from dualgate.schemas.plain import to_plain

    checked_id(migration_id)
    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    with Follower(settings) as follower:
        view = follower.catch_up().one(migration_id)
    if history:
        documents = [to_plain(each) for each in view.decisions]
        lines = "\n".join(proof.history(view.decisions))
        emit({"decisions": documents}, json, lambda console: console.print(lines, markup=False))
        return
    decision = proof.choose(view.decisions, migration_id, sequence, epoch)
    document = proof.document(decision)

    def human(console: Console) -> None:
        console.print(Text(proof.what(decision), style="bold"))
        for name, text in proof.lines(decision):
            console.print(f"{name:<14}{text}", markup=False)
        if document["dimensions"]:
            console.print()
            console.print(words.dimensions(document["dimensions"]))
            console.print()
        for line in document["proof"]:
            console.print(line, markup=False)

    emit(document, json, human)
