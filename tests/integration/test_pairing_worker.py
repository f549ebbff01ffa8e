"""The pairing worker on a real broker: everything once, as the oracle says, to the end of each migration."""

from collections.abc import Callable

import pytest

from dualgate.schemas.settings import PairingTimes, Settings
from support.pairing_kafka import found, publish, settled
from support.pairing_sim import compare
from support.pairing_worker import running
from support.traffic import CHALLENGER, INCUMBENT, START_MS, Sent, Shape, answer, oracle, query, traffic
from support.waiting import await_true

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


def slice_of(n: int, answered: bool) -> list[Sent]:
    """Return a second of two migrations' traffic in record time; the challenger of one answers or not."""
    sent = []
    for i in range(20):
        name, at = f"q{n}-{i}", START_MS + 1_000 * n + 50 * i
        for migration in ("m", "n"):
            roles = (INCUMBENT, CHALLENGER) if answered or migration == "m" else (INCUMBENT,)
            sent += [query(name, at, migration), *(answer(role, name, at + 20, migration, f"{role}") for role in roles)]
    return sent


def test_a_partition_that_falls_silent_and_comes_back(kafka: str, prefix: str, make_topics: Callable[..., None]) -> None:
    """A challenger that answers nothing holds nothing up: its queries expire while their siblings go on.

    What it answers when it is back is paired, though far ahead in record time: nothing is expired too early.
    """
    make_topics(partitions=1)
    settings = Settings(bootstrap_servers=kafka, topic_prefix=prefix, window_ms=2_000, skew_ms=500, idle_ms=1_200)
    records: list[Sent] = []
    with running(settings):
        while not found(kafka, prefix)[0].unpaired:
            assert len(records) < 100 * 400, "nothing expired while the siblings went on"
            part = slice_of(len(records) // 100, answered=False)
            publish(kafka, prefix, part)
            records += part
        later = [sent for n in range(20) for sent in slice_of(len(records) // 100 + n, answered=True)]
        publish(kafka, prefix, later)
        expected = oracle([[*records, *later]], PairingTimes.of(settings))
        await_true(lambda: settled(kafka, prefix) >= len(expected.pairs) + len(expected.unpaired), "all queries settled")
    compare(expected, *found(kafka, prefix))
