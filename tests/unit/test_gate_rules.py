"""The gate's rules, one by one, on small ledgers."""

import pytest

from dualgate.gate.fold import At, fold_ledger, migration_of, step
from dualgate.gate.waiting import waiting_for
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import AckCount, Claim, Command, CommandKind, LedgerEntry, RoutingAck
from support.ledgers import BETTER, EASY, GOOD, HEAD, MISSING, SHORT, SILENT, WORSE, Ledger, Pair, coverage, quality

WALK = ["CALIBRATING", "SHADOW", "CANARY", "ROLLOUT(0.5)", "TAIL", "COMPLETED"]


def test_a_good_challenger_walks_the_whole_way() -> None:
    """Each phase is entered in order with its share, and every transition says both of its numbers."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 400)
    assert ledger.walked == WALK
    assert [c.live_share for c in ledger.commands] == [0.0, 0.0, 0.05, 0.5, 1.0, 1.0]
    assert [c.sequence for c in ledger.commands] == [1, 2, 3, 4, 5, 6]
    assert all("≥" in d.reason for d in ledger.decisions if d.kind == "transition")
    last = ledger.commands[-1]
    assert (last.incumbent_version, last.challenger_version, last.lease_ms) == ("a:1", "a:2", None)


def test_a_worse_challenger_is_rejected_before_any_user() -> None:
    """Shown worse in SHADOW is REJECTED(worse), and the dimension says so."""
    ledger = Ledger.started()
    ledger.pairs(*[WORSE] * 300)
    assert ledger.phase == "REJECTED(worse)"
    assert max(c.live_share for c in ledger.commands) == 0
    found = ledger.decisions[-1]
    assert found.dimensions["correctness"].status == "worse"
    assert "correctness is worse than the incumbent by more than 0: log e" in found.reason


def test_worse_in_calibrating_is_rejected() -> None:
    """The degradation processes run from the first pair on, calibrating or not."""
    ledger = Ledger.started(HEAD + SHORT.replace("pairs: 20", "pairs: 1000") + EASY)
    ledger.pairs(*[WORSE] * 300)
    assert ledger.phase == "REJECTED(worse)"
    assert ledger.walked == ["CALIBRATING", "REJECTED(worse)"]


def test_worse_with_users_is_rolled_back() -> None:
    """An alarm in a live phase takes all traffic back at once."""
    ledger = Ledger.started()
    while ledger.phase != "CANARY":
        ledger.pairs(GOOD)
    ledger.pairs(*[WORSE] * 30, block=1)
    while ledger.state is not None and ledger.state.active:
        ledger.pairs(WORSE)
    assert ledger.phase == "ROLLED_BACK"
    assert ledger.commands[-1].live_share == 0


def test_futility_is_not_harm() -> None:
    """A challenger below its design is REJECTED(futile) although it is no worse than the incumbent."""
    ledger = Ledger.started()
    bad = Pair(values={"semantic": (0.3, 0.3)})
    ledger.pairs(*[bad] * 500)
    assert ledger.phase == "REJECTED(futile)"
    assert ledger.decisions[-1].dimensions["semantic"].status == "rejected"
    assert "no evidence of harm" in ledger.decisions[-1].reason


def test_the_horizon_is_inconclusive() -> None:
    """Max pairs without a verdict is INCONCLUSIVE and nobody is on the challenger."""
    ledger = Ledger.started(
        HEAD
        + SHORT.replace("max_pairs: 2000", "max_pairs: 60")
        + EASY.replace("null: -0.5, design: -0.01", "null: 0.1, design: 0.2")
    )
    ledger.pairs(*[GOOD, BETTER, GOOD, GOOD, GOOD, GOOD, GOOD] * 30)
    assert ledger.phase == "INCONCLUSIVE"
    assert "60 pairs ≥ max_pairs 60" in ledger.decisions[-1].reason


def test_min_duration_is_on_the_evidence_clock() -> None:
    """Enough evidence does not end a phase before its least duration, and the wait is told with both numbers."""
    ledger = Ledger.started(HEAD + SHORT.replace("shadow: {min_duration: 1m", "shadow: {min_duration: 10h") + EASY)
    ledger.pairs(*[GOOD] * 400)
    assert ledger.phase == "SHADOW"
    assert ledger.state is not None
    assert "duration: 6.3 h of 10 h" in waiting_for(ledger.state)
    ledger.pairs(*[GOOD] * 260)
    assert ledger.phase != "SHADOW"


def test_silence_of_the_challenger_counts_as_the_worst() -> None:
    """A challenger that drops queries is not accepted by the others that it answers."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD, SILENT] * 300)
    assert max(c.live_share for c in ledger.commands) == 0
    assert ledger.decisions[-1].counters["silent.correctness"] > 0


