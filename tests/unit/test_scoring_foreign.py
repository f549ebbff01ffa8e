"""Third parties' scorers: found by the entry point of an installed distribution, confined, and missing where they misbehave."""

from dataclasses import replace
from pathlib import Path

import pytest

from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.confined import Confined, Ended
from dualgate.processors.scoring.foreign import MAX_WAIT_S, ForeignScorer
from dualgate.processors.scoring.logic import MigrationScoring, score_batch
from dualgate.processors.scoring.migrations import close, scoring_of
from dualgate.processors.scoring.protocol import Score, third_party_scorers
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.scorers import ThirdParty
from support.scoring import pair, scoring, shop

MODULE = """
import os
from dualgate.processors.scoring.protocol import Score

class Acme:
    name, version, columns = "semantic", "3", ("semantic",)

    def score(self, pairs, context, earlier):
        found = []
        for pair in pairs:
            mood = pair.challenger.output
            if mood == "hang":
                while True: pass
            if mood == "die":
                os._exit(3)
            if mood == "grow":
                [bytes(1 << 20) for _ in range(100_000)]
            if mood == "raise":
                raise RuntimeError("no idea")
            right = earlier["correctness"][len(found)].challenger
            found.append(Score(1.0, 0.25 if right is None else 0.5 + right / 4))
        return {"semantic": found}

def broken():
    raise ImportError("a licence is missing")
"""
POINTS = "[dualgate.scorers]\nacme = acme_scorers:Acme\nbroken = acme_scorers:broken\nnowhere = acme_scorers:Nothing\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution, as an installer lays it out: a module, and its metadata with entry points."""
    site = tmp_path / "site"
    (site / "acme_scorers-1.0.dist-info").mkdir(parents=True)
    (site / "acme_scorers.py").write_text(MODULE)
    (site / "acme_scorers-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-scorers\nVersion: 1.0\n")
    (site / "acme_scorers-1.0.dist-info" / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))


def with_acme(folder: Path, use: str = "acme", timeout: str = "60s") -> MigrationScoring:
    config = shop(folder, {"g1": "SELECT 1"})
    foreign = ThirdParty.model_validate({"use": use, "timeout": timeout, "memory_mb": 256})
    spec = config.spec.model_copy(update={"scoring": config.spec.scoring.model_copy(update={"scorers": {"semantic": foreign}})})
    changed = replace(config, spec=spec)
    return scoring_of(Identity("m1", 1, "h"), changed)


def scored(migration: MigrationScoring, *outputs: str) -> list[Score]:
    try:
        return list(score_batch(migration, [pair("SELECT 1", output) for output in outputs])["semantic"])
    finally:
        close(migration)


@pytest.mark.usefixtures("installed")
def test_an_installed_scorer_takes_the_place_of_ours(tmp_path: Path) -> None:
    """It scores by its own rule, sees what correctness said, and its version is the block's."""
    migration = with_acme(tmp_path)
    assert migration.versions["semantic"] == "acme:3"
    assert [score.challenger for score in scored(migration, "SELECT 1", "SELECT 2")] == [0.75, 0.5]


@pytest.mark.usefixtures("installed")
def test_what_raises_hangs_dies_or_grows_is_missing_alone(tmp_path: Path) -> None:
    """Each has its reason, and the pairs around it their scores; after four ends in a batch the rest is missing."""
    raised = scored(with_acme(tmp_path), "SELECT 1", "raise", "SELECT 2")
    assert [score.state for score in raised] == ["scored", "missing", "scored"]
    assert "no idea" in (raised[1].reason or "")
    moods = scored(with_acme(tmp_path), "SELECT 1", "die", "grow", "SELECT 1", "die", "SELECT 1")
    assert [score.state for score in moods] == ["scored", "missing", "missing", "scored", "missing", "missing"]
    assert [(score.reason or "").removeprefix("scorer acme: ")[:22] for score in moods[1:3]] == [
        "its process ended with",
        "stopped: more than 256",
    ]
    assert moods[5].reason == "scorer acme: it ended 4 times in this batch"


@pytest.mark.usefixtures("installed")
def test_a_scorer_that_hangs_is_stopped(tmp_path: Path) -> None:
    """Its time is over at the time-out of the migration file."""
    (hung,) = scored(with_acme(tmp_path, timeout="1s"), "hang")
    assert (hung.state, hung.reason) == ("missing", "scorer acme: stopped: longer than 1 s")


def test_a_scorer_that_always_hangs_takes_a_tenth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends that cost a minute in a row make it rest for nine, whatever batches they fall in; nothing is waited for over two."""
    config, clock, waited = shop(tmp_path, {"g1": "SELECT 1"}), [0.0], list[float]()

    def hangs(_child: Confined, method: str, *_given: object, seconds: float) -> object:
        waited.append(seconds)
        clock[0] += seconds
        raise Ended(f"stopped: longer than {seconds:g} s")

    monkeypatch.setattr(Confined, "call", hangs)
    scorer = ForeignScorer("semantic", ThirdParty.model_validate({"use": "acme", "timeout": "10s"}), config, lambda: clock[0])
    context = scoring(config).context
    while clock[0] < 36_000:
        reasons = [score.reason or "" for score in scorer.score([pair()] * 50, context, {})["semantic"]]
        assert all(reasons)
        clock[0] += 5.0  # what the siblings take
    assert 0.09 < sum(waited) / clock[0] < 0.11
    slow = ForeignScorer("semantic", ThirdParty.model_validate({"use": "acme", "timeout": "1h"}), config, lambda: clock[0])
    before = clock[0]
    slow.score([pair()] * 50, context, {})
    assert clock[0] - before == MAX_WAIT_S


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("use", "words"),
    [
        ("absent", "no installed distribution offers the scorer 'absent'"),
        ("broken", "a licence is missing"),
        ("nowhere", "has no attribute 'Nothing'"),
    ],
)
def test_a_scorer_that_cannot_be_loaded_makes_its_dimension_missing(
    tmp_path: Path, use: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason says what is wrong; the other dimensions are scored, and its process is not started for each pair."""
    started: list[object] = []
    start = Confined._start

    def counted(child: Confined) -> None:
        started.append(child)
        start(child)

    monkeypatch.setattr(Confined, "_start", counted)
    migration = with_acme(tmp_path, use)
    columns = score_batch(migration, [pair()] * 20)
    assert migration.versions["semantic"] == f"{use}:not loaded"
    close(migration)
    assert len(started) == 1
    assert {score.state for score in columns["semantic"]} == {"missing"}
    assert words in (columns["semantic"][0].reason or "")
    assert columns["correctness"][0].state == "scored"


@pytest.mark.usefixtures("installed")
def test_entry_points_are_read_from_what_is_installed() -> None:
    """By name; one that cannot be imported is an error that names it, and with nothing installed there is none."""
    assert set(third_party_scorers("acme")) == {"acme"}
    assert third_party_scorers("absent") == {}
    with pytest.raises(ConfigError, match=r"scorer nowhere \(acme_scorers:Nothing\): AttributeError"):
        third_party_scorers("nowhere")
