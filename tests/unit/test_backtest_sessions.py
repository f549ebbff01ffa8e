"""Sessions as units of a backtest: means of their queries, silence, order, and what the gate does with them."""

from dataclasses import replace
from typing import Any

import pytest

from dualgate.gate.decide import At
from dualgate.gate.fold import step
from dualgate.gate.hypotheses import hypotheses
from dualgate.lab.backtest.sessions import by_session
from dualgate.schemas.migration import MigrationSpec
from dualgate.schemas.records import Command, LedgerEntry, QualityBlock
from support.gate import EASY, Ledger, Pairs, config, constant, with_phases

STATE = Ledger(config()).start().state_


def _quality(sessions: list[str | None], **rows: Any) -> LedgerEntry:
    """Return a scored block with the sessions of its rows; rows: dimension → (incumbent, challenger, state) a row."""
    n = len(sessions)
    block = Ledger(config()).start().quality(Pairs({**constant(n).values, **rows}))
    return LedgerEntry(quality=replace(block, session_hash=sessions))


def _blocks(*entries: LedgerEntry) -> list[QualityBlock]:
    return [entry.quality for entry in by_session(entries) if entry.quality]


def test_a_session_counts_its_mean_rounded_against_the_challenger() -> None:
    """Two of three right is .666 for the challenger and .667 for the incumbent; one violation in three .334 and .333."""
    right, wrong = (1.0, 1.0, "scored"), (0.0, 0.0, "scored")
    (block,) = _blocks(_quality(["a", "a", "a"], correctness=[right, right, wrong], safety=[right, wrong, wrong]))
    correctness, safety = block.dimensions["correctness"], block.dimensions["safety"]
    assert (correctness.challenger, correctness.incumbent) == ([0.666], [0.667])
    assert (safety.challenger, safety.incumbent) == ([0.334], [0.333])


def test_sessions_stand_where_their_last_query_stood() -> None:
    """A session is one row, at its last query; a query without a session is one by itself."""
    (block,) = _blocks(_quality(["a", "b", None]), _quality(["a", None]))
    assert block.session_hash == ["b", None, "a", None]
    assert block.offset == [0, 1, 2, 3]


def test_a_silent_query_makes_its_session_silent() -> None:
    """Where the challenger alone left a query unanswered, no mean of the others stands for the session."""
    nothing = (1.0, None, "missing")
    (block,) = _blocks(_quality(["a", "a", "b"], latency=[nothing, (0.0, 0.0, "scored"), (0.0, 0.0, "scored")]))
    assert block.dimensions["latency"].challenger == [None, 0.0]
    assert block.dimensions["latency"].state == ["missing", "scored"]


def test_the_mean_is_of_the_queries_that_are_eligible() -> None:
    """Semantics counts where both are right; a session without such a query is not eligible."""
    skipped = (None, None, "not_eligible")
    (block,) = _blocks(_quality(["a", "a", "b"], semantic=[skipped, (0.9, 0.8, "scored"), skipped]))
    assert block.dimensions["semantic"].challenger == [0.8, None]
    assert block.dimensions["semantic"].state == ["scored", "not_eligible"]


def test_the_gate_decides_on_sessions_only_where_the_log_is_closed() -> None:
    """A start with unit: session is refused by a running gate with the reason, and accepted where the log has ended."""
    given = config(unit={"by": "session"}, phases=with_phases(shadow={"min_pairs": 50}), dimensions=EASY)
    order = Command(
        command_id="1", migration_id=given.spec.migration, kind="start", actor="a", reason="", config=given.to_json(),
        config_hash=given.config_hash, issued_at_ms=0,
    )  # fmt: skip
    refused, outputs = step(None, given.spec.migration, LedgerEntry(command=order), At(0, 0, 0))
    assert refused is None
    assert "sessions are open while a migration runs" in outputs[0].record.decision.reason
    state, _ = step(None, given.spec.migration, LedgerEntry(command=order), At(0, 0, 0), closed=True)
    assert state is not None
    rows = {"correctness": [(1.0, 1.0, "scored"), (0.0, 1.0, "scored")] * 150}
    block = _quality([f"s{i // 2}" for i in range(300)], **rows).quality
    assert block is not None
    own = replace(block, epoch=state.migration.epoch, config_hash=state.migration.config_hash)
    for i, entry in enumerate(by_session([LedgerEntry(quality=own)]), 1):
        state, _ = step(state, given.spec.migration, entry, At(0, i, i))
    assert state is not None
    assert state.n_units == 150
    assert {
        code
        for spec, dim in zip(state.specs, state.dims, strict=True)
        if spec.name == "correctness"
        for code, _, _ in dim.worse_counts
    } == {1500}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shadow_sampling": {"all": 0.5}}, "a mean needs all of a session"),
        ({"dimensions": {"latency": {"measure": "relative"}}}, "averaged as exceedance"),
    ],
)
def test_what_has_no_mean_is_refused(changes: dict[str, Any], words: str) -> None:
    """A thinned session and a latency that is not averaged are errors that say what is accepted."""
    given = config(unit={"by": "session"}, **changes)
    order = Command(
        command_id="1", migration_id=given.spec.migration, kind="start", actor="a", reason="", config=given.to_json(),
        config_hash=given.config_hash, issued_at_ms=0,
    )  # fmt: skip
    state, outputs = step(None, given.spec.migration, LedgerEntry(command=order), At(0, 0, 0), closed=True)
    assert state is None
    assert words in outputs[0].record.decision.reason


def test_hypotheses_of_sessions_are_those_of_queries_on_a_finer_lattice() -> None:
    """Nulls, designs and bets are the same; only the values that an observation may take are more."""
    made = MigrationSpec.model_validate({"migration": "m", "incumbent": "a:1", "challenger": "a:2", "unit": {"by": "session"}})
    for mean, single in zip(hypotheses(made), hypotheses(made, single=True), strict=True):
        assert (mean.accept.null, mean.design, mean.accept.bets) == (single.accept.null, single.design, single.accept.bets)
        assert mean.accept.lattice.quantum == 0.001