def test_missing_on_both_arms_holds() -> None:
    """No evidence is never a pass: coverage under its floor holds the step, and is what is waited for."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD, GOOD, GOOD, MISSING] * 200)
    assert ledger.phase == "SHADOW"
    assert ledger.state is not None
    assert "coverage of correctness: 0.749 < 0.9" in waiting_for(ledger.state)


def test_hold_says_that_silence_is_missing() -> None:
    """With missing: hold a silent challenger is no observation, and coverage holds the step."""
    text = HEAD + SHORT + EASY.replace("worse_by: 0.0}", "worse_by: 0.0, missing: hold}")
    ledger = Ledger.started(text)
    ledger.pairs(*[GOOD, GOOD, GOOD, SILENT] * 100)
    assert ledger.decisions[-1].dimensions["correctness"].n_missing > 0
    assert ledger.phase in ("SHADOW", "REJECTED(futile)")


def test_a_query_without_the_challengers_answer_counts() -> None:
    """What expired unpaired because the challenger was silent is the worst value; other reasons are counted only."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 60)
    ledger.append(
        coverage([("no_challenger", "challenger")] * 2 + [("no_answer", None)] * 5 + [("late", None)] * 3, 0, ledger.identity)
    )
    assert ledger.state is not None
    counters = ledger.state.counters
    assert (counters["silent.correctness"], counters["missing.correctness"], counters["unpaired.late"]) == (2, 5, 3)
    assert ledger.state.dims[0].n_accept == 60 - 20 + 2


def test_evidence_is_counted_once() -> None:
    """A block that comes again, whole or cut otherwise, adds only what lies above the high-water mark."""
    once, twice = Ledger.started(), Ledger.started()
    once.pairs(*[GOOD, WORSE, BETTER] * 20)
    blocks = [GOOD, WORSE, BETTER] * 20
    for first, last in ((0, 30), (0, 30), (10, 45), (45, 60), (20, 60)):
        twice.append(quality(blocks[first:last], first, twice.identity))
    assert once.state is not None
    assert twice.state is not None
    assert twice.state.dims == once.state.dims
    assert twice.state.counters["repeated"] == 30 + 20 + 40


def test_other_versions_are_never_mixed_in() -> None:
    """Pairs of another agent version, epoch or configuration are counted as such and are no evidence."""
    ledger = Ledger.started()
    ledger.pairs(*[Pair(versions=("a:1", "a:3"))] * 40)
    ledger.append(quality([GOOD] * 10, 100, (7, ledger.identity[1])))
    ledger.append(quality([GOOD] * 10, 100, (1, "other")))
    assert ledger.state is not None
    assert (ledger.state.n_units, ledger.state.counters["other_version"]) == (0, 60)


def test_a_topic_made_anew_holds_until_retry() -> None:
    """Another lineage is never counted by the old offsets; an operator's retry goes on with it."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 30)
    ledger.pairs(*[GOOD] * 30, lineage="t2")
    assert ledger.state is not None
    assert ledger.state.n_units == 30
    assert "made anew" in waiting_for(ledger.state)
    assert ledger.command("retry").outcome == "applied"
    ledger.pairs(*[GOOD] * 10, lineage="t2")
    assert ledger.state.n_units == 40


def test_units_are_first_turns() -> None:
    """With unit first only the first turn of a session is an observation."""
    ledger = Ledger.started(HEAD + "unit: {by: first}\n" + SHORT + EASY)
    ledger.pairs(*[Pair(turn=1), Pair(turn=2), Pair(turn=None)] * 5)
    assert ledger.state is not None
    assert (ledger.state.n_units, ledger.state.counters["not_unit"]) == (10, 5)


def test_live_pairs_count_only_under_the_phases_command() -> None:
    """In mode live a live phase counts what was routed under its own commands."""
    ledger = Ledger.started(HEAD.replace("replay", "live") + SHORT.replace("1m", "0s") + EASY)
    ledger.pairs(*[GOOD] * 200)
    assert ledger.phase == "CANARY"
    sequence = ledger.commands[-1].sequence
    ledger.pairs(*[Pair(sequence=sequence - 1)] * 100)
    assert ledger.phase == "CANARY"
    ledger.pairs(*[Pair(sequence=sequence)] * 100)
    assert ledger.phase == "ROLLOUT(0.5)"


def test_abort_wins_once_and_does_nothing_after() -> None:
    """Abort ends any running phase, says so once, and is a no-op when nothing runs."""
    ledger = Ledger.started()
    ledger.command("pause")
    assert ledger.command("abort").outcome == "applied"
    n = len(ledger.commands)
    assert ledger.command("abort").outcome == "unchanged"
    ledger.pairs(*[GOOD] * 300)
    assert (ledger.phase, len(ledger.commands)) == ("ABORTED", n)


def test_paused_evaluates_and_rejects_but_does_not_advance() -> None:
    """A pause stops larger shares only."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 40)
    assert ledger.command("pause").outcome == "applied"
    assert ledger.command("pause").outcome == "unchanged"
    ledger.pairs(*[GOOD] * 200)
    assert ledger.phase == "SHADOW"
    assert ledger.command("resume").outcome == "applied"
    assert ledger.phase == "CANARY"
    ledger.command("pause")
    while ledger.state is not None and ledger.state.active:
        ledger.pairs(WORSE)
    assert ledger.phase == "ROLLED_BACK"


