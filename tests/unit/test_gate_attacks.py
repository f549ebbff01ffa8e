"""What must never lead to a larger share, and what one bad row of a block must never do to the others."""

from dataclasses import replace
from typing import Any

import pytest

from dualgate.gate.table import MAX_ROW_BYTES, Row
from dualgate.schemas.errors import RecordError
from support.ledgers import EASY, GOOD, HEAD, SHORT, VALUES, Ledger, Pair, coverage, quality

HOUR_MS = 3_600_000


def in_canary() -> Ledger:
    """Return a ledger whose migration has just entered the canary."""
    ledger = Ledger.started()
    while ledger.phase != "CANARY":
        ledger.pairs(GOOD)
    return ledger


def share(ledger: Ledger) -> float:
    """Return the share of users that the last command gives the challenger."""
    return ledger.commands[-1].live_share


def test_a_pause_outlasts_a_retreat() -> None:
    """Users who were taken back while the migration is paused come again only after resume."""
    ledger = in_canary()
    ledger.command("pause")
    ledger.tick(7 * HOUR_MS)
    ledger.pairs(GOOD)
    assert share(ledger) == 0.0
    ledger.command("resume")
    assert share(ledger) == 0.0
    ledger.pairs(GOOD)
    assert share(ledger) == 0.05


def test_a_hold_outlasts_a_retreat() -> None:
    """Users who were taken back while a topic made anew holds the migration come again only after retry."""
    ledger = in_canary()
    for lineage in ("u1", "u2"):
        ledger.append(coverage([("no_challenger", "challenger")], 0, ledger.identity, lineage=lineage))
    ledger.tick(7 * HOUR_MS)
    ledger.pairs(GOOD)
    assert share(ledger) == 0.0
    ledger.command("retry")
    ledger.pairs(GOOD)
    assert share(ledger) == 0.05


def test_resume_after_silence_waits_for_an_observation() -> None:
    """Silence holds: what was accepted before it goes on with the first observation after it, not by a resume alone."""
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 30)
    ledger.command("pause")
    ledger.pairs(*[GOOD] * 300)
    ledger.tick(5 * HOUR_MS)
    ledger.command("resume")
    assert ledger.phase == "SHADOW"
    assert ledger.state is not None
    assert ledger.state.silent
    ledger.pairs(GOOD)
    assert ledger.phase == "CANARY"


def test_approve_after_silence_is_refused() -> None:
    """An approval while nothing is heard is refused, in words that say so."""
    ledger = Ledger.started(HEAD + SHORT + EASY.replace("semantic: {null: 0.3, design: 0.8, worse_by: 0.05}", "semantic: off"))
    ledger.pairs(*[GOOD] * 300)
    ledger.tick(HOUR_MS)
    told = ledger.command("approve")
    assert told.outcome == "refused"
    assert "missing.hold_after" in told.reason
    ledger.pairs(GOOD)
    assert ledger.command("approve").outcome == "applied"


def test_a_score_without_a_value_is_none() -> None:
    """Rows that are said to be scored but have no value of the challenger are no observations and lead nowhere."""
    ledger = in_canary()
    ledger.pairs(*[Pair(values=dict.fromkeys(VALUES, (None, None)))] * 200)
    assert ledger.phase == "CANARY"


@pytest.mark.parametrize(
    "bad",
    [
        Pair(versions=("b:1", "b:2"), values={"correctness": (0.3333, 0.2)}),
        Pair(versions=("b:1", "b:2"), probability=0.0),
    ],
)
def test_a_row_that_does_not_count_spoils_no_other(bad: Pair) -> None:
    """A row of another version may hold anything: the rows beside it count."""
    ledger = Ledger.started()
    ledger.pairs(GOOD, bad, GOOD)
    assert ledger.state is not None
    assert (ledger.state.n_units, ledger.state.counters["other_version"]) == (2, 1)


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_a_row_that_cannot_be_weighed_is_missing(probability: float) -> None:
    """A sampling probability below the file's least has no weight: that row is missing, and the rows beside it count."""
    ledger = Ledger.started()
    ledger.pairs(GOOD, Pair(values={"correctness": (0.0, 1.0)}, probability=probability), GOOD)
    assert ledger.state is not None
    counters = ledger.state.counters
    assert (counters["units"], counters["scored.correctness"], counters["missing.correctness"]) == (3, 2, 1)


@pytest.mark.parametrize("bounds", [{"offset": [0, 0, 0]}, {"to_offset": 2}, {"from_offset": 1}, {"offset": [0, 2, 1]}])
def test_offsets_that_could_count_twice_are_refused(bounds: dict[str, Any]) -> None:
    """The offsets of a block rise within its bounds; another block is refused whole and changes nothing."""
    ledger = Ledger.started()
    block = quality([GOOD] * 3, 0, ledger.identity).quality
    assert block is not None
    before = ledger.state
    with pytest.raises(RecordError, match="offsets must rise"):
        ledger.append(replace(quality([], 0, ledger.identity), quality=replace(block, **bounds)))
    assert ledger.state == before


def test_a_migration_that_is_over_is_not_held() -> None:
    """A topic made anew after the end holds nothing, so that retry begins the next epoch at once."""
    ledger = Ledger.started()
    ledger.pairs(GOOD)
    ledger.command("abort")
    ledger.pairs(GOOD, lineage="t2")
    ledger.command("retry")
    assert ledger.phase == "CALIBRATING"
    assert ledger.identity[0] == 2


def test_a_refusal_is_as_fast_as_it_was() -> None:
    """The median's limit takes a refusal as measured; an error or a time-out is over it."""
    text = HEAD + SHORT + EASY.replace("latency: {", "latency: {median_sla_ms: 100, ")
    told = {}
    for status in ("ok", "refused", "error", "timeout"):
        ledger = Ledger.started(text)
        block = quality([GOOD] * 15, 0, ledger.identity).quality
        assert block is not None
        challenger = replace(block.challenger, status=[status] * 15)
        ledger.append(replace(quality([], 0, ledger.identity), quality=replace(block, challenger=challenger)))
        assert ledger.state is not None
        told[status] = next(d.to_json() for s, d in zip(ledger.state.specs, ledger.state.dims, strict=True) if "median" in s.name)
    assert told["ok"] == told["refused"] != told["error"] == told["timeout"]


def test_strata_with_endless_names_fit_the_gates_record() -> None:
    """A service that puts whole questions into stratum must not end the gate: names are cut, and stay apart while they can."""
    ledger = Ledger.started()
    block = quality([GOOD] * 40, 0, ledger.identity).quality
    assert block is not None
    names = [f"{i:02}{'x' * 40_000}" for i in range(40)]
    ledger.append(replace(quality([], 0, ledger.identity), quality=replace(block, stratum=names)))
    assert ledger.state is not None
    assert len(Row(0, -1, ledger.state.to_json()).encode()) < MAX_ROW_BYTES
    assert len(ledger.state.strata) == 32
    assert sum(counts[0] for counts in ledger.state.by_stratum.values()) == ledger.state.n_phase
