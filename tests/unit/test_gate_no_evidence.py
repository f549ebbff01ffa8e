"""What looks like evidence and is none must not lead to a larger share; what a router says must not end the gate."""

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from dualgate.gate import wanted
from dualgate.gate.decide import entered
from dualgate.gate.fold import At, step
from dualgate.gate.state import MigrationState
from dualgate.gate.stats import log_e_accept
from dualgate.gate.waiting import waiting_for
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import AckCount, Arm, Lane, LedgerEntry, RoutingAck
from support.gate import EASY, GOOD, HOUR_MS, ID, WORSE, Ledger, Pairs, config, constant, drawn, with_phases
from support.gate_starts import in_phase
from support.gate_walks import DIMENSIONS

Row = tuple[float | None, float | None, str]


def acknowledge(ledger: Ledger, order: tuple[int, int], *cells: tuple[Arm, int]) -> None:
    """Append a router's acknowledgement of a command, with counts by arm."""
    counts = [AckCount(stratum="all", arm=arm, sampled=True, count=n) for arm, n in cells]
    ack = RoutingAck(migration_id=ID, router_id="r", epoch=order[0], sequence=order[1], counts=counts, sent_at_ms=0)
    ledger.append(LedgerEntry(ack=ack))


def obeyed(ledger: Ledger) -> tuple[int, int]:
    """Return the present command."""
    return ledger.state_.last_command.epoch, ledger.state_.last_command.sequence


@pytest.mark.parametrize("name", DIMENSIONS)
@pytest.mark.parametrize("row", [(1.0, nan, "scored"), (nan, nan, "scored"), (None, None, "scored")])
def test_not_a_number_is_no_score(name: str, row: Row) -> None:
    """Rows that say scored and hold no number of the challenger are no observations of a live phase."""
    ledger = in_phase("CANARY")
    for _ in range(10):
        ledger.pairs(constant(20, **{name: row}))
    assert ledger.state_.phase == "CANARY"


@pytest.mark.parametrize(("name", "worst"), [("correctness", 0.0), ("latency", 1.0), ("semantic", 0.0), ("safety", 1.0)])
def test_a_silence_of_the_challenger_is_the_worst_evidence(name: str, worst: float) -> None:
    """missing: worst counts a silence, in a pair or without one, exactly as the worst answer that there is."""
    ledger = in_phase("SHADOW")
    incumbent = constant(1).values[name][0][0]
    answered, silent, unpaired = ledger.copy(), ledger.copy(), ledger.copy()
    answered.pairs(constant(1, **{name: (incumbent, worst, "scored")}))
    silent.pairs(constant(1, **{name: (incumbent, None, "missing")}))
    unpaired.unpaired(1)
    assert accepting(silent, name) == accepting(unpaired, name) == accepting(answered, name) < accepting(ledger, name)


def accepting(ledger: Ledger, name: str) -> float:
    """Return the log e-value for accepting a dimension."""
    state = ledger.state_
    return next(log_e_accept(s, d) for s, d in zip(state.specs, state.dims, strict=True) if s.name == name)


@pytest.mark.parametrize("name", ["correctness", "latency", "safety"])
def test_a_score_without_the_incumbents_is_no_pair(name: str) -> None:
    """Rows that say scored and hold nothing of the incumbent have no paired difference, so no live phase goes on by them."""
    ledger = in_phase("CANARY")
    for _ in range(10):
        ledger.pairs(constant(20, **{name: (None, 1.0 if name == "correctness" else 0.0, "scored")}))
    assert ledger.state_.phase == "CANARY"


def test_a_phase_below_the_floor_holds_though_no_stratum_is() -> None:
    """One loss in a small stratum is no finding there; with a large one just at the floor the phase is below it, and holds."""
    ledger = Ledger(config(phases=with_phases(canary={"observations": 18}))).start()
    ledger.walk("CANARY", (drawn(1, seed, **GOOD) for seed in range(400)))
    lost = dict.fromkeys(DIMENSIONS, (None, None, "missing"))
    ledger.pairs(constant(1, **lost), stratum="rare")
    ledger.pairs(constant(2, **lost), stratum="all")
    ledger.pairs(constant(18), stratum="all")
    assert ledger.state_.phase == "CANARY"
    assert waiting_for(ledger.state_) == "; ".join(f"coverage of {name}: 0.857 < 0.9" for name in DIMENSIONS)
    ledger.pairs(constant(9), stratum="all")
    assert ledger.state_.phase == "ROLLOUT(0.25)"


