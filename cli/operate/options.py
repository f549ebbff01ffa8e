"""What the operators' verbs take in common."""

import getpass
import socket
from typing import Annotated

import typer

from dualgate.schemas.errors import ConfigError
from dualgate.schemas.topics import MIGRATION_ID

Reason = Annotated[str, typer.Option("--reason", help="Why, for whoever reads the ledger later.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Write the command to the ledger and do not wait for the gate.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.0, help="How many seconds to wait for the gate's answer.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The migration's id.")]

TIMEOUT_S = 30.0


def checked_id(migration_id: str) -> str:
    """Return the id; ConfigError where it cannot be one."""
    if not MIGRATION_ID.fullmatch(migration_id):
        raise ConfigError(f"migration id {migration_id!r} must match {MIGRATION_ID.pattern}")
    return migration_id


def actor() -> str:
    """Return who gives a command: user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
