"""Outages of our own: nothing but the lease and missing.retreat_after changes what users see, and no phase is lost by one."""

from dataclasses import replace
from typing import Any

import pytest

from dualgate.gate import wanted
from dualgate.schemas.records import AckCount, LedgerEntry, RoutingAck
from dualgate.sinks.router.table import RoutingTable
from support.gate import GOOD, HOUR_MS, ID, WORSE, Ledger, config, drawn, fallen, with_phases

LEASE_MS, STEP_MS = 60_000, 30_000
STEPS = with_phases(
    shadow={"min_pairs": 400}, canary={"min_duration": "30s"}, rollout={"min_duration": "30s"}, tail={"min_duration": "30s"}
)


def live(phase: str, **changes: Any) -> Ledger:
    """Return a ledger of a live migration in a phase, with its lease just renewed."""
    ledger = Ledger(config(mode="live", **{"phases": STEPS, **changes})).start()
    for seed in range(400):
        if ledger.state_.phase == phase:
            break
        ledger.pairs(drawn(20, seed, **GOOD))
        ledger.tick(1000)
    assert ledger.state_.phase == phase, ledger.snapshots[-1].waiting_for
    ledger.tick(LEASE_MS // 3)
    return ledger


def share(ledger: Ledger) -> float:
    """Return the share that the last command gives the challenger."""
    return ledger.commands[-1].live_share


def served(ledger: Ledger, seed: int) -> None:
    """Append good pairs that were routed under the present command, and the tick of a living gate."""
    ledger.pairs(drawn(20, seed, **GOOD))
    ledger.tick(1000)


@pytest.mark.parametrize(
    ("phase", "full", "before"), [("ROLLOUT(0.25)", 0.25, 0.05), ("ROLLOUT(0.5)", 0.5, 0.25), ("TAIL", 1.0, 0.5)]
)
def test_after_a_lapsed_lease_the_challenger_re_enters_one_step_down(phase: str, full: float, before: float) -> None:
    """No gate for longer than the lease: the phase is kept, and for one step's duration the share is that of the step before."""
    ledger = live(phase)
    ledger.tick(LEASE_MS + 1)
    assert (ledger.state_.phase, share(ledger), ledger.last.rule) == (phase, before, "lapsed")
    began = ledger.time_ms
    for seed in range(60):
        served(ledger, seed)
        if share(ledger) != before:
            break
        assert (ledger.state_.evidence_clock_ms or 0) - began < STEP_MS
    assert (ledger.state_.phase, share(ledger)) == (phase, full)
    reentered = next(d for d in ledger.decisions if d.rule == "reentered")
    assert reentered.from_phase == reentered.to_phase == phase
    assert (reentered.evidence_clock_ms or 0) - began >= STEP_MS
    for seed in range(20):
        served(ledger, seed)
    again = next(d for d in ledger.decisions if d.rule == "watched" and d.from_phase == phase)
    assert (again.evidence_clock_ms or 0) - (reentered.evidence_clock_ms or 0) >= STEP_MS


def test_a_brokers_clock_that_jumped_ahead_and_back_serves_the_incumbent_until_it_is_reached() -> None:
    """An hour ahead for one entry: the phase is kept, worse still ends it, routers serve the incumbent; then it goes on."""
    ledger, table = live("ROLLOUT(0.5)"), RoutingTable(ID)
    truly_ms = ledger.time_ms
    for at_ms in (truly_ms + HOUR_MS, *range(truly_ms + 1000, truly_ms + HOUR_MS, 10_000)):
        ledger.time_ms, before = at_ms - 1000, len(ledger.commands)
        ledger.tick(1000)
        now_ms = truly_ms if at_ms > truly_ms + HOUR_MS - 1 else at_ms
        for command in ledger.commands[before:]:
            table = table.apply(command, now_ms, now_ms)
        assert table.valid(now_ms) == (now_ms < truly_ms + LEASE_MS)
    assert (ledger.state_.phase, share(ledger), ledger.last.rule) == ("ROLLOUT(0.5)", 0.25, "lapsed")
    worse = ledger.copy()
    worse.time_ms = truly_ms + HOUR_MS // 2
    for seed in range(20):
        worse.pairs(drawn(20, seed, **WORSE))
    assert (worse.state_.phase, share(worse)) == ("ROLLED_BACK", 0.0)
    worse.order("retry")  # begins anew by today's clock
    worse.tick(LEASE_MS // 3)
    assert worse.commands[-1].issued_at_ms == worse.time_ms < truly_ms + HOUR_MS
    ledger.time_ms = truly_ms + HOUR_MS
    ledger.tick(LEASE_MS // 3)
    assert table.apply(ledger.commands[-1], ledger.time_ms, ledger.time_ms).valid(ledger.time_ms)
    for seed in range(60):
        served(ledger, seed)
    assert "reentered" in [d.rule for d in ledger.decisions]


@pytest.mark.parametrize("phase", ["ROLLOUT(0.25)", "ROLLOUT(0.5)", "TAIL"])
def test_a_phase_that_had_enough_before_the_lease_ran_out_is_re_entered_first(phase: str) -> None:
    """With all its observations and only paused, a phase whose lease runs out makes no step before it is re-entered."""
    ledger = live(phase)
    ledger.order("pause")
    for seed in range(6):
        served(ledger, seed)
    ready = ledger.copy()
    ready.order("resume")
    assert ready.last.rule == "watched"
    ledger.tick(LEASE_MS + 1)
    back = share(ledger)
    ledger.order("resume")
    assert (ledger.state_.phase, share(ledger), ledger.last.rule) == (phase, back, "resume")
    for seed in range(40):
        served(ledger, seed)
    own = [d.rule for d in ledger.decisions if d.from_phase == phase and d.routing_command]
    assert own[-3:] == ["lapsed", "reentered", "watched"]


def test_a_lease_that_was_renewed_in_time_is_not_lapsed() -> None:
    """An outage shorter than the lease is no outage: the same command goes on."""
    ledger = live("ROLLOUT(0.5)")
    sequence = ledger.commands[-1].sequence
    ledger.tick(LEASE_MS)
    assert (share(ledger), ledger.commands[-1].sequence) == (0.5, sequence)


def test_what_came_while_no_gate_was_there_leads_to_no_larger_share() -> None:
    """Evidence that piled up behind a lapsed lease is counted, but no step is taken before the challenger has re-entered."""
    ledger = live("ROLLOUT(0.25)")
    n = ledger.state_.n_units
    for seed in range(20):
        ledger.append(LedgerEntry(quality=ledger.quality(drawn(20, seed, **GOOD))), after_ms=LEASE_MS + 1 if not seed else 1000)
    assert (ledger.state_.phase, ledger.state_.n_units) == ("ROLLOUT(0.25)", n + 400)
    ledger.tick(1000)
    assert (ledger.state_.phase, share(ledger)) == ("ROLLOUT(0.25)", 0.05)


def test_a_pause_and_a_silence_outlast_a_re_entry() -> None:
    """While paused the share stays that of the step before, however long; after resume the next observation ends it."""
    ledger = live("ROLLOUT(0.5)")
    ledger.tick(LEASE_MS + 1)
    ledger.order("pause")
    for seed in range(20):
        served(ledger, seed)
    assert share(ledger) == 0.25
    ledger.order("resume")
    served(ledger, 99)
    assert share(ledger) == 0.5


def test_a_worse_challenger_is_rolled_back_during_a_re_entry() -> None:
    """Every waiting state still evaluates: an alarm during the re-entry takes the users back for good."""
    ledger = live("ROLLOUT(0.5)")
    ledger.tick(LEASE_MS + 1)
    for seed in range(40):
        ledger.pairs(drawn(20, seed, wrong=(0.02, 0.6)))
    assert (ledger.state_.phase, share(ledger)) == ("ROLLED_BACK", 0.0)


def test_no_scorer_changes_nothing_before_retreat_after() -> None:
    """Without evidence the lease is renewed and the share kept; after missing.retreat_after it is 0 and the phase still kept."""
    ledger = live("ROLLOUT(0.5)")
    for _ in range(5 * 60):
        ledger.tick(LEASE_MS)
    assert (ledger.state_.phase, share(ledger)) == ("ROLLOUT(0.5)", 0.5)
    assert [d.rule for d in ledger.decisions].count("silence") == 1
    for _ in range(61):
        ledger.tick(LEASE_MS)
    assert (ledger.state_.phase, share(ledger), ledger.last.rule) == ("ROLLOUT(0.5)", 0.0, "retreat")


def test_an_outage_of_both_agents_rolls_nothing_back() -> None:
    """Pairs to which neither agent answered end no silence: after missing.retreat_after the share is 0, and the phase stays."""
    ledger = live("ROLLOUT(0.5)")
    before = ledger.state_
    for minute in range(6 * 60 + 1):
        if minute % 60 == 0:
            ledger.append(fallen(ledger, drawn(20, minute, **GOOD)))
        ledger.tick(LEASE_MS)
    assert (ledger.state_.phase, share(ledger), ledger.last.rule) == ("ROLLOUT(0.5)", 0.0, "retreat")
    assert (ledger.state_.dims, ledger.state_.monitors) == (before.dims, before.monitors)
    assert ledger.state_.counters["neither_answered"] == 140


def test_no_broker_changes_nothing_but_the_lease() -> None:
    """While nothing can be appended no time passes in the ledger; the first tick after it finds the lease lapsed."""
    ledger = live("TAIL")
    n = ledger.state_.n_units
    ledger.tick(20 * 60_000)
    assert (ledger.state_.phase, ledger.state_.n_units, share(ledger)) == ("TAIL", n, 0.5)
    assert not ledger.state_.retreated


def test_no_router_changes_nothing() -> None:
    """Routers that fall silent move no phase and no share: without them nobody is on the challenger."""
    ledger = live("ROLLOUT(0.25)")
    command = ledger.commands[-1]
    ack = RoutingAck(migration_id=ID, router_id="r", epoch=1, sequence=command.sequence, counts=[], sent_at_ms=0)
    ledger.append(LedgerEntry(ack=ack))
    for _ in range(20):
        ledger.tick(20_000)
    assert (ledger.state_.phase, share(ledger)) == ("ROLLOUT(0.25)", 0.25)
    assert ledger.state_.last_command.sequence == command.sequence


def test_a_router_that_gives_away_too_much_holds_the_step() -> None:
    """Observed share against commanded: three times the share is told and held, never rolled back; the right share passes."""
    for n_challenger, held in ((50, False), (150, True)):
        ledger = live("CANARY", phases=with_phases(shadow={"min_pairs": 400}, canary={"observations": 400}))
        assert ledger.state_.phase == "CANARY"
        sequence = ledger.commands[-1].sequence
        counts = [
            AckCount(stratum="all", arm="challenger", sampled=True, count=n_challenger),
            AckCount(stratum="all", arm="incumbent", sampled=True, count=1000 - n_challenger),
        ]
        ack = RoutingAck(migration_id=ID, router_id="r", epoch=1, sequence=sequence, counts=counts, sent_at_ms=0)
        for _ in range(3):
            ledger.append(LedgerEntry(ack=replace(ack, sent_at_ms=ledger.time_ms)))
        for seed in range(30):
            served(ledger, seed)
        assert (ledger.state_.phase == "CANARY") is held
        assert ("check of assignment.above" in ledger.snapshots[-1].waiting_for) is held


def test_a_zombies_block_of_the_old_topic_holds_nothing_after_retry() -> None:
    """Once an operator went on with a topic made anew, what still comes of the old one is counted and ignored."""
    ledger = Ledger(config()).start()
    ledger.pairs(drawn(5, 1))
    old = ledger.quality(drawn(5, 2))
    ledger.append(LedgerEntry(quality=ledger.quality(drawn(5, 3), lineage="made anew")))
    assert ledger.state_.held
    ledger.order("retry")
    ledger.append(LedgerEntry(quality=old))
    ledger.append(LedgerEntry(quality=ledger.quality(drawn(5, 3), lineage="made anew")))
    ledger.append(LedgerEntry(quality=old))
    assert (ledger.state_.held, ledger.state_.n_units) == ("", 10)


def test_rows_of_other_versions_do_not_move_the_evidence_clock() -> None:
    """A pair of another challenger that was asked in a year ends no minimum duration of this migration."""
    ledger = Ledger(config()).start()
    ledger.pairs(drawn(5, 1))
    before = ledger.state_.evidence_clock_ms
    block = ledger.quality(drawn(5, 2), asked_at_ms=ledger.asked_ms + 365 * 24 * HOUR_MS)
    other = replace(block, challenger=replace(block.challenger, version=["agent:v9"] * 5))
    ledger.append(LedgerEntry(quality=other))
    assert ledger.state_.evidence_clock_ms == before
    ledger.pairs(drawn(1, 3))
    assert (ledger.state_.evidence_clock_ms or 0) - (before or 0) <= HOUR_MS


def test_a_pause_outlasts_a_retreat() -> None:
    """Evidence that comes back to a paused migration after a retreat gives no user to the challenger; after resume it does."""
    ledger = live("ROLLOUT(0.5)")
    ledger.order("pause")
    ledger.tick(7 * HOUR_MS)
    assert (ledger.last.rule, share(ledger)) == ("retreat", 0.0)
    for seed in range(5):
        served(ledger, seed)
    assert share(ledger) == 0.0
    ledger.order("resume")
    served(ledger, 9)
    assert (ledger.state_.phase, share(ledger)) == ("ROLLOUT(0.25)", 0.25)


def test_what_is_seen_during_a_re_entry_is_no_observation_of_the_phase() -> None:
    """At the share of the step before, no dimension comes nearer to what the phase asks of it."""
    ledger = live("TAIL")
    before = {name: wanted.seen(ledger.state_, name) for name in ledger.state_.on}
    ledger.tick(LEASE_MS + 1)
    for seed in range(5):
        served(ledger, seed)
    assert share(ledger) == 0.5
    assert {name: wanted.seen(ledger.state_, name) for name in ledger.state_.on} == before