@pytest.mark.parametrize("name", DIMENSIONS)
def test_no_floor_lets_a_phase_without_a_score_pass(name: str) -> None:
    """A dimension of which a phase has no score at all holds it, also where the file's floor is 0, and is named."""
    ledger = Ledger(config(missing={"coverage_floor": 0.0})).start().walk("ROLLOUT(0.25)")
    enough = wanted.seen(ledger.state_, name) >= wanted.observations(ledger.state_)[name]
    for _ in range(10):
        ledger.pairs(constant(20, **{name: (None, None, "not_eligible")}))
    assert ledger.state_.phase == ("ROLLOUT(0.5)" if enough else "ROLLOUT(0.25)")
    if wanted.seen(ledger.state_, name) == 0:
        assert f"coverage of {name}: nothing is scored" in ledger.snapshots[-1].waiting_for


@pytest.mark.parametrize(("phase", "rest"), [("CANARY", "ROLLOUT(0.25)"), ("ROLLOUT(0.5)", "TAIL"), ("TAIL", "COMPLETED")])
@pytest.mark.parametrize("name", DIMENSIONS)
def test_one_observation_of_a_dimension_is_no_watch_over_it(phase: str, rest: str, name: str) -> None:
    """A live phase wants of each dimension what its design needs, at most its observations; the hold names both numbers."""
    ledger = in_phase(phase)
    ledger.state = entered(ledger.state_, phase)
    n = wanted.observations(ledger.state)[name]
    for _ in range(10):
        ledger.pairs(constant(20, **{name: (None, None, "not_eligible")}))
    ledger.pairs(constant(n - 1))
    assert ledger.state_.phase == phase
    ledger.pairs(constant(20, **{name: (None, None, "not_eligible")}))
    ledger.pairs(constant(1, correctness=(None, None, "missing")))
    words = "observations of {}: {} of {}"
    assert words.format(name, n - 1, n) in waiting_for(ledger.state_)
    ledger.pairs(constant(1))
    assert ledger.state_.phase == rest


@pytest.mark.parametrize("name", DIMENSIONS)
@pytest.mark.parametrize("state", ["missing", "not_eligible"])
def test_calibrating_counts_observations_of_each_dimension(name: str, state: str) -> None:
    """Rows without a score fix no bets and tell nothing of the incumbent's boundaries: CALIBRATING goes on and says of which."""
    ledger = Ledger(config()).start()
    for _ in range(10):
        ledger.pairs(constant(20, **{name: (None, None, state)}))
    n = 38 if name == "semantic" else 50
    assert (ledger.state_.phase, ledger.state_.n_units) == ("CALIBRATING", 200)
    assert f"observations of {name}: 0 of {n}" in waiting_for(ledger.state_)
    ledger.pairs(constant(50))
    assert ledger.state_.phase == "SHADOW"


@pytest.mark.parametrize("name", DIMENSIONS)
def test_calibrating_ends_where_a_dimension_is_never_observed(name: str) -> None:
    """After the calibrating pairs and max_pairs more it is INCONCLUSIVE and names what is short; a pair before, it goes on."""
    ledger = Ledger(config(phases=with_phases(shadow={"min_pairs": 60, "max_pairs": 70}))).start()
    ledger.pairs(constant(119, **{name: (None, None, "not_eligible")}))
    assert ledger.state_.phase == "CALIBRATING"
    in_time, n = ledger.copy(), 38 if name == "semantic" else 50
    ledger.pairs(constant(5, **{name: (None, None, "not_eligible")}))
    assert (ledger.state_.phase, ledger.state_.n_units) == ("INCONCLUSIVE", 120)
    assert ledger.last.reason == (
        f"120 calibrating pairs ≥ 50 and max_pairs 70 more, and no bets can be fixed yet: observations of {name}: 0 of {n}"
    )
    assert ledger.order("retry").outcome == "applied"
    in_time.state = replace(in_time.state_, counters=dict(in_time.state_.counters) | {f"phase.observed.{name}": n - 1})
    in_time.pairs(constant(1))
    assert in_time.state_.phase == "SHADOW"  # the last pair that it waits for completes it


