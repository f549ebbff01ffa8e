"""The live phases: what the monitors find, what silence holds, and how the challenger comes back."""

from dataclasses import replace

import orjson
import pytest

from dualgate.gate import phases
from dualgate.gate.state import MigrationState
from dualgate.gate.watched import begun, observations
from dualgate.schemas.records import LedgerEntry
from support.gate import GOOD, HOUR_MS, Ledger, config, constant, drawn, with_phases

LONG = with_phases(shadow={"min_pairs": 800})


def live(phase: str = "CANARY", **changes: object) -> Ledger:
    """Return a ledger in a live phase after a long and good shadow phase."""
    return Ledger(config(phases=LONG, **changes)).start().walk(phase)


@pytest.mark.parametrize("phase", ["CANARY", "ROLLOUT(0.25)", "ROLLOUT(0.5)", "TAIL"])
def test_good_evidence_of_the_past_does_not_hide_a_regression(phase: str) -> None:
    """A challenger that turns worse once it serves users is rolled back by a monitor, with both numbers in the reason."""
    ledger = live(phase).walk("ROLLED_BACK", (drawn(20, seed, wrong=(0.02, 0.6)) for seed in range(20)))
    decision = next(d for d in ledger.decisions if d.to_phase == "ROLLED_BACK")
    assert decision.rule == "alarm"
    assert f"turned worse than the incumbent in {phase}: correctness: CUSUM" in decision.reason
    assert "≥" in decision.reason
    assert decision.dimensions["correctness"].status == "worse"
    assert ledger.commands[-1].live_share == 0.0


def test_an_outage_of_both_arms_is_no_alarm() -> None:
    """When both arms fail alike the paired difference is nothing, so nothing is rolled back."""
    both_wrong = constant(20, correctness=(0.0, 0.0, "scored"), semantic=(None, None, "not_eligible"))
    ledger = live()
    for _ in range(30):
        ledger.pairs(both_wrong)
    assert phases.ROLLED_BACK not in ledger.phases


def test_equal_answers_walk_on_under_the_watch_of_every_dimension() -> None:
    """Each dimension with a paired difference has a monitor from the canary on, and the composite; none alarms without a loss."""
    ledger = live()
    assert set(ledger.state_.monitors) == {"correctness", "latency", "semantic", "safety", "composite"}
    ledger.walk("COMPLETED", (constant(20) for _ in range(30)))
    assert ledger.phases[-1] == "COMPLETED"


def test_losses_in_several_dimensions_alarm_the_composite() -> None:
    """The weighted sum of the differences is watched too; its alarm alone rolls back, and names no dimension worse."""
    ledger = live().copy()
    spec, held = ledger.state_.monitors["composite"]
    assert sum(weight for _, weight in spec.weights) == 100
    eager = replace(spec, cusum=replace(spec.cusum, limit=1))
    ledger.state = replace(ledger.state_, monitors={**ledger.state_.monitors, "composite": (eager, held)})
    ledger.pairs(constant(1, semantic=(1.0, 0.0, "scored"), latency=(0.0, 1.0, "scored")))
    decision = next(d for d in ledger.decisions if d.to_phase == "ROLLED_BACK")
    assert "composite: CUSUM" in decision.reason
    assert "worse" not in {told.status for told in decision.dimensions.values()}


def test_monitors_share_the_rollback_budget() -> None:
    """The alarm levels of e-SR together spend half of errors.rollback over the observations of all live phases."""
    ledger = live(errors={"rollback": 0.08})
    n = sum(phases.observations(ledger.state_.spec, name) for name in phases.order(ledger.state_.spec) if phases.is_live(name))
    spent = sum(n / spec.esr.alarm_level for spec, _ in ledger.state_.monitors.values())
    assert 0.0399 < spent <= 0.04


def test_long_phases_are_planned_with_the_traffic_they_will_see() -> None:
    """Where least durations ask for more pairs than the observations do, the monitors are planned for those."""
    hours = {name: {"min_duration": "10h"} for name in ("canary", "rollout", "tail")}
    ledger = Ledger(config(phases=with_phases(**hours))).start().walk("SHADOW")
    ledger.pairs(drawn(50, 1, **GOOD))
    assert ledger.state_.phase == "SHADOW"
    a_pair_a_minute = 4 * 600  # in four phases of ten hours
    assert sum(observations(ledger.state_).values()) == pytest.approx(a_pair_a_minute, rel=0.05)


