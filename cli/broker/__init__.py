"""A real single-node Apache Kafka as a child process: jars from Maven Central, Java from the machine or from PyPI."""

import typer

from dualgate.cli.broker.process import LocalBroker

__all__ = ["LocalBroker"]


def register(root: typer.Typer) -> None:
    """Add `dualgate broker` to the root."""
    from dualgate.cli.broker.commands import app

    root.add_typer(app, name="broker")
