"""`dualgate topics`: create the catalogue's topics, compare a broker's with it."""

from typing import Annotated

import typer
from rich.console import Console

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.output import Json, emit, say, table
from dualgate.cli.topic_admin import TopicReport, create_topics, describe_topics
from dualgate.schemas.settings import Settings

app = typer.Typer(help="Create or describe the topics.\n\nExample: `dualgate topics create`", no_args_is_help=True)

Partitions = Annotated[
    int | None,
    typer.Option("--partitions", min=1, max=1_024, help="Of the traffic topics, fixed at creation; else DUALGATE_PARTITIONS."),
]


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="topics")


def _settings(servers: str | None, prefix: str | None, partitions: int | None = None) -> Settings:
    return cluster_settings(bootstrap_servers=servers, topic_prefix=prefix, partitions=partitions)


@app.command()
def create(bootstrap_servers: Servers = None, prefix: Prefix = None, partitions: Partitions = None, json: Json = False) -> None:
    """Create the topics that are missing and set the configuration of those that are there; safe to repeat.

    Another partition count than the topic has is refused: adding partitions would break the join.

    Example: `dualgate topics create --partitions 4`
    """
    settings = _settings(bootstrap_servers, prefix, partitions)
    reports = create_topics(settings.bootstrap_servers, settings.topic_prefix, settings.partitions)
    changed = [report for report in reports if report.action != "unchanged"]
    say(f"{len(changed)} of {len(reports)} topics on {settings.bootstrap_servers} created or changed")
    _show(reports, json)


@app.command()
def describe(bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False) -> None:
    """Compare the topics on the broker with the catalogue; exit code 2 where they differ.

    Example: `dualgate topics describe --json`
    """
    settings = _settings(bootstrap_servers, prefix)
    reports = describe_topics(settings.bootstrap_servers, settings.topic_prefix)
    _show(reports, json)
    if any(report.differences for report in reports):
        raise typer.Exit(2)


def _show(reports: list[TopicReport], json: bool) -> None:
    def human(console: Console) -> None:
        rows = [(r.name, r.partitions, r.action, "; ".join(r.differences) or None) for r in reports]
        console.print(table(("topic", "partitions", "is", "differs"), rows))

    emit({"topics": reports}, json, human)