def test_an_approval_is_the_last_condition() -> None:
    """A share that wants approval waits for it; approving earlier is refused with what is waited for."""
    ledger = Ledger.started(
        HEAD + SHORT.replace("reset", "reset").replace("steps: [0.5],", "steps: [0.5], approval: [0.5],") + EASY
    )
    ledger.pairs(*[GOOD] * 40)
    early = ledger.command("approve")
    assert early.outcome == "refused"
    assert "waiting for" in early.reason
    ledger.pairs(*[GOOD] * 300)
    assert ledger.phase == "CANARY"
    assert ledger.state is not None
    assert waiting_for(ledger.state) == "an operator's approve of ROLLOUT(0.5)"
    assert ledger.command("approve").outcome == "applied"
    assert ledger.phase == "ROLLOUT(0.5)"


def test_a_dimension_that_is_off_waits_for_an_operator() -> None:
    """With a dimension off the others' acceptance does not promote by itself."""
    ledger = Ledger.started(HEAD + SHORT + EASY.replace("semantic: {null: 0.3, design: 0.8, worse_by: 0.05}", "semantic: off"))
    ledger.pairs(*[GOOD] * 300)
    assert ledger.phase == "SHADOW"
    assert ledger.decisions[-1].dimensions["semantic"].status == "off"
    ledger.command("approve")
    assert ledger.phase == "CANARY"


@pytest.mark.parametrize("kind", ["pause", "resume", "approve", "abort", "rollback", "retry"])
def test_no_migration_no_effect(kind: str) -> None:
    """A command on a migration that does not exist is refused in words."""
    order = Command(command_id="c", migration_id="m", kind=kind, actor="a", issued_at_ms=0)  # type: ignore[arg-type]
    state, outputs = step(None, "m", LedgerEntry(command=order), At(0, 0, 1))
    assert state is None
    assert outputs[0].record.decision.outcome == "refused"
    assert "no migration m" in outputs[0].record.decision.reason


def test_rollback_is_for_live_phases() -> None:
    """Rollback takes users back from a live phase or from COMPLETED; before that there is nobody to take back."""
    ledger = Ledger.started()
    assert ledger.command("rollback").outcome == "refused"
    ledger.pairs(*[GOOD] * 400)
    assert ledger.phase == "COMPLETED"
    assert ledger.command("rollback").outcome == "applied"
    assert (ledger.phase, ledger.commands[-1].live_share) == ("ROLLED_BACK", 0.0)
    assert ledger.command("rollback").outcome == "unchanged"


