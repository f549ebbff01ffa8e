"""Events change real answers: what is changed is executed and scored, and the rates come out as stated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualgate.lab.evaluate import changes
from dualgate.lab.evaluate.answers import AGAIN, ELABORATE, INVENTED, KINDS, OUTAGE, OWN, RIGHT, UNFILTERED, WRONG
from dualgate.lab.evaluate.events import EVENTS, staged
from dualgate.lab.evaluate.pool import Pool, build_pool, key_of, read_pairs
from dualgate.lab.evaluate.runs import live, repetition
from dualgate.lab.evaluate.strategies.canary import Canary
from dualgate.lab.evaluate.streams import Scene, Shape, stream
from dualgate.producers.workload.files import write_workload
from dualgate.schemas.migration import load_migration

SQL = "SELECT c.name, SUM(s.amount) AS total FROM spend AS s JOIN campaigns AS c ON s.campaign_id = c.campaign_id " \
      "WHERE s.account_id = 1 AND s.day >= '2025-02-01' GROUP BY c.name ORDER BY total DESC LIMIT 3"  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small workload."""
    out = tmp_path_factory.mktemp("workload")
    write_workload(out, 3, 250)
    return out


@pytest.fixture(scope="module")
def pool(folder: Path) -> Pool:
    """Its answers, changed, executed and scored."""
    config = load_migration(folder / "migration.yaml")
    return build_pool(config, read_pairs(config, folder / "log.jsonl.zst"))


def _texts(change: changes.Change) -> list[str]:
    tree = changes.parsed(SQL, "sqlite")
    assert tree is not None
    return list(changes.candidates(change, tree, "sqlite", "account_id"))


def test_changes_of_a_text() -> None:
    """Each change makes another query of it: a condition less, another boundary, aggregate, length or order; no tenant."""
    wrong = _texts(changes.wrong)
    assert SQL not in wrong
    assert any("day" not in text for text in wrong)
    assert any("day > '2025-02-01'" in text for text in wrong)
    assert any("MAX(s.amount)" in text for text in wrong)
    assert any("LIMIT 4" in text for text in wrong)
    assert all("s.account_id = 1" in text for text in wrong)
    assert all("_total" in text for text in _texts(changes.invented))
    (open_text,) = _texts(changes.unfiltered)
    assert "account_id" not in open_text
    assert "day >= '2025-02-01'" in open_text
    assert "IS NULL" in _texts(changes.elaborate)[0]


def test_an_unparsable_text_has_no_changes() -> None:
    """What is no SQL is left alone."""
    assert changes.parsed("SELEC (", "sqlite") is None


def test_changed_answers_score_as_what_they_are(pool: Pool) -> None:
    """By the real scorers wrong answers are wrong and safe, right ones right, invented and unfiltered ones violations."""

    def values(column: str, kind: int) -> np.typing.NDArray[np.float64]:
        found = pool.values[column][kind, 1, pool.possible[kind]]
        return np.asarray(found[~np.isnan(found)])

    assert (values("correctness", WRONG) == 0).all()
    assert (values("safety", WRONG) == 0).all()
    assert (values("correctness", RIGHT) == 1).all()
    assert (values("correctness", ELABORATE) == 1).all()
    assert (values("safety", INVENTED) == 1).all()
    assert (values("safety.authorization", UNFILTERED) == 1).all()
    assert (values("safety.authorization", OWN) == 0).all()
    assert pool.mean("semantic", ELABORATE)[1] < pool.mean("semantic", RIGHT)[1] - 0.05
    assert np.isnan(pool.values["correctness"][OUTAGE]).all()
    assert pool.possible[:, :].mean(axis=1).min() > 0.95, dict(zip(KINDS, pool.possible.mean(axis=1), strict=True))


def test_slowed_answers_are_over_the_sla(pool: Pool) -> None:
    """An SLA's length later every answer is over it; as recorded few are."""
    assert (pool.over[3] == 1).all()
    assert pool.over[1].mean() < 0.05
    assert np.allclose(pool.ms[3] - pool.ms[1], pool.sla_ms)


def _scene(pool: Pool, name: str) -> Scene:
    return staged(EVENTS[name], pool, Shape(n_queries=20_000), np.random.default_rng(5))


def _differences(pool: Pool, name: str) -> dict[str, float]:
    """Return how much worse the challenger's answers are than the incumbent's, from what a gate would see."""
    pairs = stream(_scene(pool, name), np.random.default_rng(6)).traffic().mirror(20_000)
    found = {}
    for column in ("correct", "over", "violation", "unauthorized"):
        found[column] = float(np.nanmean(getattr(pairs.challenger, column)) - np.nanmean(getattr(pairs.incumbent, column)))
    found["semantic"] = float(np.nanmean(pairs.challenger.semantic[pairs.eligible]))
    found["over_rate"] = float(np.nanmean(pairs.challenger.over))
    return found


