"""The router against a real broker: follows `decisions` from the start and acknowledges to the ledger."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from dualgate.schemas.codec import Codec
from dualgate.schemas.records import LedgerEntry, RoutingAck, RoutingCommand
from dualgate.schemas.settings import Settings, load_settings
from dualgate.sinks.router import Router, RouterState
from support.routing import MIGRATION, command
from support.waiting import WAIT_S

pytestmark = pytest.mark.kafka


class Heard:
    """The changes that a router told, and a way to wait for one."""

    def __init__(self) -> None:
        self.states: list[RouterState] = []
        self._changed = threading.Condition()

    def __call__(self, state: RouterState) -> None:
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()

    def until(self, wanted: Callable[[RouterState], bool]) -> RouterState:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(wanted, self.states)), WAIT_S), self.states
            return next(filter(wanted, self.states))


@pytest.fixture
def settings(kafka: str, prefix: str, make_topics: Callable[..., None]) -> Settings:
    make_topics()
    return load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix)


def publish(settings: Settings, *values: RoutingCommand | bytes) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "partitioner": "murmur2_random"})
    for value in values:
        raw = value if isinstance(value, bytes) else Codec().encode(value)
        producer.produce(settings.topic_prefix + "decisions", raw, MIGRATION)
    assert producer.flush(WAIT_S) == 0


def acknowledgements(settings: Settings) -> list[RoutingAck]:
    """Return what stands in the ledger now."""
    config: dict[str, Any] = {"bootstrap.servers": settings.bootstrap_servers, "group.id": "test", "enable.auto.commit": False}
    consumer = Consumer(config)
    ledger = TopicPartition(settings.topic_prefix + "ledger", 0)
    low, high = consumer.get_watermark_offsets(ledger, timeout=WAIT_S)
    consumer.assign([TopicPartition(ledger.topic, 0, low)])
    messages: list[Any] = []
    while len(messages) < high - low:
        messages += consumer.consume(high - low - len(messages), WAIT_S)
    consumer.close()
    entries = [Codec().decode(LedgerEntry, message.value()) for message in messages]
    return [entry.ack for entry in entries if entry.ack is not None]


def issued(sequence: int, live_share: float, **changes: Any) -> RoutingCommand:
    return command(sequence, live_share, **({"issued_at_ms": time.time_ns() // 1_000_000} | changes))


def test_a_router_takes_the_newest_command_and_acknowledges_it(settings: Settings) -> None:
    """It reads the topic from its start, ignores a zombie's older command and what is no command, and reports its counts."""
    publish(settings, issued(1, 0.0), issued(3, 1.0), issued(2, 0.0), b"no routing command")
    heard = Heard()
    with Router(MIGRATION, settings=settings, router_id="r1", on_change=heard) as router:
        heard.until(lambda state: state.sequence == 3)
        assert router.route("user") == "challenger"
        assert router.shadow("user", "multi") == 1.0
        publish(settings, issued(4, 0.0))
        heard.until(lambda state: state.sequence == 4)
        assert router.route("user") == "incumbent"
    acks = acknowledgements(settings)
    assert {(ack.router_id, ack.epoch) for ack in acks} == {("r1", 1)}
    assert [ack.sequence for ack in acks][-1] == 4
    assert [ack.sequence for ack in acks] == sorted(ack.sequence for ack in acks)
    counted = [cell for ack in acks for cell in ack.counts]
    assert [(cell.stratum, cell.arm, cell.sampled, cell.count) for cell in counted] == [("multi", "challenger", True, 1)]


def test_a_lease_that_is_not_renewed_runs_out_and_a_renewal_brings_it_back(settings: Settings) -> None:
    """Without a renewal everyone is back on the incumbent; the renewal of the same command restores the share."""

    def leased(after_ms: int) -> RoutingCommand:
        """Return the command as issued by a clock ahead of ours: its lease of 2 s runs from when it is heard, however late."""
        return issued(1, 1.0, lease_ms=2_000, issued_at_ms=time.time_ns() // 1_000_000 + after_ms)

    publish(settings, leased(600_000))
    heard = Heard()
    with Router(MIGRATION, settings=settings, on_change=heard) as router:
        heard.until(lambda state: state.valid)
        heard.until(lambda state: not state.valid)
        assert router.route("user") == "incumbent"
        before = len(heard.states)
        publish(settings, leased(1_200_000))
        heard.until(lambda state: state.valid and heard.states.index(state) >= before)


def test_a_router_that_starts_before_the_topics_finds_them(kafka: str, prefix: str, make_topics: Callable[..., None]) -> None:
    """Order of start does not matter: the router waits with the incumbent until the topic and a command are there."""
    settings = load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix)
    heard = Heard()
    with Router(MIGRATION, settings=settings, on_change=heard) as router:
        assert router.route("user") == "incumbent"
        make_topics()
        publish(settings, issued(1, 1.0))
        heard.until(lambda state: state.valid)
        assert router.route("user") == "challenger"