def test_a_boundary_of_the_incumbent_is_not_tested_on_nothing() -> None:
    """Queries of which nothing is known lead CALIBRATING nowhere; an incumbent beyond its boundary is refused once it is seen."""
    ledger = Ledger(config()).start()
    ledger.pairs(constant(200, **dict.fromkeys(DIMENSIONS, (None, None, "missing"))))
    ledger.unpaired(200, "no_answer")
    assert ledger.state_.phase == "CALIBRATING"
    ledger.pairs(constant(50, latency=(1.0, 0.0, "scored")))
    assert (ledger.state_.phase, ledger.last.rule) == ("INCONCLUSIVE", "incumbent")


def test_a_class_with_a_ceiling_is_watched_in_live_phases() -> None:
    """Safety is not scored where a class that has a ceiling of its own is missing."""
    classes = {"authorization": {"null": 0.2, "design": 0.02}}
    ledger = Ledger(config(dimensions=EASY | {"safety": EASY["safety"] | {"classes": classes}})).start()

    def pairs(seed: int, row: Row) -> Pairs:
        return Pairs({**drawn(20, seed, **GOOD).values, "safety.authorization": [row] * 20})

    ledger.walk("CANARY", (pairs(seed, (0.0, 0.0, "scored")) for seed in range(100)))
    for seed in range(10):
        ledger.pairs(pairs(seed, (None, None, "missing")))
    assert ledger.state_.phase == "CANARY"
    assert "coverage of safety" in ledger.snapshots[-1].waiting_for


def test_a_class_without_data_is_named_while_it_holds_safety_and_at_the_end() -> None:
    """Safety has its observations and none is missing, but a class of it has none: status and the last decision name it."""
    classes = {"authorization": {"null": 0.2, "design": 0.02}}
    dimensions = EASY | {"safety": EASY["safety"] | {"classes": classes}}
    ledger = Ledger(config(dimensions=dimensions, phases=with_phases(shadow={"max_pairs": 600}))).start()
    words = "authorization (class of safety): 0 of {} observations scored"
    for seed in range(40):
        pairs = drawn(20, seed, **GOOD)
        ledger.pairs(Pairs({**pairs.values, "safety.authorization": [(None, None, "not_eligible")] * 20}))
        if ledger.state_.phase == "SHADOW" and ledger.state_.n_counted:
            assert words.format(ledger.state_.n_counted) in waiting_for(ledger.state_)
    assert (ledger.state_.phase, ledger.last.rule) == ("INCONCLUSIVE", "horizon")
    assert ledger.last.reason == f"600 pairs ≥ max_pairs 600 without a verdict; {words.format(600)}"


def test_a_live_answer_in_no_time_is_late() -> None:
    """A live answer whose latency is not a number counts as over the SLA."""
    ledger = in_phase("CANARY")
    for seed in range(10):
        block = ledger.quality(drawn(20, seed, **GOOD))
        block.challenger.lane[:], block.challenger.service_ms[:] = ["live"] * 20, [nan] * 20
        ledger.append(LedgerEntry(quality=block))
    assert ledger.state_.phase == "CANARY"


@pytest.mark.parametrize("verb", ["approve", "resume"])
def test_evidence_from_before_an_outage_of_the_gate_is_old(verb: Any) -> None:
    """No command leads on from evidence older than hold_after, though no tick has told of the silence yet."""
    off = {"dimensions": EASY | {"safety": "off"}} if verb == "approve" else {}
    ledger = Ledger(config(mode="live", **off)).start()
    if verb == "resume":
        ledger.order("pause")
    for seed in range(40):
        ledger.pairs(drawn(20, seed, **GOOD))
    fresh = ledger.copy()
    fresh.order(verb)
    assert fresh.state_.phase == "CANARY"
    ledger.time_ms += 10 * HOUR_MS
    ledger.order(verb)
    assert ledger.state_.phase == "SHADOW"
    assert "missing.hold_after" in ledger.snapshots[-1].waiting_for


