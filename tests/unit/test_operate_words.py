"""What operators are told: a migration's view from the gate's topics, its words, and a decision as a proof."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from dualgate.cli.operate import proof, words
from dualgate.cli.operate.reading import Found
from dualgate.cli.operate.sending import EXIT_CODES, Sent, answer_in, order
from dualgate.cli.operate.view import View
from dualgate.cli.operate.watching import changes, fold
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import DecisionRecord, EvidenceRecord, Migration, RouterBehind, Routers
from dualgate.sinks.report.words import points
from support.ledgers import BETTER, GOOD, Ledger
from support.routing import MIGRATION, command
from support.stories import decision, evidence, snapshot

NOW = 1_060_000
"""The lease of `command()` ends just then."""


def view(*records: Any, at_ms: int = NOW) -> View:
    """Return the view of records."""
    made = View(MIGRATION)
    for record in records:
        made.take(record, at_ms)
    return made


def of(ledger: Ledger) -> View:
    """Return the view of what a gate publishes over a ledger."""
    made = View("m")
    for output in ledger.outputs:
        made.take(output.record, ledger.time_ms)
    return made


def printed(what: Any, width: int = 200) -> str:
    """Return what a console prints."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(what)
    return stream.getvalue()


def obeyed(kind: str, outcome: str = "applied", sequence: int = 2, **more: Any) -> EvidenceRecord:
    """Return the decision on an operator's command that changes no phase."""
    told = {"kind": "command", "rule": kind, "outcome": outcome, "actor": "ann@host", "routing_command": None}
    unique = {"decision_id": f"{kind}-{outcome}-{sequence}"}
    return decision(100, "SHADOW", "SHADOW", 0.0, sequence, **(told | unique | more))


def test_the_command_of_the_highest_sequence_counts() -> None:
    """An old command that is read late changes nothing; a renewal moves the lease alone."""
    seen = view(command(3, 0.5), command(2, 0.25), command(3, 0.5, issued_at_ms=1_030_000))
    assert seen.command == command(3, 0.5, issued_at_ms=1_030_000)
    assert seen.lease_left_ms(NOW) == 30_000


def test_a_lease_by_a_clock_that_is_ahead_is_no_longer_than_any() -> None:
    """A command that was issued an hour from now is obeyed for one lease since it was heard; status says what happened."""
    ahead = command(3, 0.5, issued_at_ms=NOW + 3_600_000)
    told = view(ahead).document(NOW + 60_001)
    assert told["lease_left_ms"] == -1
    assert "LEASE RAN OUT: the incumbent serves everyone (commanded: 50%)" in words.headline(told)
    assert [line for line in words.status_lines(told) if line.startswith("THE LEDGER'S CLOCK")] == [
        "THE LEDGER'S CLOCK IS 58 min 59 s AHEAD of this one (was the broker's clock set?): until then no lease is renewed and "
        "routers serve the incumbent, then it goes on by itself"
    ]
    assert not any("CLOCK" in line for line in words.status_lines(view(command(3, 0.5)).document(NOW)))


def test_a_new_epoch_counts_more_than_a_high_sequence() -> None:
    """Sequences begin anew with each epoch."""
    assert view(command(9), command(1, 0.0, epoch=2)).document(NOW)["epoch"] == 2


def test_paused_is_what_the_last_applied_command_says() -> None:
    """A pause stays until it is resumed; what was refused or changed nothing has no part in it."""
    paused = view(obeyed("pause"))
    assert paused.paused
    assert view(obeyed("pause"), obeyed("approve", "refused")).paused
    assert not view(obeyed("pause"), obeyed("resume")).paused
    assert not view(obeyed("pause", "refused")).paused


def test_a_pause_lasts_until_resume() -> None:
    """Neither freeing a held migration nor a new epoch, by `retry` or by another file, takes an operator's pause back."""
    assert view(obeyed("pause"), obeyed("retry")).paused
    assert view(obeyed("pause"), obeyed("retry", epoch=2)).paused
    assert view(obeyed("pause"), obeyed("start", epoch=2)).paused
    assert not view(obeyed("pause"), obeyed("start", epoch=2), obeyed("resume", epoch=2)).paused


