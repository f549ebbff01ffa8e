"""What acknowledgements do to a migration: who follows is told at each change, a withdrawal that is done is recorded."""

from dataclasses import replace

from dualgate.gate.decide import At, Cause, Decided, Output, Place, record
from dualgate.gate.evidence import snapshot
from dualgate.gate.state import MigrationState, RouterSeen, counted
from dualgate.gate.withdrawal import withdrawn, words
from dualgate.schemas.records import RoutingAck
from dualgate.schemas.topics import EVIDENCE

REMEMBERED_ROUTERS = 1_000


def acknowledged(state: MigrationState, ack: RoutingAck, at: At) -> Decided:
    """Note which command a router obeys and what it routed since its last acknowledgement."""
    routed = {arm: sum(cell.count for cell in ack.counts if cell.arm == arm) for arm in ("incumbent", "challenger")}
    seen = RouterSeen(ack.epoch, ack.sequence, state.ledger_clock_ms, routed["incumbent"], routed["challenger"])
    before = state.routers.get(ack.router_id)
    routers = {**state.routers, ack.router_id: seen}
    if len(routers) > REMEMBERED_ROUTERS:
        del routers[min(routers, key=lambda name: routers[name].heard_ms)]
    more = {f"routed.{arm}": n for arm, n in routed.items()}
    state = replace(state, routers=dict(sorted(routers.items())), counters=counted(state.counters, more))
    state, outputs = settled(state, at)
    if not outputs and (before is None or before.order != seen.order):
        outputs = [Output(EVIDENCE, state.migration_id, snapshot(state, at.partition, at.offset, None))]
    return state, outputs


def settled(state: MigrationState, at: At) -> Decided:
    """Record that the withdrawal is done where it is: each router follows, or is silent beyond its lease by the ledger clock."""
    if state.withdrawal is None or not withdrawn(state):
        return state, []
    done = Cause("followed", f"no user is on the challenger any more: {words(state)}")
    return record(replace(state, withdrawal=None), done, Place(at))
