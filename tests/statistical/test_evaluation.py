"""The quick evaluation, whole: the command in a process of its own, its document, and what must hold in it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REGRESSIONS = ("accuracy_degradation", "latency_regression", "bursty_hallucination", "authorization", "combined")
GATES = ("dualgate", "dualgate_iut", "dualgate_unpaired_live")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `dualgate evaluate --quick --json` prints."""
    out = tmp_path_factory.mktemp("evaluation")
    command = [str(Path(sys.executable).with_name("dualgate")), "evaluate", "--quick", "--json", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_keys_are_those_promised(document: dict[str, Any]) -> None:
    """Every measure of every event and strategy stands under its promised path with estimate, low, high and n."""
    assert set(GATES) < set(document["strategies"])
    for strategy in document["strategies"].values():
        for event in document["events"]:
            for measure in strategy["events"][event].values():
                assert set(measure) == {"estimate", "low", "high", "n"}
                assert measure["low"] <= measure["estimate"] <= measure["high"]


@pytest.mark.parametrize("event", REGRESSIONS)
def test_no_user_sees_a_regression_that_was_there_from_the_start(document: dict[str, Any], event: str) -> None:
    """The gate turns away each of the study's regressions before any user saw it, while the canary exposes some in every run."""
    for name in ("dualgate", "dualgate_iut"):
        told = document["strategies"][name]["events"][event]
        assert told["detected_before_impact"]["high"] == 1.0, (name, told)
        assert told["promoted"]["low"] <= 0.05
    assert document["strategies"]["canary"]["events"][event]["detected_before_impact"]["low"] < 0.5


def test_an_equal_challenger_is_neither_promoted_nor_rolled_back(document: dict[str, Any]) -> None:
    """False promotion is at most 5 % and false rollback at most 4 % as far as so few runs can tell (95 % intervals)."""
    told = document["strategies"]["dualgate"]["events"]["equal"]
    assert told["false_promotion"]["low"] <= 0.05
    assert told["false_rollback"]["low"] <= 0.04


def test_the_good_challenger_is_migrated(document: dict[str, Any]) -> None:
    """The study's challenger reaches every user in most runs, and the gate says with how many pairs."""
    told = document["strategies"]["dualgate"]["events"]["accuracy_improvement"]
    assert told["promoted"]["high"] >= 0.9
    assert 300 < told["pairs_to_verdict"]["estimate"] < 4700