def test_the_view_agrees_with_the_gates_own_state() -> None:
    """Phase, pause and counts of the view are those of the fold, at every moment of a migration."""
    ledger = Ledger.started()
    for step in ("pause", "resume", "abort", "retry"):
        ledger.pairs(*[GOOD, BETTER] * 20)
        ledger.command(step)
        assert ledger.state is not None
        seen = of(ledger)
        assert (seen.phase, seen.paused, seen.terminal) == (ledger.phase, ledger.state.paused, not ledger.state.active)
        assert seen.document(ledger.time_ms)["n_pairs"] == ledger.state.n_units


def test_a_decision_published_twice_is_told_once() -> None:
    """A gate that was killed publishes again what it had published."""
    once = decision(100, "SHADOW", "CANARY", 0.05)
    assert len(view(once, once).decisions) == 1


def test_status_says_what_is_waited_for_with_both_numbers() -> None:
    """Phase, share, the wait, every dimension with evidence and threshold, the last decision and its reason."""
    migration = Migration(
        migration_id=MIGRATION, epoch=1, config_hash="abc", config="{}", incumbent_version="a:6", challenger_version="a:7",
        accepted_at_ms=0,
    )  # fmt: skip
    shot = snapshot(2_000, "CANARY", 0.05, waiting_for="observations: 120 of 2000")
    seen = view(migration, decision(1_900, "SHADOW", "CANARY", 0.05), shot, command(2, 0.05, phase="CANARY"))
    now = printed(words.status(seen.document(NOW)))
    assert f"{MIGRATION}: CANARY, challenger serves 5% (epoch 1, sequence 2, 2,000 pairs)" in now
    told = printed(words.status(seen.document(NOW + 90_000)))
    assert "a:6 → a:7, configuration abc" in told
    assert "waiting for observations: 120 of 2000" in told
    assert "last update 1 min 30 s ago" in told
    assert "routers serve the incumbent" in told
    assert "last decision: SHADOW → CANARY, gate: all four dimensions accepted" in told
    assert "2.20 / 4.38" in told


def test_a_dimension_that_is_off_is_said_loudly() -> None:
    """It stands in a line of its own, not only in the table."""
    off = {**{name: evidence(name, 500) for name in ("correctness", "latency")}, "safety": evidence("safety", 0, status="off")}
    told = printed(words.status(view(command(), snapshot(500, dimensions=off)).document(NOW)))
    assert "not measured at all (off in the migration file): safety" in told


def test_words_with_brackets_are_taken_as_they_are() -> None:
    """A reason that looks like markup is told whole."""
    seen = view(command(), snapshot(100, waiting_for="[red]an operator[/red]"), obeyed("pause", reason="why [bold]not[/bold]"))
    told = printed(words.status(seen.document(NOW)))
    assert "[red]an operator[/red]" in told
    assert "why [bold]not[/bold]" in told


def test_what_no_gate_has_accepted_is_not_decided() -> None:
    """A start that was refused leaves a migration without a phase."""
    seen = view(obeyed("start", "refused", epoch=0))
    document = seen.document(NOW)
    assert (document["phase"], document["verdict"]) == (None, "undecided")
    assert words.headline(document) == f"{MIGRATION}: no such migration, no gate has accepted a start of it"


@pytest.mark.parametrize(
    ("phase", "verdict", "over"),
    [
        ("CALIBRATING", "undecided", False),
        ("SHADOW", "undecided", False),
        ("ROLLOUT(0.25)", "promoted", False),
        ("COMPLETED", "completed", True),
        ("REJECTED(worse)", "rejected", True),
        ("ROLLED_BACK", "rolled_back", True),
        ("ABORTED", "aborted", True),
        ("INCONCLUSIVE", "inconclusive", True),
    ],
)
def test_each_phase_has_its_verdict_and_its_end(phase: str, verdict: str, over: bool) -> None:
    """The verdict gives the exit code; `--watch` ends where nothing but an operator goes on."""
    seen = view(command(phase=phase))
    assert (seen.document(NOW)["verdict"], seen.terminal) == (verdict, over)


def test_without_a_terminal_a_line_is_told_at_each_change_only() -> None:
    """The same view twice is silence; each decision is told once, also where several were made between two looks."""
    said: list[str] = []
    first = view(command(1, 0.0, phase="SHADOW"), snapshot(90, waiting_for="pairs: 90 of at least 100"))
    tell = changes(said.append, first)
    tell(NOW)
    tell(NOW + 5)
    assert said[1:] == ["  waiting for pairs: 90 of at least 100"]
    first.take(obeyed("approve", reason="ann: approved"), NOW)
    first.take(decision(100, "SHADOW", "CANARY", 0.05), NOW)
    tell(NOW)
    tell(NOW)
    assert [line.split(":")[0] for line in said[2:]] == ["  approve applied", "  SHADOW → CANARY, gate"]


