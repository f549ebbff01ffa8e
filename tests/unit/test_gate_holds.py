"""What holds a step beside the evidence, and rolls nothing back: budgets, strata, checks; and what CALIBRATING refuses."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from dualgate.gate import budget, checks
from dualgate.gate.admission import admit
from dualgate.gate.budget import Budget, Spent
from dualgate.gate.hypotheses import hypotheses
from dualgate.gate.monitor_plans import limit
from dualgate.gate.state import MigrationState
from dualgate.gate.stats.lattice import TERNARY
from dualgate.gate.stats.laws import ternary
from dualgate.gate.stats.run_length import alarm_probability, step_law
from dualgate.gate.watched import begun
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import Command, Lane, LedgerEntry
from dualgate.sinks.report.guards import guard_lines
from support.gate import GOOD, ID, Ledger, Pairs, config, constant, drawn, with_phases

LONG = with_phases(shadow={"min_pairs": 400}, canary={"observations": 400})
WORSE = constant(1, correctness=(1.0, 0.0, "scored"), semantic=(None, None, "not_eligible"))
BETTER = constant(1, correctness=(0.0, 1.0, "scored"), semantic=(None, None, "not_eligible"))


def canary(**changes: Any) -> Ledger:
    """Return a ledger in a canary of 400 observations."""
    ledger = Ledger(config(**{"phases": LONG, **changes})).start().walk("CANARY")
    ledger.pairs(constant(100))
    return ledger


def test_an_exhausted_budget_holds_and_is_told_in_bad_answers() -> None:
    """More extra bad answers than allowed: the step waits and says both numbers; nothing is rolled back by it."""
    ledger = canary(error_budget={"correctness": 0.02})
    given_back = -ledger.state_.spent["correctness"].used // 100
    for _ in range(given_back + 12):
        ledger.pairs(WORSE)
        ledger.pairs(constant(11))
    for _ in range(4):
        ledger.pairs(constant(50))
    assert ledger.state_.phase == "CANARY"
    told = ledger.snapshots[-1]
    assert told.budgets is not None
    found = told.budgets["correctness"]
    assert found.allowed == pytest.approx(0.02 * max(400, found.n), abs=0.01)
    assert (found.used, found.exhausted) == (12.0, True)
    assert found.left == pytest.approx(found.allowed - 12.0)
    assert f"error budget of correctness: 12.00 extra bad answers ≥ {found.allowed:.2f} allowed" in told.waiting_for
    for _ in range(8):
        ledger.pairs(BETTER)
    assert ledger.state_.phase == "ROLLOUT(0.25)"


def test_a_better_answer_gives_a_bad_one_back() -> None:
    """A budget counts net bad answers: as many better ones as worse ones use nothing."""
    ledger = canary(error_budget={"correctness": 0.01})
    for _ in range(20):
        ledger.pairs(BETTER)
        ledger.pairs(WORSE)
    assert ledger.state_.spent["correctness"].used <= 0


def test_a_burn_rate_alarm_holds_the_step() -> None:
    """At many times the budget's pace over both windows the step waits although the budget is not exhausted."""
    ledger = canary(error_budget={"correctness": 0.01})
    for _ in range(60):
        ledger.pairs(BETTER)
    for _ in range(20):
        ledger.pairs(WORSE)
        ledger.pairs(constant(14))
    assert ledger.state_.phase == "CANARY"
    told = ledger.snapshots[-1]
    assert "burn rate of correctness" in told.waiting_for, told.waiting_for
    assert "error budget of correctness" not in told.waiting_for
    ledger.pairs(constant(60))
    assert "ROLLOUT(0.25)" in ledger.phases


