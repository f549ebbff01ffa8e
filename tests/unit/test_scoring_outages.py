"""What befalls both agents: a pair to which neither answered says nothing of either, and never passes for evidence."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from dualgate.processors.scoring.logic import score_batch
from dualgate.processors.scoring.protocol import Score
from dualgate.schemas.records import Status
from support.gate import GOOD, Ledger, config, drawn, fallen, with_phases
from support.scoring import pair, response, scoring, shop

FAILED = ("error", "timeout")


def scores(tmp_path: Path, incumbent: Status, challenger: Status) -> dict[str, Sequence[Score]]:
    """Return the scores of one pair of answers with these statuses, right where there is an answer."""
    arms = (response("incumbent", "SELECT 1", status=incumbent), response("challenger", "SELECT 1", status=challenger))
    return score_batch(scoring(shop(tmp_path, {"g1": "SELECT 1"})), [pair(*arms)])


@pytest.mark.parametrize("incumbent", get_args(Status))
@pytest.mark.parametrize("challenger", get_args(Status))
def test_only_where_neither_agent_answered_is_nothing_scored(tmp_path: Path, incumbent: Status, challenger: Status) -> None:
    """Errors and time-outs of both arms are missing on both; a challenger that fails alone is wrong and over the SLA."""
    found = scores(tmp_path, incumbent, challenger)
    neither = incumbent in FAILED and challenger in FAILED
    told = {(score.state, score.incumbent, score.challenger) for column in found.values() for score in column}
    if neither:
        assert told == {("missing", None, None), ("not_eligible", None, None)}
        assert found["semantic"][0].state == "not_eligible"
        assert {c[0].reason for name, c in found.items() if name != "semantic"} == {"neither agent answered"}
    elif "shed" in (incumbent, challenger):
        assert told == {("not_eligible", None, None)}
    elif challenger in FAILED:
        assert (found["correctness"][0].challenger, found["latency"][0].challenger) == (0.0, 1.0)
    else:
        assert found["latency"][0].challenger == 0.0


def test_an_outage_of_both_arms_is_no_evidence_and_holds_until_it_is_made_up_for() -> None:
    """No evidence moves; nobody is accepted while coverage is below its floor, and a good challenger is once it is not."""
    ledger = Ledger(config(phases=with_phases(shadow={"min_pairs": 100}))).start()
    for seed in range(5):
        ledger.pairs(drawn(20, seed, **GOOD))
    before = ledger.state_
    for seed in range(10):
        ledger.append(fallen(ledger, drawn(20, seed, **GOOD)))
    after = ledger.state_
    assert (before.phase, after.phase, after.counters["neither_answered"]) == ("SHADOW", "SHADOW", 200)
    assert after.dims == before.dims
    while ledger.state_.phase == "SHADOW":
        assert ledger.state_.n_units < 4000
        ledger.pairs(drawn(20, ledger.state_.n_units, **GOOD))
    assert ledger.state_.phase == "CANARY"
    accepted = next(d for d in ledger.decisions if d.rule == "accepted")
    scored, lost = (accepted.counters[f"{what}.correctness"] for what in ("scored", "missing"))
    assert scored / (scored + lost) >= 0.9 > 400 / 600