def test_a_lease_that_ran_out_is_in_the_headline() -> None:
    """Whoever is woken must not read that the challenger serves a quarter while nobody obeys; a watch tells it as a change."""
    seen, said = view(command(phase="CANARY")), list[str]()
    tell = changes(said.append, seen)
    tell(NOW - 1)
    tell(NOW + 1)
    assert "challenger serves 25%" in said[0]
    assert "LEASE RAN OUT: the incumbent serves everyone (commanded: 25%)" in said[1]
    assert "0% (lease ran out)" in printed(words.overview([seen.document(NOW + 1)]))


def test_status_tells_the_last_commands_and_who_gave_them() -> None:
    """When, who, what, what came of it and why: also what was refused; the last decision is not told twice."""
    seen = view(
        command(), obeyed("pause", reason="ann@host: paused (freeze)"), obeyed("approve", "refused", reason="nothing waits")
    )
    lines = words.status_lines(seen.document(NOW))
    (operators,) = [line for line in lines if line.startswith("operators: ")]
    assert operators.endswith("UTC ann@host: pause applied: ann@host: paused (freeze)")
    assert any(line.startswith("last decision: approve refused: nothing waits") for line in lines)


def test_status_says_what_an_end_leaves_to_an_operator_and_where_no_router_is() -> None:
    """Nothing is waited for, so the words say what may be done; no router is said, not counted as 0 that follow."""
    none = Routers(following=0, silent=0, n_behind=0, behind=[], rolling_back=False)
    ended = view(
        command(phase="REJECTED(worse)"), snapshot(100, "REJECTED(worse)", waiting_for="nothing: REJECTED(worse)", routers=none)
    )
    lines = words.status_lines(ended.document(NOW))
    assert "waiting for nothing: REJECTED(worse) is the end, unless an operator gives retry or another start" in lines
    assert "routers: none has acknowledged a command" in lines


def test_names_are_whole_on_a_narrow_terminal() -> None:
    """The table of the dimensions fits 80 columns with every name and status in one piece."""
    told = printed(words.dimensions(view(command(), snapshot(100)).document(NOW)["dimensions"]), 80)
    assert all(name in told for name in ("correctness", "latency", "semantic", "safety", "collecting"))
    assert "…" not in told.replace(" … ", "").replace(" …\n", "").replace(" …", "")


@pytest.mark.parametrize(
    ("ms", "told"), [(0, "0 s"), (59_999, "59 s"), (61_000, "1 min 1 s"), (3_720_000, "1 h 2 min"), (90_000_000, "1 d 1 h")]
)
def test_ages_are_told_in_two_units(ms: int, told: str) -> None:
    """The greatest two that matter."""
    assert words.age(ms) == told


def test_several_migrations_are_a_row_each() -> None:
    """An overview has phase, share and wait of all."""
    told = printed(words.overview([view(command(), snapshot(100, waiting_for="the next pair")).document(NOW)]))
    assert "CANARY" in told
    assert "25%" in told
    assert "the next pair" in told


def found(record: Any, topic: str = "evidence", key: str = MIGRATION) -> Found:
    """Return a record as it is read."""
    value = record if isinstance(record, bytes) else Codec().encode(record)
    return Found(topic, 0, 0, NOW, key, value)


def test_records_go_to_their_own_migration_and_what_cannot_be_read_says_nothing() -> None:
    """Views are by key; a broken record is left out."""
    views: dict[str, View] = {}
    fold(views, [found(command(), "decisions"), found(b"?"), found(snapshot(100), key="other")], Codec())
    assert sorted(views) == ["other", MIGRATION]


def test_the_answer_is_the_decision_on_this_very_command() -> None:
    """Another operator's decision, a snapshot or a broken record is none."""
    mine = obeyed("pause", command_id="mine")
    others = [found(b"?"), found(snapshot(100)), found(obeyed("pause", command_id="other")), found(command(), "decisions")]
    assert answer_in(others, "mine", Codec()) is None
    assert answer_in([*others, found(mine)], "mine", Codec()) == mine.decision