@pytest.mark.parametrize("cells", [[("challenger", -1)], [("challenger", 5), ("incumbent", -5)], [("incumbent", 2**62)]])
def test_counts_that_are_none_are_refused(cells: list[tuple[Arm, int]]) -> None:
    """An acknowledgement with a number below 0 or beyond any count is refused with its router's name and changes nothing."""
    ledger = in_phase("CANARY", "live")
    before = ledger.state_
    for _ in range(2):
        with pytest.raises(RecordError, match="router r: count"):
            acknowledge(ledger, obeyed(ledger), *cells)
    assert ledger.state == before


def test_the_greatest_counts_keep_the_state_within_64_bits() -> None:
    """The gate lives through the greatest counts that a router may tell, however often, and its state can be written."""
    ledger = in_phase("CANARY", "live")
    for _ in range(9):
        acknowledge(ledger, obeyed(ledger), ("incumbent", 2**31 - 1))
    ledger.pairs(drawn(5, 1, **GOOD))
    assert all(abs(n) < 2**63 for sums in ledger.state_.checks.values() for n in sums)


def test_a_router_of_a_command_that_was_never_given_does_not_follow() -> None:
    """A rollback is not done by a router that obeys a higher command: it would ignore this one."""
    ledger = in_phase("ROLLOUT(0.25)", "live")
    acknowledge(ledger, obeyed(ledger))
    ledger.order("rollback")
    acknowledge(ledger, (99, 1))
    assert ledger.state_.withdrawal
    acknowledge(ledger, obeyed(ledger))
    assert not ledger.state_.withdrawal


def test_a_number_beyond_64_bits_refuses_its_block() -> None:
    """A block with a number that no column can hold is refused and changes nothing."""
    ledger = in_phase("CANARY", "live")
    before = ledger.state_
    with pytest.raises(RecordError, match="cannot be counted"):
        ledger.pairs(drawn(5, 1, **GOOD), routing_sequence=2**70)
    assert ledger.state == before


def test_retry_after_abort_begins_anew_though_a_topic_held_it() -> None:
    """A hold ends with the migration: one retry begins the next epoch."""
    ledger = in_phase("CANARY")
    ledger.pairs(drawn(5, 1), lineage="made anew")
    assert ledger.state_.held
    ledger.order("abort")
    ledger.order("retry")
    assert (ledger.state_.phase, ledger.state_.migration.epoch) == ("CALIBRATING", 2)


def test_what_was_routed_before_a_reentry_is_no_progress_after_it() -> None:
    """Queries routed at the share of the step before do not count for the phase, though they come after its re-entry."""
    ledger = in_phase("TAIL", "live")
    ledger.tick(HOUR_MS)
    before = ledger.state_.last_command
    assert before.live_share == 0.5
    ledger.pairs(drawn(200, 1, **GOOD))
    assert (ledger.state_.phase, ledger.state_.last_command.live_share) == ("TAIL", 1.0)
    ledger.pairs(drawn(200, 2, **GOOD), routing_sequence=before.sequence)
    assert ledger.state_.phase == "TAIL"
    ledger.pairs(drawn(200, 3, **GOOD))
    assert ledger.state_.phase == "COMPLETED"


@pytest.mark.parametrize("change", [{"version": 1}, {"gone": None}, {"novel": 1}])
def test_a_state_that_is_another_gates_is_refused_with_the_reason(change: dict[str, Any]) -> None:
    """A state of another version, one that lacks a field or one that has another is refused in words, never with a traceback."""
    written = in_phase("CANARY").state_.to_json()
    changed = {name: value for name, value in (written | change).items() if value is not None or name not in change}
    with pytest.raises(ValueError, match=next(iter(change))):
        MigrationState.from_json(changed)


@pytest.mark.parametrize(("lane", "counts"), [("shadow", False), ("live", True)])
def test_a_user_who_is_turned_away_counts(lane: Lane, counts: bool) -> None:
    """Only the shadow path may shed a query without a trace: a user's query that the challenger sheds is a unit, and late."""
    ledger = in_phase("CANARY")
    units = ledger.state_.n_units
    block = ledger.quality(constant(20))
    block.challenger.lane[:], block.challenger.status[:] = [lane] * 20, ["shed"] * 20
    ledger.append(LedgerEntry(quality=block))
    assert (ledger.state_.n_units - units, "live latency" in ledger.state_.checks) == (20 * counts, counts)


