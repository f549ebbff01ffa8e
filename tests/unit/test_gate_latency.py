"""Relative latency through the gate: what is gathered while calibrating, what is recorded, and what it decides."""

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from dualgate.gate.latency import answered_ms, cells, why_not
from dualgate.gate.state import MigrationState
from dualgate.gate.stats.lattice import LOG_MS, MISSING
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import parse_migration
from dualgate.schemas.records import ArmColumns, LedgerEntry
from support.gate import EASY, GOOD, Ledger, config, constant, drawn, with_phases

RELATIVE: dict[str, Any] = {"measure": "relative", "margin": 0.5}
PHASES = with_phases(calibrating={"pairs": 300}, shadow={"min_pairs": 50, "max_pairs": 3000})


def _ledger(**latency: Any) -> Ledger:
    return Ledger(config(phases=PHASES, dimensions={**EASY, "latency": RELATIVE | latency})).start()


def _timed(ledger: Ledger, n: int, seed: int, slower: float = 1.0, wrong: tuple[float, float] = GOOD["wrong"]) -> None:
    """Append pairs whose latencies are log-normal, the challenger's slower by a factor."""
    rng = np.random.default_rng(seed)
    block = ledger.quality(drawn(n, seed, wrong=wrong))
    times = np.exp(rng.normal(np.log(40.0), 0.6, (2, n))) * np.array([[1.0], [slower]])
    arms = {
        name: replace(getattr(block, name), service_ms=times[i].tolist()) for i, name in enumerate(("incumbent", "challenger"))
    }
    ledger.append(LedgerEntry(quality=replace(block, **arms)))


def _latency(state: MigrationState) -> int:
    return next(i for i, spec in enumerate(state.specs) if spec.name == "latency")


def test_the_score_is_fitted_at_the_end_of_calibrating_and_recorded() -> None:
    """While calibrating nothing is observed of latency; then the hypothesis holds a table of at most 256 cells, exact in JSON."""
    ledger = _ledger()
    _timed(ledger, 299, 1, wrong=(0.1, 0.05))
    state = ledger.state_
    assert (state.phase, state.specs[_latency(state)].scores) == ("CALIBRATING", ())
    assert state.dims[_latency(state)].n_worse == state.dims[_latency(state)].n_accept == 0
    _timed(ledger, 11, 2)
    state = ledger.state_
    spec, dim = state.specs[_latency(state)], state.dims[_latency(state)]
    assert state.phase == "SHADOW"
    assert [len(score.psi) for score in spec.scores] == [256, 256]
    assert dim.n_accept == dim.n_worse == 10
    assert MigrationState.from_json(orjson.loads(orjson.dumps(state.to_json()))) == state


def test_cuts_change_nothing_of_a_fitted_latency() -> None:
    """However the pairs are cut into blocks, score and evidence are the same."""
    ledgers = [_ledger(), _ledger()]
    block = ledgers[0].quality(constant(400))
    times = np.exp(np.random.default_rng(3).normal(3.7, 0.6, (2, 400)))
    for ledger, size in zip(ledgers, (400, 37), strict=True):
        for start in range(0, 400, size):
            part = ledger.quality(constant(min(size, 400 - start)))
            arms = {
                name: replace(getattr(part, name), service_ms=times[i, start : start + size].tolist())
                for i, name in enumerate(("incumbent", "challenger"))
            }
            ledger.append(LedgerEntry(quality=replace(part, **arms)))
    assert len(block.offset) == 400
    assert ledgers[0].state_.specs == ledgers[1].state_.specs
    assert ledgers[0].state_.dims == ledgers[1].state_.dims


@pytest.mark.parametrize(("slower", "phase", "status"), [(1.0, "CANARY", "accepted"), (2.5, "REJECTED(futile)", "rejected")])
def test_an_equal_challenger_is_accepted_and_a_much_slower_one_is_not(slower: float, phase: str, status: str) -> None:
    """Equal speed is inside a margin of 50 %, and 2.5 times as slow is beyond it: both are told by D alone."""
    ledger = _ledger()
    for seed in range(60):
        if ledger.state_.phase not in ("CALIBRATING", "SHADOW"):
            break
        _timed(ledger, 50, 100 + seed, slower)
    assert (ledger.state_.phase, ledger.last.dimensions["latency"].status) == (phase, status)
    assert phase != "CANARY" or "latency" in ledger.state_.monitors


