"""The local broker's configuration: loopback only, settings that can be overridden, a record that survives crashes."""

import json
import os
from pathlib import Path

import psutil
import pytest

from dualgate.cli.broker.config import Ports, new_cluster_id, server_properties
from dualgate.cli.broker.java import checked_heap
from dualgate.cli.broker.process import LocalBroker
from dualgate.cli.broker.record import BrokerRecord, load_record
from dualgate.cli.main import main
from dualgate.schemas.errors import ConfigError, StateError


def parsed(text: str) -> dict[str, str]:
    """The properties of a file as a mapping."""
    return dict(line.split("=", 1) for line in text.splitlines())


def test_every_listener_is_on_the_loopback_address(tmp_path: Path) -> None:
    """Nobody on the network reaches a local broker."""
    values = parsed(server_properties(tmp_path, Ports(9092, 9093), {}))
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert values["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert values["log.dirs"] == str(tmp_path / "data")


def test_given_settings_replace_the_defaults(tmp_path: Path) -> None:
    """A test that needs another broker setting gives it by Kafka's own name."""
    values = parsed(server_properties(tmp_path, Ports(1, 2), {"auto.create.topics.enable": "true"}))
    assert values["auto.create.topics.enable"] == "true"
    assert values["group.initial.rebalance.delay.ms"] == "0"


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    """Bytes that would begin with a dash in base64 give an id that the format command accepts."""
    assert new_cluster_id(bytes([0xF8] + [0] * 15)) == "AAAAAAAAAAAAAAAAAAAAAA"
    assert new_cluster_id(bytes([0xFC] + [0] * 15)) == "_AAAAAAAAAAAAAAAAAAAAA"
    assert len({new_cluster_id() for _ in range(100)}) == 100


def test_a_broker_that_was_not_started_has_no_address(tmp_path: Path) -> None:
    """Asking too early is an error, not port 0."""
    with pytest.raises(StateError, match="before its first start"):
        _ = LocalBroker(tmp_path).bootstrap_servers


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the directory should be is bad input with its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=str(tmp_path / "file" / "kafka")):
        LocalBroker(tmp_path / "file" / "kafka").make_directory()


def record_of_this_process(**changes: float) -> BrokerRecord:
    """A record whose process certainly runs."""
    started = psutil.Process().create_time()
    return BrokerRecord(os.getpid(), changes.get("started", started), 9092, "/nowhere", False)


def test_a_saved_record_is_found_again(tmp_path: Path) -> None:
    """`status` in another process reads what `start` wrote."""
    record = record_of_this_process()
    record.save(tmp_path / "state" / "broker.json")
    assert load_record(tmp_path / "state" / "broker.json") == record


def test_a_pid_that_another_process_has_now_is_no_broker(tmp_path: Path) -> None:
    """After a reboot the recorded pid may be anybody's: `stop` must not end it."""
    record_of_this_process(started=12345.0).save(tmp_path / "broker.json")
    assert load_record(tmp_path / "broker.json") is None


@pytest.mark.parametrize("text", ["", "{", json.dumps({"pid": 1}), "[]"])
def test_a_damaged_record_counts_as_none(tmp_path: Path, text: str) -> None:
    """A record that was cut off does not stop the next `start`."""
    (tmp_path / "broker.json").write_text(text)
    assert load_record(tmp_path / "broker.json") is None


@pytest.mark.parametrize("heap", ["many", "", "0m", "-1", "1.5g", "512 m", "512mb"])
def test_a_heap_that_java_would_not_take_is_bad_input(heap: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 before anything is started, with the value and what is accepted."""
    with pytest.raises(SystemExit) as ended:
        main(["broker", "start", f"--heap={heap}"])
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"--heap {heap!r}" in said
    assert "such as 512m or 1g" in said


@pytest.mark.parametrize("heap", ["512m", "1G", "800000k", "536870912"])
def test_a_heap_that_java_takes_is_left_as_it_is(heap: str) -> None:
    """Bytes, or kibi-, mebi- and gibibytes by their letter."""
    assert checked_heap(heap) == heap
