"""What acknowledgements do to a migration: who follows is told at each change, a withdrawal that is done is recorded."""

from dataclasses import replace

from dualgate.gate import checks, phases
from dualgate.gate.decide import At, Cause, Decided, Output, Place, record
from dualgate.gate.evidence import snapshot
from dualgate.gate.state import MigrationState, RouterSeen, counted
from dualgate.gate.withdrawal import follows, withdrawn, words
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import RoutingAck
from dualgate.schemas.topics import EVIDENCE

REMEMBERED_ROUTERS = 1_000
MOST = 2**31 - 1
"""Greatest number in an acknowledgement: routers are others' programs, and a number beyond it is no count of theirs."""


def acknowledged(state: MigrationState, ack: RoutingAck, at: At) -> Decided:
    """Note which command a router obeys and what it routed since its last; RecordError for numbers that are none."""
    _check(ack)
    routed = {arm: sum(cell.count for cell in ack.counts if cell.arm == arm) for arm in ("incumbent", "challenger")}
    seen = RouterSeen(ack.epoch, ack.sequence, state.ledger_clock_ms, routed["incumbent"], routed["challenger"])
    before = state.routers.get(ack.router_id)
    routers = {**state.routers, ack.router_id: seen}
    if len(routers) > REMEMBERED_ROUTERS:
        del routers[min(routers, key=lambda name: routers[name].heard_ms)]
    more = {f"routed.{arm}": n for arm, n in routed.items()}
    state = replace(state, routers=dict(sorted(routers.items())), counters=counted(state.counters, more))
    if before is not None and before.order == seen.order:  # the first of a command counts what was routed under the one before
        state = _shared(state, seen)
    state, outputs = settled(state, at)
    if not outputs and (before is None or before.order != seen.order):
        outputs = [Output(EVIDENCE, state.migration_id, snapshot(state, at.partition, at.offset, None))]
    return state, outputs


def _check(ack: RoutingAck) -> None:
    """Counts below 0 would take others' queries away again, and the gate must live through whatever a router says."""
    counts = [cell.count for cell in ack.counts]
    for name, n in (("epoch", ack.epoch), ("sequence", ack.sequence), *(("count", n) for n in counts), ("counts", sum(counts))):
        if not 0 <= n <= MOST:
            raise RecordError(f"acknowledgement of router {ack.router_id}: {name}={n}, accepted: 0 to {MOST}")


def settled(state: MigrationState, at: At) -> Decided:
    """Record that the withdrawal is done where it is: each router follows, or is silent beyond its lease and counts no more."""
    if state.withdrawal is None or not withdrawn(state):
        return state, []
    done = Cause("followed", f"no user is on the challenger any more: {words(state)}")
    left = {name: seen for name, seen in state.routers.items() if follows(state, seen)}
    return record(replace(state, withdrawal=None, routers=left), done, Place(at))


def _shared(state: MigrationState, seen: RouterSeen) -> MigrationState:
    """Hold what a router routed under the present command against the share that it commands."""
    last = state.last_command
    live = state.spec.mode == "live" and phases.is_live(state.phase) and last.live_share > 0
    n = seen.incumbent + seen.challenger
    if not live or not n or seen.order != (last.epoch, last.sequence):
        return state
    moved = checks.assigned(state.checks, last.live_share, seen.challenger, n)
    assigned = (state.assigned[0] + seen.challenger, state.assigned[1] + n)
    return replace(state, assigned=assigned, checks=dict(sorted({**state.checks, **moved}.items())))
