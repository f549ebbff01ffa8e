"""The studies beside the streams: cost model, sampling ratios, the shadow's queue, and published systems where they are."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from dualgate.lab.evaluate import cost, queueing, real, sampling, tightness, watched
from dualgate.lab.evaluate.answers import INVENTED, UNFILTERED
from dualgate.lab.evaluate.measures import fraction
from dualgate.lab.evaluate.pool import COLUMNS, Pool
from dualgate.lab.evaluate.strategies.dualgate import started
from dualgate.lab.evaluate.streams import Shape
from dualgate.lab.evaluate.tables import percent
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec
from support.ledgers import HEAD, config

SPEC: MigrationSpec = config(HEAD).spec


def made_pool(n: int = 3000) -> Pool:
    """A pool by hand: two strata, agents that are right in .9 and .7 (incumbent), .95 and .85 (challenger), one latency law."""
    rng = np.random.default_rng(1)
    stratum = (np.arange(n) % 2).astype(np.int64)
    values = {name: np.zeros((8, 2, n)) for name in COLUMNS}
    rates = (np.array([0.9, 0.7]), np.array([0.95, 0.85]))
    hard = rng.random(n)  # what is hard for one is mostly hard for all
    for kind, arms in ((0, (0, 1)), (1, (0, 0))):
        for arm, of in enumerate(arms):
            own = np.where(rng.random(n) < 0.6, hard, rng.random(n))
            values["correctness"][kind, arm] = own < rates[of][stratum]
    ms = np.exp(rng.normal(3.7, 0.7, (4, n)))
    return Pool(
        ("easy", "hard"), stratum, np.ones((8, n), dtype=bool), values,
        {name: np.zeros((8, n), dtype=np.int64) for name in COLUMNS}, ms, (ms > 200).astype(float), 200.0,
    )  # fmt: skip


def test_a_regression_is_missed_less_the_more_is_mirrored() -> None:
    """Undetected falls with the window, mirroring costs more, and a fine challenger costs the whole window."""
    found = cost.found(made_pool(), SPEC, 200, 1)
    shares = [found.undetected(n) for n in (50, 400, 1600)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0 > shares[2] + 0.1
    assert found.used(400, prior=0.0) == pytest.approx(400, rel=0.02)
    assert found.used(1600, prior=1.0) < 1600
    assert found.cost(0, 0.01, 0.1) == pytest.approx(0.1 * cost.IMPACT)


def test_the_cost_section_sets_prediction_beside_outcome() -> None:
    """Every cell of the grid has its row; the controller is cheaper than mirroring everything, and what is not known is told."""
    section = cost.section(made_pool(), SPEC, runs=100)
    grid, steered = section.tables
    assert len(grid.rows) == 27
    for row in steered.rows:
        controller, most, everything = (float(cell.replace(",", "")) for cell in (*row[3].split(", at most "), row[5]))
        assert controller < most
        assert controller < everything
        assert row[6].endswith("%) of 50")


@pytest.mark.parametrize("average", [1.0, 0.1, 0.01])
def test_weights_keep_the_level_at_every_ratio(average: float) -> None:
    """Where strata are sampled unequally, weighted evidence keeps 5 %; unweighted it is fooled by the over-sampled stratum."""
    known = sampling.strata(made_pool())
    null = -float(known.share @ known.effect)
    pi = sampling.designs(known, average)["stratified (hard queries more)"]
    if pi is None:
        assert average == 1.0
        return
    weighted = sampling.run(known, pi, null, 150, 1).accepted
    unweighted = sampling.run(known, pi, null, 150, 2, weighted=False).accepted
    assert binomtest(int(weighted.sum()), 150).proportion_ci(0.999).low <= 0.05
    assert binomtest(int(unweighted.sum()), 150).proportion_ci(0.999).low > 0.05


def test_the_same_pairs_are_needed_at_every_ratio() -> None:
    """A tenth or a hundredth sampled, uniformly, takes the same number of sampled pairs: the stream's randomness is the same."""
    known = sampling.strata(made_pool())
    needed = [sampling.run(known, np.full(2, p), 0.0, 100, 3).accepted_at for p in (0.1, 0.01)]
    assert np.array_equal(needed[0], needed[1])


def test_a_server_takes_the_high_class_first() -> None:
    """One server, 10 ms a job: of a low job at 1 and high ones at 2 and 3, the high ones go first once the first job is done."""
    waits = queueing.queued(np.array([0.0, 1.0, 2.0, 3.0]), np.full(4, 10.0), np.array([False, True, False, False]), 1)
    assert waits.tolist() == [0.0, 29.0, 8.0, 17.0]
    fifo = queueing.queued(np.array([0.0, 1.0, 2.0, 3.0]), np.full(4, 10.0), np.zeros(4, dtype=bool), 1)
    assert fifo.tolist() == [0.0, 9.0, 18.0, 27.0]


def test_waits_are_those_of_the_textbook() -> None:
    """M/M/1 at load .5: the mean wait is that of a service (Erlang), within what 40,000 dependent waits can tell."""
    rng = np.random.default_rng(2)
    arrived, service = np.cumsum(rng.exponential(2.0, 40_000)), rng.exponential(1.0, 40_000)
    waits = queueing.queued(arrived, service, np.zeros(40_000, dtype=bool), 1)
    assert waits.min() == 0.0
    assert waits.mean() == pytest.approx(1.0, rel=0.1)


