"""Real workers on a real broker, ended at exact points: every query still comes out exactly once, as the oracle says."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dualgate.cli.broker import LocalBroker
from dualgate.cli.topic_admin import create_topics
from dualgate.schemas.settings import PairingTimes, Settings
from support.pairing_kafka import await_true, found, publish, settled
from support.pairing_sim import compare
from support.traffic import Expected, Sent, Shape, oracle, traffic
from support.worker_process import workers

pytestmark = pytest.mark.kafka

POINTS = ("assigned", "consumed", "handled", "produced", "offsets", "committed")
# The whole matrix takes minutes; the quick one keeps the case that needs the consumer to be read_committed.
ZOMBIE_POINTS = POINTS[1:] if os.environ.get("DUALGATE_FAULTS") == "full" else ("offsets",)
SHAPE = Shape(gap_ms=10, migrations=("m", "n"))


def prepared(kafka: str, prefix: str, n: int, seed: int, partitions: int) -> tuple[Settings, list[Sent], Expected]:
    """Create topics; return settings of short times, traffic that is not yet published, and what must come out of it."""
    create_topics(kafka, prefix, partitions)
    settings = Settings(
        bootstrap_servers=kafka,
        topic_prefix=prefix,
        window_ms=2_000,
        skew_ms=500,
        grain_ms=100,
        idle_ms=2_000,
        partitions=partitions,
    )
    times = PairingTimes.of(settings)
    records = traffic(n, seed, times, SHAPE)
    return settings, records, oracle([records], times)


def await_settled(settings: Settings, expected: Expected) -> None:
    """Wait until as many queries are settled as must be, and every late answer has been told; then compare."""
    servers, prefix = settings.bootstrap_servers, settings.topic_prefix
    wanted = len(expected.pairs) + len(expected.unpaired)
    await_true(lambda: settled(servers, prefix) >= wanted, "all queries settled")
    await_true(lambda: len(found(servers, prefix)[0].late) >= len(expected.late), "all late answers told")
    compare(expected, *found(servers, prefix))


def test_killed_at_every_point(kafka: str, prefix: str, tmp_path: Path) -> None:
    """kill -9 at each point of the work in turn, with a slot: the next process takes over at once, nothing is lost or doubled."""
    settings, records, expected = prepared(kafka, prefix, 2_500, 1, 2)
    publish(kafka, prefix, records)
    with workers(settings, tmp_path / "log") as pairing:
        for n, point in enumerate(POINTS):
            assert pairing.start(f"{point}:{1 if point == 'assigned' else 2 + n % 2}", slot="0").wait(60) == -signal.SIGKILL
        pairing.start(slot="0")
        await_settled(settings, expected)


def test_two_workers_with_no_slots_one_killed(kafka: str, prefix: str, tmp_path: Path) -> None:
    """One of two dies with a transaction open while traffic flows: the other waits for the broker to end it, and takes over."""
    settings, records, expected = prepared(kafka, prefix, 3_000, 2, 4)
    with workers(settings, tmp_path / "log", SESSION_MS="3000", TRANSACTION_MS="3000") as pairing:
        pairing.start()
        doomed = pairing.start("offsets:4")
        await_true(lambda: '"assigned": [2, 3]' in (tmp_path / "log").read_text(), "an assignment for each")
        writer = threading.Thread(target=publish_slowly, args=(kafka, prefix, records))
        writer.start()
        assert doomed.wait(60) == -signal.SIGKILL
        pairing.start()
        writer.join()
        await_settled(settings, expected)


@pytest.mark.parametrize("point", ZOMBIE_POINTS)
def test_a_zombie_is_fenced(kafka: str, prefix: str, tmp_path: Path, point: str) -> None:
    """Stopped for longer than its session and woken beside its successor, a worker adds nothing and joins again.

    Stopped between sending the offsets and the commit, its commit may still succeed: then the successor has waited for it.
    """
    settings, records, expected = prepared(kafka, prefix, 1_500, 3, 2)
    publish(kafka, prefix, records)
    with workers(settings, tmp_path / "log", SESSION_MS="2000", TRANSACTION_MS="8000", BATCH="300") as pairing:
        zombie = pairing.start(f"{point}:4:stop")
        await_true(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_STOPPED, "the stop")
        pairing.start()
        time.sleep(4)  # longer than the zombie's session: this is what is tested, not hoped for
        os.kill(zombie.pid, signal.SIGCONT)
        await_settled(settings, expected)


def test_of_two_processes_with_one_slot_the_older_gives_way(kafka: str, prefix: str, tmp_path: Path) -> None:
    """It stops with a StateError that names the slot; the newer goes on, and nothing is lost or doubled."""
    settings, records, expected = prepared(kafka, prefix, 500, 6, 2)
    log = tmp_path / "log"
    with workers(settings, log) as pairing:
        older = pairing.start(slot="0")
        await_true(lambda: log.read_text().count('"assigned"') == 1, "the first assignment")
        pairing.start(slot="0")
        await_true(lambda: log.read_text().count('"assigned"') == 2, "the second assignment")
        publish(kafka, prefix, records)
        await_settled(settings, expected)
        assert older.wait(30) == 1
    assert "one live process a slot" in log.read_text()


@contextmanager
def own_broker() -> Iterator[LocalBroker]:
    """A broker of the test's own, to be restarted."""
    with LocalBroker() as broker:
        yield broker


def test_a_broker_killed_under_load(prefix: str, tmp_path: Path) -> None:
    """The broker dies and comes back: the worker goes on by itself, nothing is lost or doubled."""
    with own_broker() as broker:
        settings, records, expected = prepared(broker.bootstrap_servers, prefix, 2_000, 4, 2)
        publish(broker.bootstrap_servers, prefix, records[: len(records) // 2])
        with workers(settings, tmp_path / "log", BATCH="300", SESSION_MS="3000", TRANSACTION_MS="3000") as pairing:
            pairing.start()
            await_true(lambda: settled(broker.bootstrap_servers, prefix) > 0, "the first pair")
            broker.kill()
            broker.start()
            publish(broker.bootstrap_servers, prefix, records[len(records) // 2 :])
            await_settled(settings, expected)


def publish_slowly(servers: str, prefix: str, records: list[Sent]) -> None:
    """Publish in twenty parts, so that workers come and go while traffic flows."""
    part = len(records) // 20 + 1
    for first in range(0, len(records), part):
        publish(servers, prefix, records[first : first + part])


def test_a_topic_made_anew_stops_the_worker(kafka: str, prefix: str, tmp_path: Path, make_topics: Callable[..., None]) -> None:
    """Positions of another topic of the same name are not gone on from: a clear stop, with the topic's name."""
    settings, records, expected = prepared(kafka, prefix, 200, 5, 2)
    publish(kafka, prefix, records)
    log = tmp_path / "log"
    with workers(settings, log) as pairing:
        pairing.start()
        await_settled(settings, expected)
    remade(kafka, prefix + "queries")
    with workers(settings, log) as pairing:
        assert pairing.start().wait(60) == 1
    assert f"but not in {prefix}queries: made anew?" in log.read_text()


def remade(servers: str, topic: str) -> None:
    """Delete a topic and create it again, empty."""
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.delete_topics([topic]).values():
        future.result(30)
    await_true(lambda: topic not in admin.list_topics(timeout=10).topics, "the deletion")
    for future in admin.create_topics([NewTopic(topic, 2)]).values():
        future.result(30)
    await_true(lambda: len(getattr(admin.list_topics(timeout=10).topics.get(topic), "partitions", ())) == 2, "the creation")