def answered(outcome: str | None, waited_s: float | None = 30.0, **more: Any) -> Sent:
    """Return a command that was sent, with an answer of this outcome or none."""
    sent = Sent(order("pause", MIGRATION, "why"), 0, 17, waited_s)
    return sent if outcome is None else replace(sent, answer=obeyed("pause", outcome, **more).decision)


def test_each_outcome_has_its_exit_code_and_its_words() -> None:
    """Applied and unchanged 0, refused 2, no answer 1; the words say what changed or what to do."""
    cases = {"applied": 0, "unchanged": 0, "refused": 2}
    for outcome, code in cases.items():
        sent = answered(outcome, reason="12 ≥ 10")
        assert (sent.outcome, EXIT_CODES[sent.outcome]) == (outcome, code)
        assert f"{MIGRATION}: pause {outcome}: 12 ≥ 10" in sent.words()
    nobody, left = answered(None), answered(None, None)
    assert (nobody.outcome, EXIT_CODES[nobody.outcome]) == ("unanswered", 1)
    assert "no gate answered within 30 s; the command stands at offset 17 of the ledger" in nobody.words()
    assert (left.outcome, EXIT_CODES[left.outcome]) == ("published", 0)
    assert left.document()["ledger"] == {"partition": 0, "offset": 17}


def test_a_transition_says_from_where_to_where_and_the_share() -> None:
    """What changed is told beside the reason."""
    moved = decision(100, "SHADOW", "CANARY", 0.05, kind="command", rule="approve", outcome="applied").decision
    assert answered(None).words() != (told := replace(answered(None), answer=moved).words())
    assert told.endswith("[SHADOW → CANARY, challenger serves 5%]")


def test_a_command_carries_who_why_and_an_id_of_its_own() -> None:
    """Two commands alike are two commands."""
    first, second = order("abort", MIGRATION, "wrong build"), order("abort", MIGRATION, "wrong build")
    assert first.command_id != second.command_id
    assert first.reason == "wrong build"
    assert "@" in first.actor


def walked() -> list[DecisionRecord]:
    """Return the decisions of a migration through two epochs."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD, BETTER] * 50)
    ledger.command("abort")
    ledger.command("retry")
    ledger.command("pause")
    return ledger.decisions


def test_a_sequence_is_explained_by_the_decision_that_caused_it() -> None:
    """Of the last epoch, unless another is named; without a sequence the last decision."""
    decisions = walked()
    assert proof.choose(decisions, "m", None, None).rule == "pause"
    assert proof.choose(decisions, "m", 1, None).rule == "retry"
    accepted = proof.choose(decisions, "m", 3, 1)
    assert (accepted.rule, accepted.to_phase) == ("accepted", "CANARY")
    with pytest.raises(ConfigError, match="no decision is of epoch 7; there are decisions of 1, 2"):
        proof.choose(decisions, "m", None, 7)
    with pytest.raises(ConfigError, match="epoch 2 has no sequence 7; it has 1"):
        proof.choose(decisions, "m", 7, None)
    with pytest.raises(ConfigError, match="no decision"):
        proof.choose([], "m", None, None)


def test_an_explanation_has_both_numbers_of_every_dimension() -> None:
    """Rule, reason, place, hashes, scorers and routers; and for each dimension its evidence against each threshold."""
    accepted = proof.choose(walked(), "m", 3, 1)
    told = dict(proof.lines(accepted))
    assert proof.what(accepted) == "m, epoch 1, sequence 3: SHADOW → CANARY by accepted"
    assert told["because"] == accepted.reason
    assert told["where"].startswith(f"ledger partition 0, offset {accepted.ledger_offset}, row ")
    assert told["configuration"] == accepted.config_hash
    assert told["scorers"] == "correctness 1"
    assert "a:2 serves 5%, a:1 the others" in told["routers"]
    assert told["recompute"] == "dualgate verify m"
    proven = list(proof.proof(accepted))
    assert [line.split(":")[0] for line in proven] == ["correctness", "latency", "semantic", "safety"]
    for line, each in zip(proven, accepted.dimensions.values(), strict=True):
        assert f"accepted; good enough: log e {each.log_e:.4f} ≥ {each.threshold:.4f}" in line
        assert f"its own condition first held at pair {each.pairs_to_decision}" in line


def test_who_commanded_is_told() -> None:
    """An operator's decision names the operator and the command."""
    told = dict(proof.lines(proof.choose(walked(), "m", 1, 2)))
    assert told["by"].startswith("ann, command c")


