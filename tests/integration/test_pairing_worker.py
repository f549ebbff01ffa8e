"""The pairing worker on a real broker: everything once, as the oracle says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dualgate.processors.pairing.worker import run
from dualgate.processors.runtime.loop import Stop
from dualgate.schemas.settings import PairingTimes, Settings
from support.pairing_kafka import await_true, found, publish, settled
from support.pairing_sim import compare
from support.traffic import Shape, oracle, traffic

pytestmark = pytest.mark.kafka


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """A worker in a thread; its error, if any, is raised at the end."""
    stop, failures = Stop(), []

    def work() -> None:
        try:
            run(settings, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert failures == []


def test_all_traffic_comes_out_once(kafka: str, prefix: str, make_topics: Callable[..., None]) -> None:
    """Late, early, repeated, missing and orphaned records of two migrations, to the end of both: as the oracle says."""
    make_topics(partitions=2)
    settings = Settings(bootstrap_servers=kafka, topic_prefix=prefix, window_ms=3_000, skew_ms=500, idle_ms=1_000)
    times = PairingTimes.of(settings)
    records = traffic(3_000, seed=1, times=times, shape=Shape(migrations=("m", "other.one")))
    publish(kafka, prefix, records)
    expected = oracle([records], times)
    wanted = len(expected.pairs) + len(expected.unpaired)
    with running(settings):
        await_true(lambda: settled(kafka, prefix) >= wanted, "all queries settled")
    compare(expected, *found(kafka, prefix))
