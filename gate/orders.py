"""By their ids: which commands have been carried out, so that one that is delivered twice is carried out once.

A bounded number is remembered, those that were issued last. Of a command that was issued before all of them nobody can tell
whether it is a repetition: it is refused, unless it can only keep users with the incumbent.
"""

import hashlib
from dataclasses import replace

from dualgate.gate.state import MigrationState, Ordered
from dualgate.schemas.records import Command

REMEMBERED = 32
SAFE_TWICE = frozenset({"pause", "abort", "rollback"})


def ordered(order: Command) -> Ordered:
    """Return what is remembered of a command."""
    whole = [order.kind, order.actor, order.reason, order.config or "", order.config_hash or ""]
    digest = hashlib.sha256("\0".join(whole).encode(errors="replace")).hexdigest()[:16]
    return Ordered(order.command_id, order.kind, order.actor, digest, order.issued_at_ms)


def repeated(state: MigrationState, order: Command) -> bool:
    """Tell whether this very command has been carried out."""
    known = _known(state, order)
    return known is not None and known.digest == ordered(order).digest


def fault(state: MigrationState, order: Command) -> str:
    """Return why a command is not carried out by its id, nothing where it is new."""
    known = _known(state, order)
    if known is not None:
        return (
            f"command_id={order.command_id!r} was given to {known.kind} by {known.actor} and is given again to another command, "
            f"{order.kind} by {order.actor}; accepted: an id of its own for each command"
        )
    if order.issued_at_ms <= state.forgotten_ms and order.kind not in SAFE_TWICE:
        return (
            f"issued_at_ms={order.issued_at_ms}: the {REMEMBERED} commands that are remembered were issued after "
            f"{state.forgotten_ms}, so this may be a repetition of one that was carried out; accepted: the command given anew"
        )
    return ""


def remembered(state: MigrationState, order: Command) -> MigrationState:
    """Return the state that knows a command; the one that was issued first is forgotten for it."""
    if _known(state, order) is not None:
        return state
    known = sorted((*state.commands, ordered(order)), key=lambda each: each.issued_at_ms)
    gone, kept = known[:-REMEMBERED], known[-REMEMBERED:]
    return replace(state, commands=tuple(kept), forgotten_ms=max([state.forgotten_ms, *(each.issued_at_ms for each in gone)]))


def _known(state: MigrationState, order: Command) -> Ordered | None:
    return next((each for each in state.commands if each.command_id == order.command_id), None)
