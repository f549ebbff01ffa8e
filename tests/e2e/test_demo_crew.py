"""The demo's processes: one that ends is told with its last words, and none is left."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from dualgate.cli.demo.crew import Crew, ProcessDied
from support.waiting import await_true

NO_BROKER = {"DUALGATE_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def endless(crew: Crew, name: str, tmp_path: Path) -> psutil.Process:
    """Start a router, which follows for ever although there is no broker, and wait until it runs."""
    crew.start(name, "router", "some-migration")
    log = tmp_path / f"{name}.log"
    await_true(lambda: "follows some-migration on 127.0.0.1:1" in log.read_text(), "the router's first words")
    (found,) = (p for p in psutil.Process().children(recursive=True) if "router" in p.cmdline())
    return found


def test_an_errand_that_ends_well_is_done(tmp_path: Path) -> None:
    """It is done when it has ended with code 0, and is not missed afterwards."""
    with Crew(tmp_path, NO_BROKER) as crew:
        crew.start("version", "--version", errand=True)
        await_true(lambda: crew.done("version"), "the end of the errand")
        crew.check()
        assert "dualgate" in (tmp_path / "version.log").read_text()


def test_one_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    """The message has the name, the code, the log's place and its last lines."""
    with Crew(tmp_path, NO_BROKER) as crew:
        crew.start("lint", "lint", "no-such-file.yaml", errand=True)
        with pytest.raises(
            ProcessDied, match=r"lint \(pid \d+\) ended with code 2; the last lines of .*lint\.log:\n.*no-such-file"
        ):
            await_true(lambda: crew.done("lint"), "the failure")


def test_one_that_ends_although_it_should_go_on_is_told(tmp_path: Path) -> None:
    """Code 0 is no excuse for a worker."""
    with Crew(tmp_path, NO_BROKER) as crew:
        crew.start("version", "--version")
        with pytest.raises(ProcessDied, match="ended with code 0"):
            await_true(lambda: crew.done("version"), "the end of the errand")


def test_one_that_is_killed_is_told_by_its_signal(tmp_path: Path) -> None:
    """kill -9 of any of them is found by the next check."""
    with Crew(tmp_path, NO_BROKER) as crew:
        process = endless(crew, "router", tmp_path)
        crew.check()
        process.send_signal(signal.SIGKILL)
        with pytest.raises(ProcessDied, match="was ended by signal SIGKILL"):
            await_true(lambda: bool(crew.check()), "the kill")  # type: ignore[func-returns-value]


def test_asked_to_end_they_end_in_order(tmp_path: Path) -> None:
    """SIGTERM is enough for a process of ours, and its exit code is looked at."""
    with Crew(tmp_path, NO_BROKER) as crew:
        process = endless(crew, "router", tmp_path)
        crew.finish("router")
        assert not process.is_running()


def test_nothing_is_left_whatever_goes_wrong_inside(tmp_path: Path) -> None:
    """Leaving the block by an exception kills what still runs."""
    started: list[psutil.Process] = []

    def fail() -> None:
        with Crew(tmp_path, NO_BROKER) as crew:
            started.append(endless(crew, "router", tmp_path))
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert not started[0].is_running()


def test_settings_of_the_shell_do_not_reach_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic prefix that is meant for another cluster does not change the demo's."""
    monkeypatch.setenv("DUALGATE_TOPIC_PREFIX", "theirs.")
    monkeypatch.setenv("DUALGATE_PARTITIONS", "9")
    with Crew(tmp_path, NO_BROKER | {"DUALGATE_PARTITIONS": "4"}) as crew:
        environment = endless(crew, "router", tmp_path).environ()
    assert environment["DUALGATE_PARTITIONS"] == "4"
    assert "DUALGATE_TOPIC_PREFIX" not in environment
    assert environment["PATH"] == os.environ["PATH"]
