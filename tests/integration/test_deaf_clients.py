"""Workers whose broker said for a while that the cluster has no brokers, as one does that is just ending."""

import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from dualgate.processors.runtime import clients, hearing
from dualgate.schemas.codec import Codec
from dualgate.schemas.settings import PairingTimes, Settings
from dualgate.schemas.topics import DECISIONS
from dualgate.sinks.router import Router, follower
from support.metadata_proxy import MetadataProxy, metadata_proxy
from support.pairing_kafka import found, publish, publish_values, settled
from support.pairing_sim import compare
from support.pairing_worker import running
from support.routing import MIGRATION, command
from support.traffic import Shape, oracle, sentinels, traffic
from support.waiting import await_true

pytestmark = pytest.mark.kafka


def test_pairing_goes_on_after_it_was_told_of_no_brokers(
    kafka: str, prefix: str, make_topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that forgot its broker for good is replaced by another: what comes later is paired, all of it once."""
    monkeypatch.setattr(hearing, "QUIET_S", 5.0)
    monkeypatch.setattr(clients, "SESSION_TIMEOUT_MS", 2_000)
    monkeypatch.setitem(clients.AFTER_AN_OUTAGE, "topic.metadata.refresh.interval.ms", 100)
    make_topics(partitions=1)
    times = PairingTimes.of(Settings(window_ms=2_000, skew_ms=500))
    records = traffic(600, seed=1, times=times, shape=Shape())
    records += sentinels(records[-1].time + 5 * times.window_ms, ("m",), 1)
    expected = oracle([records], times)
    with metadata_proxy(kafka) as proxy:
        settings = Settings(bootstrap_servers=proxy.servers, topic_prefix=prefix, window_ms=2_000, skew_ms=500, idle_ms=300_000)
        publish(kafka, prefix, records[:900])
        with running(settings):
            await_true(lambda: settled(kafka, prefix) > 0, "the first pairs")
            no_brokers(proxy)
            publish(kafka, prefix, records[900:])
            wanted = len(expected.pairs) + len(expected.unpaired)
            await_true(lambda: settled(kafka, prefix) >= wanted, "all queries settled")
    compare(expected, *found(kafka, prefix))


def test_a_router_goes_on_after_it_was_told_of_no_brokers(
    kafka: str, prefix: str, make_topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of four obey the next command: one that hears no more would serve the incumbent for ever when its lease is over."""
    monkeypatch.setattr(hearing, "QUIET_S", 5.0)
    asking = follower._consumer_config
    often = {"topic.metadata.refresh.interval.ms": 100}
    monkeypatch.setattr(follower, "_consumer_config", lambda *given: asking(*given) | often)
    make_topics()

    def tell(sequence: int) -> None:
        told = command(sequence, 1.0, issued_at_ms=time.time_ns() // 1_000_000)
        publish_values(kafka, prefix + DECISIONS, [(MIGRATION.encode(), Codec().encode(told))])

    with metadata_proxy(kafka) as proxy, ExitStack() as stack:
        settings = Settings(bootstrap_servers=proxy.servers, topic_prefix=prefix)
        tell(1)
        routers = [stack.enter_context(Router(MIGRATION, settings=settings)) for _ in range(4)]
        await_true(lambda: all(router.state.sequence == 1 for router in routers), "the first command")
        no_brokers(proxy)
        tell(2)
        await_true(lambda: all(router.state.sequence == 2 for router in routers), "the second command")


def no_brokers(proxy: MetadataProxy) -> None:
    """Tell of no brokers until nobody asks any more, or for 15 s: when a client falls deaf is a race within librdkafka.

    A client that still hears asks ten times a second, a new one of a deaf client's watch every five at most.
    """
    proxy.empty, began, before = True, time.monotonic(), proxy.told

    def deaf() -> bool:
        silent_s = time.monotonic() - proxy.told_at_s
        return proxy.told > before and (silent_s > 2.0 or time.monotonic() - began > 15.0)

    await_true(deaf, "telling of no brokers")
    proxy.empty = False
