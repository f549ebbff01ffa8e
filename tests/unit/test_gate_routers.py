"""Routers by their acknowledgements: who follows, and when a rollback is done."""

import pytest

from dualgate.gate import routers
from dualgate.gate.state import MigrationState
from dualgate.gate.withdrawal import MAX_NAMED, MOST_ROUTERS, words
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import AckCount, EvidenceSnapshot, LedgerEntry, RoutingAck
from support.ledgers import BETTER, EASY, GOOD, HEAD, SHORT, WORSE, Ledger, config


def ack(ledger: Ledger, router: str, sequence: int | None = None, challenger: int = 0, epoch: int = 1) -> None:
    """Append an acknowledgement; without a sequence of the present command."""
    assert ledger.state is not None
    obeyed = ledger.state.last_command.sequence if sequence is None else sequence
    counts = [AckCount(stratum="all", arm="challenger", sampled=True, count=challenger)]
    told = RoutingAck(migration_id="m", router_id=router, epoch=epoch, sequence=obeyed, counts=counts, sent_at_ms=0)
    ledger.append(LedgerEntry(ack=told))


def canary(*routers: str) -> Ledger:
    """Return a ledger in CANARY, all routers at its command."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD, BETTER] * 50)
    assert ledger.phase == "CANARY"
    for name in routers:
        ack(ledger, name)
    return ledger


def told(ledger: Ledger) -> EvidenceSnapshot:
    """Return the newest snapshot."""
    snapshots: list[EvidenceSnapshot] = [o.record.snapshot for o in ledger.outputs if o.topic == "evidence" and o.record.snapshot]
    return snapshots[-1]


def state(ledger: Ledger) -> MigrationState:
    assert ledger.state is not None
    return ledger.state


def waiting(ledger: Ledger) -> str:
    return words(state(ledger))


def done(ledger: Ledger) -> list[str]:
    return [d.reason for d in ledger.decisions if d.rule == "followed"]


def test_a_rollback_is_done_when_every_router_has_acknowledged_it() -> None:
    """Until the last one has, the snapshot says rolling back and names it; then a record says so, once."""
    ledger = canary("r1", "r2")
    ledger.pairs(*[WORSE] * 300)
    assert ledger.phase == "ROLLED_BACK"
    ack(ledger, "r1")
    waiting = told(ledger)
    assert waiting.routers is not None
    assert waiting.routers.rolling_back
    assert [each.router_id for each in waiting.routers.behind] == ["r2"]
    assert "rolling back" in waiting.waiting_for
    assert "1 of 2 routers follow" in waiting.waiting_for
    assert "r2 (obeys 1/" in waiting.waiting_for
    assert done(ledger) == []
    ack(ledger, "r2")
    ack(ledger, "r2")
    assert [reason.startswith("no user is on the challenger any more: 2 of 2") for reason in done(ledger)] == [True]
    assert told(ledger).waiting_for == "nothing: ROLLED_BACK"


def test_a_router_that_still_routes_to_the_challenger_does_not_follow() -> None:
    """Its word for the command is not enough: the share that it observed since must be zero."""
    ledger = canary("r1")
    ledger.command("rollback")
    ack(ledger, "r1", challenger=3)
    assert "3 queries on the challenger" in told(ledger).waiting_for
    assert done(ledger) == []
    ack(ledger, "r1")
    assert len(done(ledger)) == 1


def test_a_router_that_is_silent_beyond_its_lease_is_not_waited_for() -> None:
    """Routers fall back by themselves one lease after the last renewal they can have heard: time alone settles it then."""
    ledger = canary("gone")
    ledger.command("abort")
    ledger.tick(59_000)
    assert done(ledger) == []
    ledger.tick(1_000)
    assert "1 fell silent beyond the lease" in done(ledger)[0]
    assert not state(ledger).timed
    assert state(ledger).routers == {}


def test_a_router_that_goes_on_with_the_old_command_is_waited_for_as_long_as_it_speaks() -> None:
    """Acknowledging an old command is not silence, however long it lasts."""
    ledger = canary("stuck")
    old = state(ledger).last_command.sequence
    ledger.command("rollback")
    for _ in range(20):
        ledger.tick(10_000)
        ack(ledger, "stuck", old)
    assert done(ledger) == []
    assert state(ledger).timed


def test_a_rollback_from_completed_waits_for_routers_that_no_lease_ends() -> None:
    """The command of COMPLETED has no lease, so silence proves nothing; only an acknowledgement does, and no time is needed."""
    ledger = canary("r1")
    while ledger.phase != "COMPLETED":
        ledger.pairs(*[GOOD] * 50)
    ack(ledger, "r1")
    ledger.command("rollback")
    ledger.tick(10**9)
    assert done(ledger) == []
    assert "its command had no lease" in told(ledger).waiting_for
    assert not state(ledger).timed
    ack(ledger, "r1")
    assert len(done(ledger)) == 1


def test_a_new_epoch_takes_the_users_of_the_old_one_back() -> None:
    """A changed configuration in a live phase rolls back too, and evidence goes on meanwhile."""
    ledger = canary("r1")
    ledger.command("start", HEAD + SHORT.replace("pairs: 20", "pairs: 30") + EASY)
    assert ledger.phase == "CALIBRATING"
    assert "rolling back" in told(ledger).waiting_for
    assert "calibrating pairs: 0 of 30" in told(ledger).waiting_for
    ack(ledger, "r1", epoch=2)
    assert len(done(ledger)) == 1


def test_without_routers_or_users_nothing_is_waited_for() -> None:
    """In a replay nobody routes; and before the canary nobody is on the challenger."""
    ledger = canary()
    ledger.command("rollback")
    assert (state(ledger).withdrawal, done(ledger)) == (None, [])
    shadow = Ledger.started()
    ack(shadow, "r1")
    shadow.command("abort")
    assert state(shadow).withdrawal is None


def test_who_follows_is_told_at_a_change_only() -> None:
    """A new router or another command gives a snapshot; the counts of every ten seconds do not."""
    ledger = canary()
    before = len(ledger.outputs)
    ack(ledger, "r1")
    assert len(ledger.outputs) == before + 1
    ack(ledger, "r1", challenger=5)
    assert len(ledger.outputs) == before + 1
    assert state(ledger).counters["routed.challenger"] == 5


def test_a_great_fleet_is_counted_whole_and_named_in_part() -> None:
    """Snapshots stay small: the first names stand for the others, whose number is told."""
    ledger = canary(*(f"r{i:03d}" for i in range(MAX_NAMED + 5)))
    ledger.command("rollback")
    routers = told(ledger).routers
    assert routers is not None
    assert (len(routers.behind), routers.n_behind) == (MAX_NAMED, MAX_NAMED + 5)
    assert "and 5 more" in told(ledger).waiting_for


def test_the_state_survives_its_json() -> None:
    """Routers and a withdrawal under way are the same after the table's round trip."""
    ledger = canary("r1", "r2")
    ledger.command("rollback")
    assert MigrationState.from_json(state(ledger).to_json()) == state(ledger)
    assert config().spec.lease_ms == 60_000


