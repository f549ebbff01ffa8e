"""Which Kafka a verb works on: its options, and where they come from when they are not given."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dualgate.schemas.settings import Settings

Servers = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        help="The broker, host:port; else DUALGATE_BOOTSTRAP_SERVERS; else the one of 'dualgate broker start'.",
    ),
]
Prefix = Annotated[str | None, typer.Option("--prefix", help="Before each topic's name; else DUALGATE_TOPIC_PREFIX.")]


def cluster_settings(
    bootstrap_servers: str | None = None,
    topic_prefix: str | None = None,
    partitions: int | None = None,
    slot: str | None = None,
    metrics: str | None = None,
) -> "Settings":
    """Read the settings; where nobody names a broker, it is the running one of `dualgate broker start`, if there is one.

    Raises ConfigError as `load_settings` does.
    """
    from dualgate.schemas.settings import PREFIX, load_settings

    if bootstrap_servers is None and f"{PREFIX}BOOTSTRAP_SERVERS" not in os.environ:
        from dualgate.cli.broker.record import load_record, record_file

        local = load_record(record_file())
        bootstrap_servers = local.bootstrap_servers if local else None
    return load_settings(
        bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix, partitions=partitions, slot=slot, metrics=metrics
    )
