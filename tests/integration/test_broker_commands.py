"""`dualgate broker start|stop|status`: a broker in the background that other commands find, safe to repeat."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dualgate.cli.topic_admin import connect
from support.waiting import WAIT_S

pytestmark = pytest.mark.kafka

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Run]:
    """Run one `dualgate broker` command with a state folder of its own; stops what is left running."""
    env = {**os.environ, "DUALGATE_STATE_DIR": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}

    def run(*words: str) -> tuple[int, dict[str, Any], str]:
        command = [sys.executable, "-m", "dualgate.cli.main", "broker", *words, "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr

    yield run
    run("stop")


def test_a_broker_in_the_background_is_found_and_stopped(broker: Run, tmp_path: Path) -> None:
    """start, start again, status and stop tell the same broker; it outlives the command, and stop leaves nothing."""
    assert broker("status")[:2] == (0, {"running": False, "changed": False})
    code, started, _ = broker("start")
    assert (code, started["running"], started["changed"]) == (0, True, True)
    assert psutil.pid_exists(started["pid"])
    connect(started["bootstrap_servers"])
    code, again, _ = broker("start")
    assert (code, again) == (0, {**started, "changed": False})
    assert broker("status")[1] == {**started, "changed": False}
    code, stopped, _ = broker("stop")
    assert (code, stopped["running"], stopped["changed"]) == (0, False, True)
    assert not psutil.pid_exists(started["pid"])
    assert not Path(started["directory"]).exists()
    assert broker("stop")[:2] == (0, {"running": False, "changed": False})
    assert list((tmp_path / "state").iterdir()) == []


def test_another_place_is_refused_while_one_runs(broker: Run, tmp_path: Path) -> None:
    """A second start with another directory or port says what runs and ends with 2; a given directory is kept."""
    place = tmp_path / "place"
    _, started, _ = broker("start", "--dir", str(place))
    assert started["directory"] == str(place)
    code, _, said = broker("start", "--dir", str(tmp_path / "other"))
    assert code == 2
    assert str(place) in said
    assert "dualgate broker stop" in said
    code, _, said = broker("start", "--port", "1")
    assert code == 2
    assert str(started["port"]) in said
    assert broker("start", "--dir", str(place))[0] == 0
    broker("stop")
    assert (place / "data" / "meta.properties").exists()


def test_a_broker_that_was_killed_counts_as_none(broker: Run) -> None:
    """After a crash status says that none runs, and start starts a new one and removes what the dead one left."""
    _, first, _ = broker("start")
    process = psutil.Process(first["pid"])
    process.kill()
    process.wait(WAIT_S)
    assert broker("status")[1]["running"] is False
    _, second, _ = broker("start")
    assert second["changed"] is True
    assert second["pid"] != first["pid"]
    assert not Path(first["directory"]).exists()
