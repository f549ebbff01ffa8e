"""Commands by their ids: carried out once, never passed over in silence, and bounded in what the gate remembers of them."""

from dataclasses import replace
from typing import Any

import pytest

from dualgate.gate.orders import REMEMBERED
from dualgate.gate.state import MigrationState
from dualgate.gate.waiting import waiting_for
from dualgate.schemas.records import Command, DecisionRecord, LedgerEntry
from support.ledgers import BETTER, EASY, GOOD, HEAD, SHORT, WORSE, Ledger


def order(kind: str, command_id: str = "c1", issued_at_ms: int = 1, **changes: str) -> Command:
    """Return a command of ann's."""
    given = {"actor": "ann", "reason": "because", **changes}
    return Command(command_id=command_id, migration_id="m", kind=kind, issued_at_ms=issued_at_ms, **given)  # type: ignore[arg-type]


def give(ledger: Ledger, command: Command) -> list[DecisionRecord]:
    """Append a command and return the records of what it did, its transitions included."""
    return [o.record.decision for o in ledger.append(LedgerEntry(command=command)) if o.topic == "evidence" and o.record.decision]


def filled(n: int) -> Ledger:
    """Return a running migration that has been given as many commands more than its start."""
    ledger = Ledger.started()
    for i in range(n):
        give(ledger, order("pause" if i % 2 == 0 else "resume", f"p{i}", 10_000 + i))
    return ledger


def test_an_id_that_is_used_again_for_another_verb_is_refused_and_names_both() -> None:
    """Nothing is dropped in silence: the record says what the id was first given for, and nothing changes."""
    ledger = Ledger.started()
    give(ledger, order("pause"))
    (told,) = give(ledger, order("abort", actor="bob"))
    assert told.outcome == "refused"
    assert "'c1' was given to pause by ann and is given again to another command, abort by bob" in told.reason
    assert ledger.phase == "CALIBRATING"


def test_an_id_that_is_used_again_for_another_start_is_refused() -> None:
    """The same verb with another configuration is another command."""
    ledger = Ledger()
    first = ledger.config.to_json()
    give(ledger, replace(order("start"), config=first))
    (told,) = give(ledger, replace(order("start"), config=first.replace('"a:2"', '"a:3"')))
    assert (told.outcome, "an id of its own" in told.reason) == ("refused", True)


@pytest.mark.parametrize("name", ["actor", "command_id"])
@pytest.mark.parametrize("text", ["", "  ", "\x1b[2J", "x" * 1_000])
@pytest.mark.parametrize("started", [False, True])
def test_a_command_without_a_name_is_refused(name: str, text: str, started: bool) -> None:
    """Who did what stands on the record: an order by nobody, or with a name that cannot be shown, changes nothing."""
    ledger = Ledger.started() if started else Ledger()
    texts: dict[str, Any] = {name: text}
    command = replace(order("abort" if started else "start"), config=None if started else ledger.config.to_json(), **texts)
    (told,) = give(ledger, command)
    assert told.outcome == "refused"
    assert told.reason.startswith(name)
    assert "accepted: " in told.reason
    assert len(str(getattr(told, name))) <= 100
    assert ledger.state is None or ledger.phase == "CALIBRATING"


@pytest.mark.parametrize(("name", "kind"), [("reason", "pause"), ("config", "start")])
def test_a_text_that_is_too_long_to_remember_is_refused(name: str, kind: str) -> None:
    """The gate keeps both in its state, whose record a broker would refuse; then it could never go on."""
    ledger = Ledger.started()
    texts: dict[str, Any] = {name: "x" * 1_000_000}
    (told,) = give(ledger, replace(order(kind), **texts))
    assert told.outcome == "refused"
    assert told.reason.startswith(f"{name} has 1,000,000 bytes, accepted: at most ")
    assert len(told.reason) < 2_000