def test_live_no_producers_clock_ends_a_phase() -> None:
    """A live query that says it was asked in ten million years moves the evidence clock to the ledger's own, not beyond."""
    ledger = Ledger(config(mode="live", phases=with_phases(shadow={"min_duration": "1h"}))).start().walk("SHADOW")
    for seed in range(30):
        ledger.pairs(drawn(20, seed, **GOOD), asked_at_ms=2**61)
    assert (ledger.state_.phase, ledger.state_.evidence_clock_ms) == ("SHADOW", ledger.time_ms)
    assert "duration: 0.0 h of 1 h" in ledger.snapshots[-1].waiting_for
    ledger.tick(HOUR_MS)
    ledger.pairs(drawn(20, 31, **GOOD))
    assert ledger.state_.phase == "CANARY"


def test_a_replay_goes_by_its_archives_clock() -> None:
    """Archived queries carry their own times, old ones and such as lie beyond the ledger's: those are the evidence clock."""
    for began_ms in (1_000, 2**50):
        ledger = Ledger(config(phases=with_phases(shadow={"min_duration": "1h"})), asked_ms=began_ms).start()
        assert ledger.walk("CANARY").state_.evidence_clock_ms == ledger.asked_ms


def test_a_rejection_while_calibrating_shows_the_pairs_it_was_made_from() -> None:
    """The figures beside a rejection that CALIBRATING made are those of its pairs, not of none."""
    ledger = Ledger(config(phases=with_phases(calibrating={"pairs": 400}))).start()
    ledger.walk("REJECTED(worse)", (drawn(20, seed, **WORSE) for seed in range(19)))
    told = ledger.last.dimensions["correctness"]
    assert told.n == ledger.state_.n_units == ledger.snapshots[-1].dimensions["correctness"].n
    assert told.interval_high is not None
    assert told.interval_high < 0
    assert f"over {told.n} pairs" in ledger.last.reason


@pytest.mark.parametrize("phase", ["CANARY", "TAIL"])
def test_a_level_that_loses_its_pairs_says_so_and_holds(phase: str) -> None:
    """A semantic level whose re-runs fail is scored and not watched: a phase without one difference is held, others are told."""
    ledger = in_phase(phase)
    ledger.state = entered(ledger.state_, phase)
    for _ in range(10):
        ledger.pairs(constant(20, semantic=(None, 0.9, "scored")))
    ledger.pairs(constant(1, latency=(None, None, "missing")))
    assert ledger.state_.phase == phase
    assert "observations of semantic's paired difference: 0 of 1" in waiting_for(ledger.state_)
    ledger.pairs(constant(1))
    assert ledger.last.rule == "watched"
    assert "200 of 201 observations of semantic had no paired difference" in ledger.last.reason


def test_a_block_that_comes_late_is_not_called_repeated() -> None:
    """Rows below the next offset that no block brought before are late; those that one did bring are repeated; neither counts."""
    ledger = Ledger(config()).start()
    first, late, last = (ledger.quality(constant(n)) for n in (10, 7, 5))
    for block in (first, last, late, late, first):
        ledger.append(LedgerEntry(quality=block))
    counters = ledger.state_.counters
    assert (ledger.state_.n_units, counters["late"], counters["repeated"]) == (15, 7, 17)
    assert MigrationState.from_json(ledger.state_.to_json()) == ledger.state_


def test_a_backtest_of_a_live_file_goes_by_its_logs_clock() -> None:
    """The ledger's clock of a backtest stands at the log's beginning: durations pass in it as the log's queries were asked."""
    ledger = Ledger(config(mode="live", phases=with_phases(shadow={"min_duration": "1h"}))).start()
    state: MigrationState | None = ledger.state_
    for seed in range(30):
        asked = [ledger.time_ms + 60_000 * (20 * seed + i) for i in range(20)]
        block = ledger.quality(drawn(20, seed, **GOOD), asked_at_ms=asked)
        state, _ = step(state, ID, LedgerEntry(quality=block), At(0, seed + 1, ledger.time_ms), closed=True)
    assert state is not None
    assert (state.phase, state.evidence_clock_ms) == ("CANARY", asked[-1])