def test_latencies_that_tell_nothing_end_calibrating_without_a_verdict() -> None:
    """Where every latency of the incumbent is equal no density can be fitted: INCONCLUSIVE, with the reason, never a pass."""
    ledger = _ledger()
    ledger.pairs(constant(300))
    assert ledger.state_.phase == "INCONCLUSIVE"
    assert "all 300 latencies of the incumbent are equal" in ledger.last.reason


def test_a_silent_challenger_is_the_worst_difference() -> None:
    """Once a score is fitted, a query that only the challenger left unanswered counts as the worst D for acceptance."""
    ledger = _ledger()
    _timed(ledger, 300, 1, wrong=(0.1, 0.05))
    before = ledger.state_.dims[_latency(ledger.state_)]
    ledger.unpaired(1)
    state = ledger.state_
    after = state.dims[_latency(state)]
    assert (after.n_accept - before.n_accept, after.n_worse - before.n_worse) == (1, 0)
    assert after.accept_counts[0][0] == 0


def test_cells_of_latencies() -> None:
    """Latencies fall on steps of 1 %; no answer, and one beyond 18 hours, on none."""
    found = cells(np.array([0.0, 1.0, 1.004, 1.006, 1e9, np.inf]))
    assert found.tolist() == [0, 700, 700, 701, MISSING, MISSING]
    assert float(LOG_MS.value(700)) == 0.0
    assert "99 latencies" in why_not(((5, 1000, 99),))


def test_calibration_grows_as_the_margin_shrinks() -> None:
    """A margin of 10 % takes more calibrating pairs than one of 25 %, and none takes fewer than 300."""
    lengths = []
    for margin in (0.1, 0.25, 1.0):
        phases = with_phases(calibrating={"pairs": "auto"})
        ledger = Ledger(config(phases=phases, dimensions={**EASY, "latency": RELATIVE | {"margin": margin}})).start()
        lengths.append(ledger.state_.plan.calibrating)
    assert lengths[0] > lengths[1] >= lengths[2] == 300


@pytest.mark.parametrize(
    ("latency", "words"),
    [
        ("{measure: relative, margin: 0.001}", "margin"),
        ("{measure: relative, margin: 0.2, worse_by: 0.1}", "worse_by=0.1 must be at least margin=0.2"),
        ("{worse_by: 1.0}", "worse_by=1.0 must be below 1"),
    ],
)
def test_impossible_latencies_name_the_key(latency: str, words: str) -> None:
    """A margin that no density tells, a tolerated loss inside the margin and a share of 1 are errors with both numbers."""
    with pytest.raises(ConfigError, match=words):
        parse_migration(f"migration: m\nincumbent: a:1\nchallenger: a:2\ndimensions: {{latency: {latency}}}\n")


def test_fewer_calibrating_pairs_than_a_density_needs_are_refused() -> None:
    """A start with relative latency and 50 calibrating pairs names the key and the least."""
    ledger = Ledger(config(phases=with_phases(calibrating={"pairs": 50}), dimensions={**EASY, "latency": RELATIVE}))
    assert ledger.order("start").outcome == "refused"
    assert ledger.state is None
    assert "phases.calibrating.pairs=50" in ledger.last.reason


def test_errors_and_time_outs_are_no_latency() -> None:
    """An incumbent's error is no part of the density, and a challenger's is the worst D."""
    columns = ArmColumns(
        version=["a"] * 2, lane=["shadow"] * 2, status=["ok", "timeout"], service_ms=[5.0, 5.0], queue_ms=[0.0] * 2
    )
    assert cells(answered_ms(columns)).tolist()[1] == MISSING