def test_history_tells_who_did_what_when() -> None:
    """Every decision in its order: the operator by name with the reason, the gate where nobody asked."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD, BETTER] * 50)
    ledger.command("pause")
    lines = list(proof.history(of(ledger).decisions))
    assert [line.partition("UTC  ")[2].partition(":")[0] for line in lines] == ["ann", "the gate", "the gate", "ann"]
    assert lines[-1].startswith("1970-01-01 00:00:04.000 UTC  ann: epoch 1, sequence 3: pause was applied; the phase is CANARY")
    assert lines[-1].endswith("(because)")


def test_routers_that_do_not_follow_are_named() -> None:
    """With the command that they obey and when they were heard; the headline says that users are still being taken back."""
    behind = [RouterBehind(router_id="web-2", epoch=1, sequence=2, heard_ms=NOW - 40_000, challenger=0)]
    told = Routers(following=2, silent=1, n_behind=1, behind=behind, rolling_back=True)
    seen = view(command(3, 0.0, phase="ROLLED_BACK"), snapshot(100, "ROLLED_BACK", routers=told))
    document = seen.document(NOW)
    assert "ROLLED_BACK, rolling back, challenger serves 0%" in words.headline(document)
    line = words.routers(document["routers"], NOW)
    assert line == "routers: 2 follow, 1 silent beyond the lease; NOT FOLLOWING: web-2 (obeys 1/2, heard 40 s ago)"
    assert not seen.terminal


@pytest.mark.parametrize(
    ("obeyed_sequence", "share", "lease_ms", "heard_ms", "gone"),
    [
        (2, 0.25, 60_000, NOW - 60_001, True),  # its own lease is over: it serves the incumbent
        (2, 0.25, 60_000, NOW - 60_000, False),
        (2, 1.0, None, NOW - 86_400_000, False),  # COMPLETED is obeyed for ever: silence says nothing
        (2, 0.0, None, NOW - 20_001, True),  # it has nobody on the challenger, whatever it missed
        (2, 0.0, None, NOW - 20_000, False),  # two acknowledgements may be late
        (0, 0.25, 60_000, NOW - 20_001, True),  # it never heard of a command
        (9, 0.25, 60_000, NOW - 86_400_000, False),  # a command that nobody knows
    ],
)
def test_a_router_that_is_gone_is_not_named_for_ever(
    obeyed_sequence: int, share: float, lease_ms: int | None, heard_ms: int, gone: bool
) -> None:
    """After an end no snapshot comes that could tell its silence; status counts it as silent once no user can be left on it."""
    behind = [RouterBehind(router_id="web-2", epoch=1, sequence=obeyed_sequence, heard_ms=heard_ms, challenger=0)]
    told = Routers(following=1, silent=0, n_behind=1, behind=behind, rolling_back=False)
    given = decision(50, "SHADOW", "CANARY", share, 2, routing_command=command(2, share, lease_ms=lease_ms))
    ended = snapshot(100, "ABORTED", routers=told)
    document = view(given, command(3, 0.0, phase="ABORTED", lease_ms=None), ended).document(NOW)["routers"]
    assert (document["silent"], document["n_behind"], document["behind"] == []) == ((1, 0, True) if gone else (0, 1, False))


@pytest.mark.parametrize(("name", "shown"), [("correctness", "-1.0000 … 1.0000"), ("latency", "-5.9780 … 5.9780")])
def test_an_interval_is_shown_no_wider_than_a_difference_can_be(name: str, shown: str) -> None:
    """One weighed unit bounds nothing: the table says -1 to 1 of shares; a relative latency has no such bound."""
    wide = evidence(name, 1, interval_low=-5.978, interval_high=5.978)
    document = view(snapshot(1, dimensions={name: wide})).document(NOW)
    assert shown in printed(words.dimensions(document["dimensions"]))


def test_points_are_no_more_than_a_difference_can_be() -> None:
    """A report and a backtest say at most 100 points, and what is less as it is."""
    assert [points(each) for each in (-5.978, 5.978, 0.064, 0.0)] == ["-100.0 points", "+100.0 points", "+6.4 points", "0 points"]
