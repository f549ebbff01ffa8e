"""The pairing worker on a real broker: everything once, as the oracle says, to the end of each migration."""

from collections.abc import Callable

import pytest

from dualgate.schemas.settings import PairingTimes, Settings
from support.pairing_kafka import await_true, found, publish, settled
from support.pairing_sim import compare
from support.pairing_worker import running
from support.traffic import Shape, oracle, traffic

pytestmark = pytest.mark.kafka


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
        await_true(lambda: len(found(kafka, prefix)[0].late) >= len(expected.late), "all late answers told")
    compare(expected, *found(kafka, prefix))
