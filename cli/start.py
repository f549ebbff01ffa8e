"""`dualgate start`: begin a migration."""

from pathlib import Path
from typing import Annotated

import typer

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.operate.options import TIMEOUT_S, NoWait, Reason, Timeout
from dualgate.cli.output import Json


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("start")(run)


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The migration file.")],
    reason: Reason = "",
    timeout: Timeout = TIMEOUT_S,
    no_wait: NoWait = False,
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Begin a migration, or a new epoch of one whose file or files have changed; repeating it changes nothing.

    Exit code 0: applied, or unchanged; 2: a bad file, or refused by the gate; 1: no broker, or no gate answered in time.

    Example: `dualgate start migration.yaml --reason "v7 is ready"`
    """
    from dualgate.cli.operate.sending import carry_out, order
    from dualgate.schemas.migration import load_migration

    config = load_migration(file)
    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    carry_out(order("start", config.spec.migration, reason, config), settings, None if no_wait else timeout, json)