@pytest.mark.parametrize("kind", ["retry", "approve", "resume", "start"])
def test_a_command_that_may_be_an_old_one_again_is_refused(kind: str) -> None:
    """Ids are remembered for a bounded number of commands; what was issued before all of them is never carried out twice."""
    ledger = filled(REMEMBERED + 3)
    (told,) = give(ledger, replace(order(kind, "old", 10_000), config=ledger.config.to_json().replace('"a:2"', '"a:3"')))
    assert told.outcome == "refused"
    assert "may be a repetition" in told.reason
    assert ledger.identity[0] == 1


def test_an_old_abort_is_carried_out() -> None:
    """Abort always wins: a clock that is late must not keep anybody from taking users back."""
    ledger = filled(REMEMBERED + 3)
    give(ledger, order("abort", "old", 0))
    assert ledger.phase == "ABORTED"


def test_a_command_delivered_again_after_many_others_is_not_carried_out() -> None:
    """However many commands came between, a second delivery has no second effect."""
    ledger = Ledger.started()
    give(ledger, order("abort", "a", 5_000))
    again = order("retry", "r", 6_000)
    give(ledger, again)
    for i in range(REMEMBERED + 5):
        give(ledger, order("pause" if i % 2 == 0 else "resume", f"p{i}", 10_000 + i))
    give(ledger, order("abort", "b", 20_000))
    (told,) = give(ledger, again)
    assert (told.outcome, ledger.phase, ledger.identity[0]) == ("refused", "ABORTED", 2)


def test_what_is_remembered_is_bounded_and_survives_its_json() -> None:
    """One more command, one less remembered: the one that was issued first, also where clocks are ahead."""
    ledger = filled(REMEMBERED)
    for i in range(REMEMBERED):
        give(ledger, order("pause" if i % 2 == 0 else "resume", f"future{i}", 10**13 + i))
    (told,) = give(ledger, order("pause", "now", 50_000))
    assert told.outcome in ("applied", "unchanged")
    assert ledger.state is not None
    assert len(ledger.state.commands) == REMEMBERED
    assert MigrationState.from_json(ledger.state.to_json()) == ledger.state


def test_why_stands_on_the_record_also_where_nothing_changes() -> None:
    """An operator's reason is kept with what came of the command, a refusal too."""
    ledger = Ledger.started()
    for kind in ("resume", "rollback"):
        (told,) = give(ledger, order(kind, kind, 10_000, reason="the night shift"))
        assert told.outcome in ("unchanged", "refused")
        assert told.reason.endswith("(the night shift)")


def test_a_phase_that_has_just_begun_lacks_no_coverage() -> None:
    """Before its first unit nothing is short of its floor: the wait names what is wanted, once."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD, BETTER] * 50)
    assert ledger.phase == "CANARY"
    assert ledger.state is not None
    assert waiting_for(replace(ledger.state, n_phase=0, counters={})) == "observations: 0 of 40"


def test_a_challenger_that_was_shown_worse_is_tried_again_by_an_operator_only_and_never_unawares() -> None:
    """Evidence, time and the same file again change nothing; retry, or another file, begins an epoch and says what was found."""
    ledger = Ledger.started()
    ledger.pairs(*[WORSE] * 300)
    assert ledger.phase == "REJECTED(worse)"
    ledger.pairs(*[BETTER] * 300)
    ledger.tick(10**9)
    assert ledger.command("start").reason.startswith("this configuration is already REJECTED(worse)")
    assert (ledger.phase, ledger.identity[0]) == ("REJECTED(worse)", 1)
    words = "; a:2 was shown worse in epoch 1 (correctness) and is tried again (because)"
    assert ledger.command("retry").reason.endswith(words)
    ledger.command("abort")
    assert "shown worse" not in ledger.command("retry").reason


def test_another_challenger_is_not_blamed_for_the_one_before() -> None:
    """A new version in the file of the next start has a record of its own."""
    ledger = Ledger.started()
    ledger.pairs(*[WORSE] * 300)
    told = ledger.command("start", HEAD.replace("a:2", "a:3") + SHORT + EASY)
    assert (told.outcome, "shown worse" in told.reason) == ("applied", False)