def test_a_changed_configuration_is_a_new_epoch() -> None:
    """The same file again changes nothing; another begins at CALIBRATING with no evidence, and old pairs do not count."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 80)
    assert ledger.phase == "CANARY"
    old = ledger.identity
    assert ledger.command("start").outcome == "unchanged"
    ledger.command("start", HEAD + SHORT.replace("pairs: 20", "pairs: 30") + EASY)
    assert ledger.state is not None
    assert (ledger.phase, ledger.identity[0], ledger.state.n_units) == ("CALIBRATING", 2, 0)
    assert ledger.commands[-1].live_share == 0
    ledger.append(quality([GOOD] * 20, 500, old))
    assert ledger.state.n_units == 0


@pytest.mark.parametrize("verb", ["start", "retry"])
def test_a_pause_outlasts_a_new_epoch(verb: CommandKind) -> None:
    """Only `resume` takes a pause back: another file, or a retry, begins paused and says so, and no share rises before resume."""
    ledger = Ledger.started()
    ledger.command("pause")
    if verb == "retry":
        ledger.command("abort")
    ledger.command(verb, HEAD + SHORT.replace("pairs: 20", "pairs: 30") + EASY)
    assert ledger.decisions[-1].reason.endswith("; it is still paused: no larger share until resume (because)")
    ledger.pairs(*[GOOD] * 200)
    assert (ledger.phase, ledger.identity[0]) == ("SHADOW", 2)
    ledger.command("resume")
    assert ledger.phase == "CANARY"


def test_a_rejected_challenger_is_tried_again_only_by_retry() -> None:
    """Starting the same file again does not; retry begins a new epoch."""
    ledger = Ledger.started()
    ledger.pairs(*[WORSE] * 300)
    assert ledger.command("start").outcome == "unchanged"
    assert ledger.phase == "REJECTED(worse)"
    assert ledger.command("retry").outcome == "applied"
    assert (ledger.phase, ledger.identity[0]) == ("CALIBRATING", 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "unit: {by: session}\n", "unit.by=session"),
        (
            HEAD + "dimensions: {latency: {measure: relative}}\nphases: {calibrating: {pairs: 50}}\n",
            "phases.calibrating.pairs=50: dimensions.latency.measure=relative",
        ),
        (HEAD + "phases: {shadow: {min_pairs: 9, max_pairs: 5}}\n", "min_pairs=9 is above max_pairs=5"),
        (HEAD + "shadow_sampling: {easy: 1.0, hard: 0.01}\n", "sampling"),
    ],
)
def test_what_cannot_run_is_refused(text: str, words: str) -> None:
    """A start that the gate cannot carry out is refused with the key and what to use."""
    ledger = Ledger()
    found = ledger.command("start", text)
    assert found.outcome == "refused"
    assert words in found.reason
    assert ledger.state is None


def test_a_command_is_obeyed_once() -> None:
    """A command that was delivered twice has one effect and one record."""
    ledger = Ledger.started()
    ledger.command("pause", command_id="p")
    n = len(ledger.outputs)
    ledger.append(ledger.entries[-1][1])
    assert len(ledger.outputs) == n


def test_leases_are_renewed_by_ticks() -> None:
    """A renewal repeats epoch and sequence with a new time; a terminal phase has no lease to renew."""
    ledger = Ledger.started()
    assert ledger.tick(10_000) == []
    (renewed,) = ledger.tick(10_000)
    first = ledger.commands[0]
    assert (renewed.record.epoch, renewed.record.sequence) == (first.epoch, first.sequence)
    assert renewed.record.issued_at_ms == ledger.time_ms > first.issued_at_ms
    ledger.command("abort")
    assert ledger.tick(60_000) == []


def test_silence_holds_then_takes_the_users_back() -> None:
    """No evidence is said once after hold_after; after retreat_after the share is 0 and the phase is kept until data returns."""
    ledger = Ledger.started()
    while ledger.phase != "ROLLOUT(0.5)":
        ledger.pairs(GOOD)
    ledger.tick(31 * 60_000)
    assert ledger.decisions[-1].rule == "silence"
    ledger.tick(60_000)
    assert [d.rule for d in ledger.decisions].count("silence") == 1
    ledger.tick(6 * 3_600_000)
    assert (ledger.phase, ledger.commands[-1].live_share) == ("ROLLOUT(0.5)", 0.0)
    ledger.pairs(GOOD)
    assert (ledger.phase, ledger.commands[-1].live_share) == ("CANARY", 0.05)


def test_routers_acknowledge() -> None:
    """The state knows which command each router obeys."""
    ledger = Ledger.started()
    counts = [AckCount(stratum="all", arm="incumbent", sampled=True, count=3)]
    ack = RoutingAck(migration_id="m", router_id="r", epoch=1, sequence=1, counts=counts, sent_at_ms=0)
    ledger.append(LedgerEntry(ack=ack))
    assert ledger.state is not None
    assert ledger.state.routers["r"].order == (1, 1)


def test_an_entry_has_one_part_and_its_own_key() -> None:
    """None or two parts, or another migration's entry, is a record error; a claim is nobody's."""
    with pytest.raises(RecordError, match="has 0"):
        migration_of(LedgerEntry())
    claim = Claim(claim_id="x", issued_at_ms=0)
    assert migration_of(LedgerEntry(claim=claim)) is None
    ledger = Ledger.started()
    with pytest.raises(RecordError, match="under the key other"):
        step(None, "other", ledger.entries[0][1], At(0, 0, 0))


def test_evidence_off_its_lattice_is_a_record_error() -> None:
    """A value that no scorer may yield is refused, not clipped, and the state is unchanged."""
    ledger = Ledger.started()
    with pytest.raises(RecordError, match=r"7\.0"):
        ledger.pairs(Pair(values={"semantic": (0.9, 7.0)}))


def test_the_fold_of_the_log_is_the_log_of_the_fold() -> None:
    """Folding the finished ledger gives what was published entry by entry, bit for bit."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD, BETTER] * 150)
    ledger.tick(60_000)
    ledger.command("rollback")
    assert list(fold_ledger(ledger.entries)) == ledger.outputs
