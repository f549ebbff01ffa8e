"""The operators' commands on a running migration: pause, resume, approve, abort, rollback, retry.

Each is one entry of the ledger; the gate carries it out, once, and answers with a decision record.
"""

import typer

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.operate.options import TIMEOUT_S, Id, NoWait, Reason, Timeout, checked_id
from dualgate.cli.output import Json
from dualgate.schemas.records import CommandKind


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    for verb in (pause, resume, approve, abort, rollback, retry):
        root.command(verb.__name__)(verb)


def pause(
    migration_id: Id, reason: Reason = "", timeout: Timeout = TIMEOUT_S, no_wait: NoWait = False,
    bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False,
) -> None:  # fmt: skip
    """Let no larger share begin until `resume`; evaluation goes on, and a rollback still happens by itself.

    Example: `dualgate pause sql-agent-v7 --reason "holiday freeze"`
    """
    _order("pause", migration_id, reason, None if no_wait else timeout, bootstrap_servers, prefix, json)


def resume(
    migration_id: Id, reason: Reason = "", timeout: Timeout = TIMEOUT_S, no_wait: NoWait = False,
    bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False,
) -> None:  # fmt: skip
    """Take a pause back; what only waited for that happens at once.

    Example: `dualgate resume sql-agent-v7 --reason "freeze is over"`
    """
    _order("resume", migration_id, reason, None if no_wait else timeout, bootstrap_servers, prefix, json)


def approve(
    migration_id: Id, reason: Reason = "", timeout: Timeout = TIMEOUT_S, no_wait: NoWait = False,
    bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False,
) -> None:  # fmt: skip
    """Approve the step that waits for it; refused (exit code 2) where none does, so none is approved in advance.

    Example: `dualgate approve sql-agent-v7 --reason "looked at the worst pairs"`
    """
    _order("approve", migration_id, reason, None if no_wait else timeout, bootstrap_servers, prefix, json)


def abort(
    migration_id: Id, reason: Reason = "", timeout: Timeout = TIMEOUT_S, no_wait: NoWait = False,
    bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False,
) -> None:  # fmt: skip
    """End a migration: the incumbent serves everyone. Where nothing runs, nothing changes.

    Example: `dualgate abort sql-agent-v7 --reason "wrong build"`
    """
    _order("abort", migration_id, reason, None if no_wait else timeout, bootstrap_servers, prefix, json)


def rollback(
    migration_id: Id, reason: Reason = "", timeout: Timeout = TIMEOUT_S, no_wait: NoWait = False,
    bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False,
) -> None:  # fmt: skip
    """Take the users back from the challenger, in any live phase and after COMPLETED too.

    Example: `dualgate rollback sql-agent-v7 --reason "support sees wrong totals"`
    """
    _order("rollback", migration_id, reason, None if no_wait else timeout, bootstrap_servers, prefix, json)


def retry(
    migration_id: Id, reason: Reason = "", timeout: Timeout = TIMEOUT_S, no_wait: NoWait = False,
    bootstrap_servers: Servers = None, prefix: Prefix = None, json: Json = False,
) -> None:  # fmt: skip
    """Begin a migration that has ended anew (a new epoch at CALIBRATING), or free one that is held.

    Example: `dualgate retry sql-agent-v7 --reason "fixed the prompt"`
    """
    _order("retry", migration_id, reason, None if no_wait else timeout, bootstrap_servers, prefix, json)


def _order(
    kind: CommandKind, migration_id: str, reason: str, wait_s: float | None, servers: str | None, prefix: str | None, json: bool
) -> None:
    from dualgate.cli.operate.sending import carry_out, order

    settings = cluster_settings(bootstrap_servers=servers, topic_prefix=prefix)
    carry_out(order(kind, checked_id(migration_id), reason), settings, wait_s, json)
