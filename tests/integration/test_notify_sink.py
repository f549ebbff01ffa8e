"""Notifications on a real broker: each decision once, in its order, over restarts and whatever the endpoint does."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from dualgate.processors.runtime.loop import Stop
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import EvidenceRecord
from dualgate.schemas.settings import Settings, load_settings
from dualgate.schemas.topics import EVIDENCE
from dualgate.sinks.notify import Notifier, Target
from support.gate_process import CLI
from support.hooks import HANG, Hook, hook
from support.routing import MIGRATION
from support.stories import decision, snapshot
from support.waiting import WAIT_S, await_true

pytestmark = pytest.mark.kafka

FAR = 1_000_000_000


@pytest.fixture
def settings(kafka: str, prefix: str, make_topics: Callable[..., None]) -> Settings:
    make_topics()
    return load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix)


def decided(number: int, epoch: int = 1) -> EvidenceRecord:
    return decision(number, "SHADOW", "CANARY", 0.05, decision_id=f"{MIGRATION}/{epoch}/{number}", epoch=epoch)


def publish(settings: Settings, *values: EvidenceRecord | bytes) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for value in values:
        raw = value if isinstance(value, bytes) else Codec().encode(value)
        producer.produce(settings.topic_prefix + EVIDENCE, raw, MIGRATION)
    assert producer.flush(WAIT_S) == 0


def position(settings: Settings, at: Target) -> int:
    """Return what is committed for a target; negative where nothing is."""
    group = settings.name("notify", at.name)
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": group})
    try:
        (found,) = consumer.committed([TopicPartition(settings.topic_prefix + EVIDENCE, 0)], timeout=WAIT_S)
        return int(found.offset)
    except KafkaException:  # the first group of a broker waits for the topic of groups to be made
        return -1
    finally:
        consumer.close()


@contextmanager
def notifying(settings: Settings, at: Target, timeout_s: float = WAIT_S) -> Iterator[None]:
    """A notifier from a committed position on, for the time of the block."""
    stop = Stop()
    sink = Notifier(at, settings, timeout_s=timeout_s, first_wait_s=0.01)
    thread = threading.Thread(target=sink.run, args=(stop,))
    thread.start()
    try:
        await_true(lambda: position(settings, at) >= 0, "the notifier's first position")
        yield
    finally:
        stop.set()
        thread.join()


def ids(*numbers: int, epoch: int = 1) -> list[str]:
    return [f"{MIGRATION}/{epoch}/{number}" for number in numbers]


def told(at: Hook, n: int) -> list[str]:
    at.until(n)
    return at.delivered


def test_each_decision_is_told_once_over_restarts_and_repetitions(settings: Settings) -> None:
    """History is not told; a gate that publishes again after a kill is not told again; nothing is lost by a stop.

    Nor does a record that claims to be of a far later epoch, whoever wrote it, mute what comes after it.
    """
    publish(settings, decided(0))
    with hook() as at:
        target = Target("webhook", at.url)
        with notifying(settings, target):
            publish(settings, snapshot(100), decided(1), b"no record", decided(2), decided(2), decided(1))
            assert told(at, 2) == ids(1, 2)
            publish(settings, decided(9, epoch=FAR))
            assert told(at, 3) == [*ids(1, 2), *ids(9, epoch=FAR)]
        publish(settings, decided(2), decided(3), decided(0, epoch=2))
        with notifying(settings, target):
            assert told(at, 5) == [*ids(1, 2), *ids(9, epoch=FAR), *ids(3), *ids(0, epoch=2)]


def test_a_failing_endpoint_gets_everything_in_order_in_the_end(settings: Settings) -> None:
    """Errors and a hanging answer are tried again; what is refused for good does not hold up the next."""
    with hook(503, HANG, 200, 400) as at, notifying(settings, Target("webhook", at.url), timeout_s=3.0):
        publish(settings, decided(1), decided(2), decided(3))
        assert told(at, 2) == ids(1, 3)
        assert [code for _, code, _ in at.got] == [503, HANG, 200, 400, 200]


def test_a_target_that_hangs_holds_up_no_other(settings: Settings) -> None:
    """Each target has its own position on the broker."""
    with hook(*[HANG] * 50) as stuck, hook() as well:
        one, two = Target("webhook", stuck.url), Target("slack", well.url)
        with notifying(settings, one), notifying(settings, two):
            publish(settings, decided(1), decided(2))
            assert told(well, 2) == ids(1, 2)
            assert stuck.delivered == []
            stuck.let_go.set()


@contextmanager
def notify_process(settings: Settings, at: Target) -> Iterator["subprocess.Popen[bytes]"]:
    """`dualgate notify run` from a committed position on, as a process that does not outlive the block."""
    where = ["--webhook", at.url, "--bootstrap-servers", settings.bootstrap_servers, "--prefix", settings.topic_prefix]
    process = subprocess.Popen([*CLI, "notify", "run", *where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_true(lambda: position(settings, at) >= 0, "the notifier's first position")
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_kill_between_sending_and_committing_repeats_that_message_and_loses_none(settings: Settings) -> None:
    """kill -9 while the receiver has a message whose answer is not there: told again with the same id and body, once."""
    with hook(200, HANG) as at:
        target = Target("webhook", at.url)
        with notify_process(settings, target) as first:
            publish(settings, decided(1), decided(2))
            await_true(lambda: len(at.got) == 2, "the second message")
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert position(settings, target) == 1
        publish(settings, decided(3))
        with notify_process(settings, target) as second:
            assert told(at, 3) == ids(1, 2, 3)
            second.terminate()
            assert second.wait(WAIT_S) == 0
        assert [key for key, _, _ in at.got] == ids(1, 2, 2, 3)
        assert at.got[1][2] == at.got[2][2]
