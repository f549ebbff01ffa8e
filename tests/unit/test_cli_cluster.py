"""Which Kafka a verb works on: the option, else the environment, else the broker of `dualgate broker start`."""

import os
from pathlib import Path

import psutil
import pytest

from dualgate.cli.broker.record import BrokerRecord, record_file
from dualgate.cli.cluster import cluster_settings


@pytest.fixture(autouse=True)
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that was started on port 1234: this very process stands for it, since only its life is looked at."""
    monkeypatch.setenv("DUALGATE_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("DUALGATE_BOOTSTRAP_SERVERS", raising=False)
    me = psutil.Process()
    BrokerRecord(me.pid, me.create_time(), 1234, str(tmp_path), False).save(record_file())


def test_a_started_broker_is_found_by_the_other_verbs() -> None:
    """After `broker start` no variable needs to be set."""
    assert cluster_settings().bootstrap_servers == "127.0.0.1:1234"


def test_who_names_a_broker_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment goes before the local broker, and the option before both."""
    monkeypatch.setenv("DUALGATE_BOOTSTRAP_SERVERS", "kafka:9092")
    assert cluster_settings(topic_prefix="t-").bootstrap_servers == "kafka:9092"
    assert cluster_settings("other:9092").bootstrap_servers == "other:9092"


def test_a_broker_that_has_ended_counts_as_none(tmp_path: Path) -> None:
    """A record whose process has ended leads nowhere: the default address is left."""
    BrokerRecord(os.getpid(), 1.0, 1234, str(tmp_path), False).save(record_file())
    assert cluster_settings().bootstrap_servers == "127.0.0.1:9092"
