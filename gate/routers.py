"""What acknowledgements do to a migration: who follows is told at each change, a withdrawal that is done is recorded."""

from collections.abc import Mapping
from dataclasses import replace

from dualgate.gate import checks, phases, queries
from dualgate.gate.decide import At, Cause, Decided, Output, Place, record
from dualgate.gate.evidence import snapshot
from dualgate.gate.state import MigrationState, RouterSeen, counted
from dualgate.gate.withdrawal import MOST_ROUTERS, follows, silent, withdrawn, words
from dualgate.schemas.errors import RecordError
from dualgate.schemas.limits import router_id_fault
from dualgate.schemas.records import RoutingAck
from dualgate.schemas.topics import EVIDENCE

MOST = 2**31 - 1
"""Greatest number in an acknowledgement: routers are others' programs, and a number beyond it is no count of theirs."""


def acknowledged(state: MigrationState, ack: RoutingAck, at: At) -> Decided:
    """Note which command a router obeys and what it routed since its last; RecordError for numbers that are none."""
    _check(ack)
    routed = {arm: sum(cell.count for cell in ack.counts if cell.arm == arm) for arm in ("incumbent", "challenger")}
    seen = RouterSeen(ack.epoch, ack.sequence, state.ledger_clock_ms, routed["incumbent"], routed["challenger"])
    before = state.routers.get(ack.router_id)
    more = {f"routed.{arm}": n for arm, n in routed.items()}
    told, state = _told(state, ack.router_id), _heard(state, ack.router_id, seen)
    state = replace(state, counters=counted(state.counters, more))
    if before is not None and before.order == seen.order:  # the first of a command counts what was routed under the one before
        state = _shared(state, seen)
        if seen.epoch == state.migration.epoch and queries.compared(state) and queries.of_phase(state, seen.sequence):
            state = queries.told(state, ack.counts)
    state, outputs = settled(state, at)
    if not outputs and _told(state, ack.router_id) != told:
        outputs = [Output(EVIDENCE, state.migration_id, snapshot(state, at.partition, at.offset, None))]
    return state, outputs


def _told(state: MigrationState, name: str) -> tuple[tuple[int, int] | None, bool]:
    """Return what a snapshot tells of a router: the command that it obeys, and whether one that is not listed is behind."""
    seen, others = state.routers.get(name), state.unlisted
    return None if seen is None else seen.order, others is not None and not follows(state, others)


def _heard(state: MigrationState, name: str, seen: RouterSeen) -> MigrationState:
    """Note an acknowledgement. Where the list is full, the name of one that is behind is never given up for another's."""
    routers = {**state.routers, name: seen}
    if len(routers) <= MOST_ROUTERS:
        return replace(state, routers=dict(sorted(routers.items())))
    gone = _given_up(state, routers, name)
    dropped = routers.pop(gone)
    return replace(state, routers=dict(sorted(routers.items())), unlisted=_unlisted(state, dropped))


def _given_up(state: MigrationState, routers: Mapping[str, RouterSeen], newest: str) -> str:
    """Return whose name is not kept: one that counts no more, else one that follows if the newest is behind, else the newest."""
    spare = [name for name, seen in routers.items() if silent(state, seen)]
    if not spare and not follows(state, routers[newest]):
        spare = [name for name, seen in routers.items() if follows(state, seen)]
    return min(spare, key=lambda name: routers[name].heard_ms) if spare else newest


def _unlisted(state: MigrationState, dropped: RouterSeen) -> RouterSeen | None:
    """Return who stands for the routers not listed: the last one heard that is behind, else that has users to let go of."""
    harmless = silent(state, dropped) or (follows(state, dropped) and not state.last_command.live_share)
    known = [] if harmless else [dropped]
    known += [] if state.unlisted is None or silent(state, state.unlisted) else [state.unlisted]
    return max(known, key=lambda seen: (not follows(state, seen), seen.heard_ms), default=None)


def _check(ack: RoutingAck) -> None:
    """Counts below 0 would take others' queries away again, and the gate must live through whatever a router says."""
    if fault := router_id_fault(ack.router_id):
        raise RecordError(f"acknowledgement: {fault}")
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
    return record(replace(state, withdrawal=None, routers=left, unlisted=None), done, Place(at))


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