def obeying(name: str, order: tuple[int, int]) -> LedgerEntry:
    """Return an acknowledgement of a command by its order."""
    told = RoutingAck(migration_id="m", router_id=name, epoch=order[0], sequence=order[1], counts=[], sent_at_ms=0)
    return LedgerEntry(ack=told)


PLACES = 12


@pytest.fixture
def short_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with few places, so that a crowd is soon there."""
    assert MOST_ROUTERS == 1_000
    monkeypatch.setattr(routers, "MOST_ROUTERS", PLACES)


def crowd(ledger: Ledger, order: tuple[int, int], n: int = PLACES + 1) -> None:
    """Append acknowledgements of as many routers, all at one time."""
    assert ledger.state is not None
    ledger.time_ms -= n * 1000
    for i in range(n):
        ledger.append(obeying(f"x{i}", order))


def now(ledger: Ledger) -> tuple[int, int]:
    return state(ledger).last_command.epoch, state(ledger).last_command.sequence


@pytest.mark.usefixtures("short_list")
def test_no_crowd_pushes_out_a_router_that_is_behind() -> None:
    """However many routers follow, the one that does not stays named, and the withdrawal waits for it."""
    ledger = canary("stuck")
    old = now(ledger)
    ledger.command("rollback")
    ledger.append(obeying("stuck", old))
    crowd(ledger, now(ledger))
    assert len(state(ledger).routers) == PLACES
    assert "stuck (obeys 1/" in waiting(ledger)
    ledger.append(obeying("stuck", now(ledger)))
    assert len(done(ledger)) == 1


@pytest.mark.usefixtures("short_list")
def test_a_list_that_is_full_of_routers_behind_says_so_and_goes_on_waiting() -> None:
    """Those that find no place in it have a line of their own, and the withdrawal ends when they too obey or are silent."""
    ledger = canary()
    old = now(ledger)
    crowd(ledger, old, PLACES)
    ledger.command("rollback")
    crowd(ledger, old, PLACES)
    ledger.append(obeying("stuck", old))
    assert len(state(ledger).routers) == PLACES
    assert waiting(ledger).count("others than the 1,000 listed (obeys 1/") == 1
    crowd(ledger, now(ledger), PLACES)
    assert done(ledger) == []
    ledger.tick(50_000)
    ledger.append(obeying("stuck", old))
    ledger.tick(50_000)
    assert done(ledger) == []
    ledger.tick(61_000)
    assert len(done(ledger)) == 1
    assert MigrationState.from_json(state(ledger).to_json()) == state(ledger)


@pytest.mark.usefixtures("short_list")
def test_a_router_that_followed_when_the_list_was_full_is_waited_for() -> None:
    """It has users to let go of although it is not named: one lease of silence at least."""
    ledger = canary()
    live = now(ledger)
    crowd(ledger, live, PLACES)
    n = len(ledger.outputs)
    for _ in range(3):
        ledger.append(obeying("unlisted", live))
    assert len(ledger.outputs) == n
    ledger.command("rollback")
    crowd(ledger, now(ledger), PLACES)
    assert "others than the 1,000 listed" in waiting(ledger)
    assert done(ledger) == []
    ledger.tick(61_000)
    assert len(done(ledger)) == 1


@pytest.mark.parametrize("name", ["", " ", "r" * 101, "\x1b[2J"])
def test_a_router_without_a_name_that_can_be_shown_is_refused(name: str) -> None:
    """What the gate remembers must fit a record, and what it shows must not move the cursor."""
    ledger = canary()
    with pytest.raises(RecordError, match=r"router_id=.*, accepted: 1 to 100 bytes"):
        ledger.append(obeying(name, now(ledger)))