def test_a_signal_never_seen_has_no_monitor() -> None:
    """Without re-runs semantics has no paired difference in the live phases either."""
    ledger = Ledger(config()).start()
    ledger.walk("CANARY", (constant(10, correctness=(0.0, 1.0, "scored"), semantic=(None, 0.9, "scored")) for _ in range(60)))
    assert "semantic" not in begun(ledger.state_).monitors


def test_monitors_survive_json() -> None:
    """A state with monitors in mid-flight is read back equal."""
    state = live().state_
    assert state.monitors
    assert MigrationState.from_json(orjson.loads(orjson.dumps(state.to_json()))) == state


@pytest.mark.parametrize("reset", ["carry", "zero", "fir"])
def test_charts_are_reset_at_a_step_as_the_file_says(reset: str) -> None:
    """carry keeps the chart's level over a step, zero begins at 0 and fir at half the threshold; e-SR is always carried."""
    wide = {"correctness": 0.9}  # four bad answers in sixty would exhaust the default budget and hold the step
    ledger = Ledger(config(phases=with_phases(rollout={"reset": reset}), error_budget=wide)).start().walk("CANARY")
    ledger.pairs(constant(56 - ledger.state_.n_phase))
    ledger.pairs(constant(3, correctness=(1.0, 0.0, "scored"), semantic=(None, None, "not_eligible")))
    before = ledger.state_.monitors["correctness"][1]
    assert before.cusum.level > 0
    ledger.pairs(constant(1, correctness=(1.0, 0.0, "scored"), semantic=(None, None, "not_eligible")))
    spec, held = ledger.state_.monitors["correctness"]
    assert ledger.state_.phase == "ROLLOUT(0.25)"
    assert held.esr.n == before.esr.n + 1
    if reset == "carry":
        assert held.cusum.level > before.cusum.level
    else:
        assert held.cusum.level == (0 if reset == "zero" else spec.cusum.limit // 2)


def test_silence_of_the_challenger_is_no_progress() -> None:
    """Queries that the challenger leaves unanswered are no observations of a live phase, and its coverage holds the step."""
    ledger = live()
    for _ in range(30):
        ledger.unpaired(20)
    assert ledger.state_.phase == "CANARY"
    assert ledger.state_.n_phase < 60
    assert "coverage of correctness" in ledger.snapshots[-1].waiting_for


def test_coverage_is_that_of_the_phase() -> None:
    """A dimension that falls silent in a live phase holds it, however well it was covered before."""
    ledger = live()
    for _ in range(60):
        ledger.pairs(constant(10, safety=(None, None, "missing")))
    assert ledger.state_.phase == "CANARY"


def test_after_a_retreat_only_an_observation_brings_the_challenger_back() -> None:
    """A repeated block, one without a score and one of silent queries are no return of evidence; a scored pair is."""
    ledger = live("ROLLOUT(0.5)")
    block = ledger.quality(drawn(1, 1, **GOOD))
    ledger.append(LedgerEntry(quality=block))
    ledger.tick(7 * HOUR_MS)
    assert (ledger.last.rule, ledger.commands[-1].live_share, ledger.state_.phase) == ("retreat", 0.0, "ROLLOUT(0.5)")
    ledger.append(LedgerEntry(quality=block))
    ledger.pairs(constant(3, correctness=(None, None, "missing")))
    ledger.unpaired(3)
    assert ledger.commands[-1].live_share == 0.0
    ledger.pairs(constant(1))
    assert (ledger.last.rule, ledger.commands[-1].live_share, ledger.state_.phase) == ("returned", 0.25, "ROLLOUT(0.25)")


def test_blocks_without_a_score_do_not_end_a_silence() -> None:
    """The clock of missing.hold_after runs on while only unscored evidence comes."""
    ledger = live()
    for _ in range(4):
        ledger.tick(10 * 60_000)
        ledger.pairs(constant(2, latency=(None, None, "missing")))
    assert ledger.decisions[-1].rule == "silence"


def test_retry_after_a_hold_keeps_the_marks_of_the_other_topic() -> None:
    """A topic that was made anew is read from its start; one that was not is not read twice."""
    ledger = Ledger(config()).start()
    ledger.unpaired(5)
    ledger.pairs(drawn(5, 1))
    told = [entry for _, entry in ledger.entries if entry.coverage]
    ledger.append(LedgerEntry(quality=ledger.quality(drawn(5, 2), lineage="made anew")))
    assert ledger.order("retry").outcome == "applied"
    units = ledger.state_.n_units
    ledger.append(told[0])
    assert ledger.state_.n_units == units
    ledger.append(LedgerEntry(quality=ledger.quality(drawn(5, 3), lineage="made anew")))
    assert ledger.state_.n_units == units + 5
