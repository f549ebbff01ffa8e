"""Who obeys which command, as far as routers have acknowledged it, and whether a withdrawn share is really gone.

A router counts from its first acknowledgement until it has been silent for longer than its lease: then it serves the
incumbent by itself. A withdrawal is done when each router that counts obeys it and has told of nobody on the challenger since.

A bounded number of routers is listed by name. One stands for all others that may have users on the challenger: a withdrawal
waits until none of these has been heard, other than obeying it, for longer than the lease.
"""

from collections.abc import Mapping

from dualgate.gate.state import MigrationState, RouterSeen, Withdrawal
from dualgate.schemas.records import RouterBehind, Routers

ACK_MS = 10_000
"""Routers acknowledge at least this often; silence of two such times is none yet, however short the lease."""
MAX_NAMED, MOST_ROUTERS = 20, 1_000
OTHERS = f"others than the {MOST_ROUTERS:,} listed"


def begun(state: MigrationState, share: float, time_ms: int) -> Withdrawal | None:
    """Return the withdrawal that a command of this share begins, or goes on with; None where users stay or none were there."""
    held = state.last_command
    if share > 0 or not counting(state):
        return None
    if state.withdrawal is None and held.live_share > 0:
        return Withdrawal(time_ms, held.lease_ms)
    return state.withdrawal


def counting(state: MigrationState) -> Mapping[str, RouterSeen]:
    """Return the routers by name, and the one that stands for those that are not listed."""
    return state.routers if state.unlisted is None else {OTHERS: state.unlisted, **state.routers}


def silent(state: MigrationState, seen: RouterSeen) -> bool:
    """Tell whether a router has been silent beyond its lease; a command without a lease is obeyed for ever."""
    gone = state.withdrawal
    lease_ms = state.last_command.lease_ms if gone is None else gone.lease_ms
    if lease_ms is None:
        return False
    since_ms = seen.heard_ms if gone is None else max(seen.heard_ms, gone.since_ms)
    return state.ledger_clock_ms - since_ms > max(lease_ms, 2 * ACK_MS)


def follows(state: MigrationState, seen: RouterSeen) -> bool:
    """Tell whether a router obeys the present command, and where the share is withdrawn routes nobody to the challenger."""
    command = state.last_command
    obeys = seen.order == (command.epoch, command.sequence)  # a higher one was never given: it would ignore this one
    return obeys and (state.withdrawal is None or not seen.challenger)


def withdrawn(state: MigrationState) -> bool:
    """Tell whether each router follows or has fallen silent."""
    return all(follows(state, seen) or silent(state, seen) for seen in counting(state).values())


def told(state: MigrationState) -> Routers:
    """Return how many routers follow, and those that do not by name."""
    behind = {name: seen for name, seen in counting(state).items() if not follows(state, seen)}
    late = {name: seen for name, seen in behind.items() if not silent(state, seen)}
    return Routers(
        following=len(counting(state)) - len(behind),
        silent=len(behind) - len(late),
        n_behind=len(late),
        behind=[
            RouterBehind(router_id=name, epoch=s.epoch, sequence=s.sequence, heard_ms=s.heard_ms, challenger=s.challenger)
            for name, s in list(late.items())[:MAX_NAMED]
        ],
        rolling_back=state.withdrawal is not None,
    )


def words(state: MigrationState) -> str:
    """Return in words how far the routers follow, with both numbers and the names of those that do not."""
    command, found = state.last_command, told(state)
    n = len(counting(state))
    text = f"{found.following} of {n} routers follow command {command.epoch}/{command.sequence}"
    text += f", {found.silent} fell silent beyond the lease" if found.silent else ""
    if not found.behind:
        return text
    more = found.n_behind - len(found.behind)
    return f"{text}; not yet: {', '.join(_named(state, each) for each in found.behind)}{f' and {more} more' if more else ''}"


def _named(state: MigrationState, each: RouterBehind) -> str:
    heard = f"heard {(state.ledger_clock_ms - each.heard_ms) // 1000} s ago"
    routed = f", {each.challenger} queries on the challenger" if each.challenger else ""
    lease = "" if state.withdrawal is None or state.withdrawal.lease_ms is not None else ", its command had no lease"
    return f"{each.router_id} (obeys {each.epoch}/{each.sequence}, {heard}{routed}{lease})"