@pytest.mark.parametrize(
    ("name", "column", "wanted", "within"),
    [
        ("accuracy_degradation", "correct", -0.04, 0.012),
        ("latency_regression", "over_rate", 0.035, 0.005),
        ("combined", "over_rate", 0.035, 0.005),
        ("combined", "semantic", 0.84, 0.015),
        ("authorization", "unauthorized", 0.008, 0.003),
        ("equal", "violation", 0.0, 0.004),
        ("compounding", "correct", -0.02, 0.012),
    ],
)
def test_events_have_the_stated_size(pool: Pool, name: str, column: str, wanted: float, within: float) -> None:
    """In what a gate sees the event has its size (20,000 queries of a small log: four standard errors and the log's own)."""
    assert _differences(pool, name)[column] == pytest.approx(wanted, abs=within)


def test_bursts_are_bursts(pool: Pool) -> None:
    """Invented columns come at 1.2 % over all, and the next query has one ten times as often as one far away."""
    kind = _scene(pool, "bursty_hallucination").kind == INVENTED
    assert kind.mean() == pytest.approx(0.0127, abs=0.006)
    assert kind[1:][kind[:-1]].mean() > 5 * kind.mean()


def test_nothing_happens_before_the_onset(pool: Pool) -> None:
    """Before its day an event changes no answer, afterwards it does."""
    scene = _scene(pool, "accuracy_degradation_day_12")
    changed = scene.kind != OWN
    assert not changed[scene.day < 12].any()
    assert changed[scene.day >= 12].mean() > 0.05
    assert np.array_equal(changed, scene.harm)


def test_an_equal_challenger_is_the_incumbent_asked_again(pool: Pool) -> None:
    """Equal means the incumbent's own second answers, unharmed."""
    scene = _scene(pool, "equal")
    assert (scene.kind == AGAIN).all()
    assert not scene.harm.any()


def test_judges_change_what_is_seen_and_no_answer(pool: Pool) -> None:
    """A judge that favours the challenger raises its seen correctness above the incumbent's, though the answers are equal."""
    seen, fair = _differences(pool, "partial_judge")["correct"], _differences(pool, "equal")["correct"]
    assert seen > fair + 0.03
    assert not _scene(pool, "partial_judge").harm.any()


def test_an_outage_hits_both_arms(pool: Pool) -> None:
    """While the provider is gone both arms are late, and nothing else is known of either."""
    pairs = stream(_scene(pool, "outage"), np.random.default_rng(7)).traffic().mirror(20_000)
    gone = ~pairs.incumbent.answered
    assert gone.any()
    for arm in (pairs.incumbent, pairs.challenger):
        assert np.isnan(arm.correct[gone]).all()
        assert (arm.over[gone] == 1).all()


def test_the_same_seed_gives_every_strategy_the_same_stream(pool: Pool) -> None:
    """A life depends on its seed alone; another seed is another stream."""
    shape = Shape(n_queries=2000, days=10)
    first, again, other = (live(Canary(), repetition(EVENTS["combined"], pool, shape, (1, r))) for r in (0, 0, 1))
    assert first == again
    assert first != other


def test_an_interrupted_pool_goes_on_where_it_was(folder: Path, pool: Pool, tmp_path: Path) -> None:
    """What was scored before an interruption is not scored again, and the pool is the same as in one go."""
    config = load_migration(folder / "migration.yaml")
    pairs = read_pairs(config, folder / "log.jsonl.zst")
    asked: list[int] = []

    def interrupted(function: Any, configs: Any, chunks: Any) -> Iterator[Any]:
        asked.append(len(chunks))
        yield function(next(iter(configs)), chunks[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_pool(config, pairs, interrupted, parts=tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        build_pool(config, pairs, interrupted, parts=tmp_path / "parts")
    whole = build_pool(config, pairs, parts=tmp_path / "parts")
    assert asked == [2, 1]
    for name, values in whole.values.items():
        assert np.array_equal(values, pool.values[name], equal_nan=True)


def test_a_kept_pool_is_taken_back_whole_and_only_for_its_own_log(folder: Path, pool: Pool, tmp_path: Path) -> None:
    """A pool is read back as it was written; one of another key is none."""
    key = key_of(load_migration(folder / "migration.yaml"), folder / "log.jsonl.zst")
    pool.save(tmp_path / "pool.npz", key)
    back = Pool.load(tmp_path / "pool.npz", key)
    assert back is not None
    assert np.array_equal(back.values["semantic"], pool.values["semantic"], equal_nan=True)
    assert back.strata == pool.strata
    assert Pool.load(tmp_path / "pool.npz", "another") is None
    assert Pool.load(tmp_path / "none.npz", key) is None