def test_rollback_with_alarm_needs_both() -> None:
    """on_exhausted: rollback_with_alarm names the budget beside the monitor's alarm; exhausted alone only holds."""
    ledger = canary(error_budget={"correctness": 0.01, "on_exhausted": "rollback_with_alarm"})
    for _ in range(6):
        ledger.pairs(WORSE)
        ledger.pairs(constant(30))
    assert ledger.state_.phase == "CANARY"
    ledger.walk("ROLLED_BACK", (drawn(20, seed, wrong=(0.02, 0.6)) for seed in range(20)))
    assert ledger.decisions[-1].rule == "spent"
    assert "error budget of correctness" in ledger.decisions[-1].reason
    assert "CUSUM" in ledger.decisions[-1].reason


@pytest.mark.parametrize("cut", [1, 7, 50, 999])
def test_a_budget_is_the_same_however_it_is_cut(cut: int) -> None:
    """Used answers, bins and burn-rate alarms do not depend on blocks."""
    spec = next(s for s in hypotheses(config().spec) if s.name == "correctness")
    rng = np.random.default_rng(3)
    worse, silent = rng.integers(0, 3, 1000), rng.random(1000) < 0.02
    worse[silent] = -1
    each = Budget(20_000, 300)
    whole = budget.along(each, Spent(), spec, worse, silent)
    spent, burning = Spent(), []
    for start in range(0, 1000, cut):
        here = slice(start, min(1000, start + cut))
        path = budget.along(each, spent, spec, worse[here], silent[here])
        spent = budget.after(each, spent, path)
        burning += path.burning.tolist()
        assert (each.exhausted(spent), each.burning(spent)) == (path.exhausted[-1], path.burning[-1])
    assert burning == whole.burning.tolist()
    assert spent == budget.after(each, Spent(), whole)


def easy_and_hard(n: int, seed: int, hard: float) -> tuple[Pairs, list[str]]:
    """Return good pairs and their strata, a share of them hard."""
    rng = np.random.default_rng(seed)
    return drawn(n, seed, **GOOD), ["hard" if x < hard else "easy" for x in rng.random(n)]


@pytest.mark.parametrize("missing", ["worst", "hold"])
def test_a_challenger_that_only_answers_the_easy_queries_does_not_pass(missing: str) -> None:
    """A twentieth of the queries is hard and never answered: overall coverage is above the floor, the stratum's is not."""
    dimensions = config().spec.model_dump(mode="json", by_alias=True)["dimensions"]
    for each in dimensions.values():
        each["missing"] = missing
    ledger = Ledger(config(dimensions=dimensions, phases=with_phases(shadow={"max_pairs": 2000}))).start()
    for seed in range(60):
        ledger.pairs(drawn(20, seed, **GOOD), stratum="easy")
        ledger.unpaired(1, stratum="hard")
    assert ledger.state_.phase == "SHADOW"
    assert "coverage of correctness in hard: 0 of" in ledger.snapshots[-1].waiting_for
    strata = ledger.snapshots[-1].strata
    assert strata is not None
    assert strata["hard"].scored["latency"] == 0
    assert strata["easy"].scored["latency"] == strata["easy"].eligible["latency"]


def test_losses_in_one_stratum_are_found_below_the_floor() -> None:
    """Where the floor lets a stratum's losses pass, the test of strata still finds that it alone is not answered."""
    ledger = Ledger(config(missing={"coverage_floor": 0.5}, phases=LONG)).start().walk("CANARY")
    for seed in range(30):
        pairs, strata = easy_and_hard(20, seed, 0.4)
        hard = [i for i, s in enumerate(strata) if s == "hard"][:3]
        values = {
            name: [(None, None, "missing") if i in hard else row for i, row in enumerate(rows)]
            for name, rows in pairs.values.items()
        }
        ledger.pairs(Pairs(values), stratum=strata)
    assert ledger.state_.phase == "CANARY"
    assert (
        "check of strata.hard" in ledger.snapshots[-1].waiting_for or "check of strata.easy" in ledger.snapshots[-1].waiting_for
    )