def test_low_priority_condemns_by_total_time_and_not_by_service_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a plain day at the highest load the shadow's total time is over the SLA far more often behind live traffic."""
    monkeypatch.delenv("DUALGATE_DATA", raising=False)
    rows = queueing.section(made_pool(), SPEC).tables[0].rows
    behind, line = rows[-2], rows[-1]
    assert float(behind[3]) > 2 * float(behind[2])
    assert float(behind[5].rstrip("%")) > 1.5 * float(line[5].rstrip("%")) > 2 * float(line[7].rstrip("%"))
    assert behind[7] == line[7] == rows[0][7]
    assert behind[6].startswith("futile")


def test_published_systems_are_judged_or_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the data the section says what is missing, and nothing else."""
    monkeypatch.setenv("DUALGATE_DATA", str(tmp_path))
    section = real.section()
    assert "DUALGATE_DATA names no folder" in section.words[0]
    assert not section.tables


@pytest.mark.skipif(not os.environ.get("DUALGATE_DATA"), reason="DUALGATE_DATA names no folder with published systems")
def test_no_worse_system_is_accepted() -> None:
    """The worse system is accepted in none of a few orders, by correctness alone or by all four dimensions."""
    section = real.section(orders=4, resamples=1, systems=[pair for pair in real.PAIRS if pair[2] == "worse"])
    (alone,), (whole,) = section.tables[0].rows, section.tables[1].rows
    assert alone[1] == "worse, -6.8%"
    assert "accepted" not in alone[2]
    assert whole[2] in ("REJECTED(worse) 1", "REJECTED(futile) 1")


def test_a_migration_that_the_gate_refuses_is_refused_here() -> None:
    """The gate's own words reach the one who starts an evaluation; what it takes is begun."""
    assert started(config()).phase == "CALIBRATING"
    with pytest.raises(ConfigError, match=r"unit\.by=session: sessions are open while a migration runs"):
        started(config(HEAD + "unit: {by: session}\n"))


def test_the_studies_words_are_chosen_by_their_rows() -> None:
    """What is said of both clocks, of the weights and of the closed form changes with what was found."""
    fine, futile = "accepted at the day's end", "futile after 90 pairs"
    row = ("95%", "one line", "1", "4", ".6%", ".7%", fine, ".7%", fine)
    late = ("95%", "shadow behind live", "1", "9", ".6%", "3%", futile, ".7%", fine)
    assert "turned away as too slow at none of these loads" in queueing._told([row, row])
    assert "turned away as too slow at a load of 95% (shadow behind live)" in queueing._told([late, row])
    assert "rows differ" in queueing._told([late, (*row[:8], futile)])
    kept, lost = fraction(30, 1000), fraction(200, 1000)
    assert "keep the level in every row" in sampling._told([(kept, kept)], 0.05)
    assert "is lost in 1 of 2 rows (up to 20.0%)" in sampling._told([(kept, lost), (kept, kept)], 0.05)
    assert "lose the level in 1 rows" in sampling._told([(lost, kept)], 0.05)
    assert cost._wrong([-0.5, 0.1]).count("It predicts") == 2
    assert "too little" not in cost._wrong([0.1])


def test_what_there_was_to_see_counts_streams_without_harm_in_the_first_days() -> None:
    """Rare events that come in bursts leave more first weeks without one than those that come steadily, and vary more."""
    pool = made_pool()
    pool.values["safety"][[INVENTED, UNFILTERED], 1] = 1.0
    shape = Shape(n_queries=2_000, days=45)
    steady, bursty = (watched.excess(pool, event, shape, 40) for event in ("authorization", "bursty_hallucination"))
    assert steady[:, 0].std() < bursty[:, 0].std()
    assert (bursty[:, 0] == 0).sum() > (steady[:, 0] == 0).sum()
    assert (bursty[:, 0] == 0).sum() > (bursty[:, 1] == 0).sum()
    rows = watched.section(pool, SPEC, shape, 40).tables[0].rows
    assert [row[0] for row in rows] == list(watched.RARE)
    assert rows[0][3] == percent(fraction(int((bursty[:, 0] <= 0.002).sum()), 40))


def test_a_rollout_that_tolerates_fewer_failures_turns_away_more() -> None:
    """Good and bad challengers alike: each setting stops every stream that a laxer one of its tool does, and some stop more."""
    events = (*tightness.FINE, "latency_regression")
    found = tightness.stopped(made_pool(), Shape(1500, 20), events, 10)
    for tool in ("flagger", "argo"):
        told = [[by_event[event]["estimate"] for event in events] for name, by_event in found.items() if name.startswith(tool)]
        for lax, tight in pairwise(told):
            assert all(a is not None and b is not None and a <= b for a, b in zip(lax, tight, strict=True))
        assert told[0] != told[-1]
    section = tightness.section(made_pool(), Shape(1500, 20), 2)
    assert [row[0] for row in section.tables[0].rows] == list(tightness.SETTINGS)
    assert "flagger, threshold 1" in section.words[1]