def test_equal_losses_in_every_stratum_pass_the_check() -> None:
    """What is lost everywhere alike is coverage, not selection: at most LEVEL of such phases are ever held."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        codes, lost = rng.integers(0, 3, 2000), rng.random(2000) < 0.05
        held += bool(checks.unequal({}, None, codes, lost, ("a", "b", "c"), 3)[1].any())
    assert held <= 4  # at a true rate of 1/300 more than 4 of 200 have a probability of 5e-4


@pytest.mark.parametrize("cut", [1, 2, 5, 300])
def test_the_check_of_strata_is_the_same_however_it_is_cut(cut: int) -> None:
    """Rows are paired in the order of the log, whatever block they came in."""
    rng = np.random.default_rng(5)
    codes, lost = rng.integers(0, 3, 301), rng.random(301) < 0.3
    names = ("a", "b", "c")
    whole, held = checks.unequal({}, None, codes, lost, names, 3)
    sums: dict[str, tuple[int, ...]] = {}
    waiting, found = None, []
    for start in range(0, 301, cut):
        here = slice(start, min(301, start + cut))
        path, holds = checks.unequal(sums, waiting, codes[here], lost[here], names, 3)
        found += holds.tolist()
        n = here.stop - start + (waiting is not None)
        waiting = (int(codes[here][-1]), int(lost[here][-1])) if n % 2 else None
        sums |= {f"{checks.STRATA}.{name}": tuple(each[:, -1].tolist()) for name, each in path.items()}
    assert found == held.tolist()
    assert sums == {f"{checks.STRATA}.{name}": tuple(each[:, -1].tolist()) for name, each in whole.items()}


def test_live_latency_with_queueing_holds_the_step_and_rolls_nothing_back() -> None:
    """Live answers that queue beyond the SLA are reported and hold; shadow answers that queue do not count."""
    cases: tuple[tuple[Lane, bool], ...] = (("shadow", False), ("live", True))
    for lane, held in cases:
        ledger = Ledger(config()).start().walk("CANARY")
        for seed in range(10):
            block = ledger.quality(drawn(20, seed, **GOOD))
            arm = replace(block.challenger, lane=[lane] * 20, queue_ms=[500.0] * 20)
            ledger.append(LedgerEntry(quality=replace(block, challenger=arm)))
        assert (ledger.state_.phase == "CANARY") is held
        if held:
            assert "check of live latency: log e" in ledger.snapshots[-1].waiting_for
            assert "ROLLED_BACK" not in ledger.phases
            found = ledger.snapshots[-1].checks
            assert found is not None
            assert found["live latency"].holds


def test_a_check_lets_go_when_its_fault_is_mended() -> None:
    """Evidence beyond the threshold is capped, so a few hundred prompt answers end the hold."""
    late = np.ones(1000, dtype=np.int64)
    sums, holds = checks.slow((), 0.02, late)
    assert holds[-1]
    after, still = checks.slow(tuple(sums[:, -1].tolist()), 0.02, np.zeros(1000, dtype=np.int64))
    assert still[0]
    assert not still[-1]
    assert after.shape == (3, 1000)


def test_checks_hold_a_faultless_phase_with_at_most_their_level() -> None:
    """Answers that pass the SLA exactly at the null hold at most LEVEL of the phases."""
    rng = np.random.default_rng(7)
    held = sum(bool(checks.slow((), 0.02, (rng.random(4000) < 0.02).astype(np.int64))[1].any()) for _ in range(300))
    assert held <= 5  # at a true rate of 1/300 more than 5 of 300 have a probability of 6e-4


def test_an_incumbent_beyond_a_boundary_is_refused_while_calibrating() -> None:
    """An incumbent that is itself over a ceiling ends CALIBRATING as INCONCLUSIVE, with its rate, the null and the evidence."""
    ledger = Ledger(config(phases=with_phases(calibrating={"pairs": 200}))).start()
    for seed in range(15):
        ledger.pairs(drawn(20, seed, slow=(0.5, 0.01)))
    assert ledger.phases == ["INCONCLUSIVE"]
    assert ledger.last.rule == "incumbent"
    assert "the incumbent itself is beyond a boundary" in ledger.last.reason
    assert "latency 0." in ledger.last.reason
    assert "(null 0.2): log e" in ledger.last.reason
    assert ledger.order("retry").outcome == "applied"
    assert ledger.state_.phase == "CALIBRATING"


def test_an_incumbent_on_its_boundary_is_rarely_refused() -> None:
    """An incumbent exactly on a boundary is refused with at most 5 %: that is no evidence that it is beyond."""
    refused = 0
    for run in range(60):
        ledger = Ledger(config(phases=with_phases(calibrating={"pairs": 200}))).start()
        ledger.pairs(drawn(300, run, slow=(0.2, 0.02)))
        assert ledger.state_.phase != "CALIBRATING"
        refused += ledger.state_.phase == "INCONCLUSIVE"
    assert refused <= 8  # at 5 % more than 8 of 60 have a probability of 3e-3


def test_what_has_no_monitor_is_said_in_the_decision_and_in_the_status() -> None:
    """Without re-runs semantics has no paired difference; the decision that goes live says so, and so does every snapshot."""
    ledger = Ledger(config()).start()
    alone = constant(10, correctness=(0.0, 1.0, "scored"), semantic=(None, 0.9, "scored"))
    ledger.walk("CANARY", (alone for _ in range(60)))
    accepted = next(d for d in ledger.decisions if d.rule == "accepted")
    assert "no monitor will watch semantic: without re-runs of the incumbent it has no paired difference" in accepted.reason
    told = ledger.snapshots[-1].monitors
    assert told is not None
    assert told["semantic"].unwatched is not None
    assert told["correctness"].unwatched is None


def test_a_budget_that_counts_nothing_is_said_at_the_start_and_in_each_live_phase() -> None:
    """Without re-runs a semantic level has no bad answers: the records and the status say so, no operator trusts it unawares."""
    words = "error_budget.semantic=0.02 counts only where queries ask the incumbent twice; accepted where they do not: null"
    alone = constant(20, correctness=(0.0, 1.0, "scored"), semantic=(None, 0.9, "scored"))
    ledger = Ledger(config(error_budget={"semantic": 0.02})).start()
    assert words in ledger.decisions[0].reason
    ledger.walk("CANARY", pairs=[alone] * 40)
    assert words in next(d for d in ledger.decisions if d.rule == "accepted").reason
    ledger.pairs(alone)
    (line,) = [line for line in guard_lines(ledger.snapshots[-1]) if line.startswith("error budget of semantic")]
    assert "nothing counted yet of 60 observations" in line


def test_a_budget_of_a_dimension_that_is_off_is_refused_at_the_start() -> None:
    """Whoever wrote the configuration, with or without lint: the record names key, value and what is accepted."""
    ledger = Ledger(config())
    plain = json.loads(ledger.configuration.to_json())
    plain["spec"]["dimensions"]["safety"], plain["spec"]["error_budget"]["safety"] = "off", 0.02
    order = Command(
        command_id="c", migration_id=ID, kind="start", actor="ann", config=json.dumps(plain), config_hash="", issued_at_ms=1
    )
    ledger.append(LedgerEntry(command=order))
    told = ledger.decisions[-1]
    assert (told.outcome, ledger.state) == ("refused", None)
    assert "error_budget.safety=0.02 can never be used up: dimensions.safety is off; accepted: null" in told.reason


def test_a_monitor_that_cannot_be_planned_says_why() -> None:
    """A tolerance that leaves no room for a shift gives the reason in place of a monitor."""
    dimensions = config().spec.model_dump(mode="json", by_alias=True)["dimensions"]
    dimensions["correctness"]["worse_by"] = 0.9999
    ledger = Ledger(config(dimensions=dimensions)).start().walk("CANARY")
    assert "correctness" not in ledger.state_.monitors
    assert "cannot be planned" in ledger.state_.unwatched["correctness"]


def test_live_phases_too_long_for_any_monitor_are_refused_at_the_start() -> None:
    """Users never go unwatched by the file: the refusal names the phases, their observations and how many are accepted."""
    words = r"phases: 1,000,000,180 .*TAIL 1,000,000,000.* accepted: .* at most 343,597,383 together at errors\.rollback=0\.04"
    with pytest.raises(ConfigError, match=words):
        admit(config(phases=with_phases(tail={"observations": 1_000_000_000})).to_json())
    admit(config(phases=with_phases(tail={"observations": 343_597_383 - 180})).to_json())


def test_traffic_too_heavy_for_any_monitor_holds_before_the_canary() -> None:
    """Where the rate of pairs makes the live phases too long to be watched, nobody is served until it is slower and retried."""
    phases = with_phases(canary={"min_duration": "30d"})
    ledger = Ledger(config(phases=phases), minute_ms=1).start()
    for seed in range(30):
        ledger.pairs(drawn(20, seed, **GOOD))
    assert (ledger.state_.phase, ledger.last.rule, ledger.last.kind) == ("SHADOW", "unwatched", "hold")
    assert "observations are expected in the live phases, over which no monitor can be planned" in ledger.last.reason
    assert ledger.last.reason in ledger.snapshots[-1].waiting_for
    assert not any(command.live_share for command in ledger.commands)
    ledger.minute_ms = 3_600_000
    ledger.pairs(drawn(20, 30, **GOOD))
    ledger.order("retry")
    ledger.pairs(drawn(20, 31, **GOOD))
    assert ledger.state_.phase == "CANARY"
    assert ledger.state_.monitors


@pytest.mark.parametrize("reset", ["zero", "fir"])
def test_a_chart_that_begins_anew_spends_its_part_of_the_budget_at_each_step(reset: Any) -> None:
    """The exact chance of a false alarm in a step is at most what the step may spend, also from half the limit."""
    null = ternary(0.0, 0.15)
    state = Ledger(config(phases=with_phases(shadow={"min_pairs": 800}, rollout={"reset": reset}))).start().walk("CANARY").state_
    spec = state.monitors["correctness"][0]
    n, p = 500, 0.005
    found = limit(spec.cusum, null, n, p, reset)
    law = step_law([-1.0, 0.0, 1.0], [float(q) for q in null[::-1]], spec.cusum.reference, spec.cusum.unit)
    start = found // 2 if reset == "fir" else 0
    assert 0 < alarm_probability(law, found, n, start) <= p
    assert set(state.limits["correctness"]) == {"CANARY", "ROLLOUT(0.25)", "ROLLOUT(0.5)", "TAIL"}
    assert spec.cusum.lattice == TERNARY


def test_the_new_state_survives_json() -> None:
    """A state with budgets, strata, checks and limits in mid-flight is read back equal."""
    ledger = canary(error_budget={"correctness": 0.02, "latency": 0.01})
    ledger.pairs(drawn(21, 3), stratum=["a", "b", "c"] * 7)
    ledger.unpaired(3, stratum="d")
    state = ledger.state_
    assert state.spent
    assert state.by_stratum
    assert state.checks
    assert MigrationState.from_json(orjson.loads(orjson.dumps(state.to_json()))) == state
    assert begun(state).planned == state.planned


@pytest.mark.parametrize("cut", [1, 3, 10])
def test_the_state_of_budgets_strata_and_checks_is_the_same_however_blocks_are_cut(cut: int) -> None:
    """With losses in some strata, the same rows in smaller blocks leave every guard's state as one block does."""
    pairs = drawn(41, 9, **GOOD)
    values = {
        name: [(None, None, "missing") if i % 7 == 0 else row for i, row in enumerate(rows)]
        for name, rows in pairs.values.items()
    }
    strata = ["hard" if i % 7 == 0 else "easy" for i in range(41)]
    whole = canary(error_budget={"correctness": 0.3})
    parts = whole.copy()
    whole.pairs(Pairs(values), stratum=strata)
    for start in range(0, 41, cut):
        stop = min(41, start + cut)
        parts.pairs(Pairs(values).part(start, stop), stratum=strata[start:stop])
    for name in ("spent", "by_stratum", "checks", "waiting", "strata", "n_phase", "monitors"):
        assert getattr(whole.state_, name) == getattr(parts.state_, name), name
