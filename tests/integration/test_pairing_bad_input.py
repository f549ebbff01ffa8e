"""Bad input and bad ground on a real broker: a dead letter or a clear error that names the cause, and nothing lost."""

from collections.abc import Callable

import orjson
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from dualgate.processors.pairing.worker import run
from dualgate.processors.runtime import clients
from dualgate.processors.runtime import dead_letters as letters
from dualgate.processors.runtime.loop import Stop
from dualgate.schemas.errors import ConfigError, DualgateError, StateError, TransientError
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import Query
from dualgate.schemas.settings import Settings
from support.pairing_kafka import dead_letters, found, publish, settled
from support.pairing_worker import running
from support.traffic import CHALLENGER, INCUMBENT, QUERY, START_MS, Sent, answer, query
from support.waiting import WAIT_S, await_true

pytestmark = pytest.mark.kafka


def settings_of(kafka: str, prefix: str) -> Settings:
    """Short times, so that a migration ends within seconds."""
    return Settings(bootstrap_servers=kafka, topic_prefix=prefix, window_ms=2_000, skew_ms=500, idle_ms=1_000)


def whole(name: str, at: int = 0) -> list[Sent]:
    """A query with both answers."""
    return [query(name, START_MS + at), *(answer(role, name, START_MS + at + 1) for role in (INCUMBENT, CHALLENGER))]


def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_goes_on(
    kafka: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    """Garbage, an unknown schema id, a tombstone, a key with no slash: each a dead letter with its origin; JSON is paired."""
    make_topics(partitions=2)
    record = Query(query_id="json", migration_id="m", asked_at_ms=START_MS, text="from any language")
    bad = [
        Sent(CHALLENGER, START_MS, b"m/a", b"\x01garbage"),
        Sent(QUERY, START_MS, b"m/b", b"\x00\x00\x00\x03\xe7abc"),
        Sent(INCUMBENT, START_MS, b"m/c", None),
        Sent(QUERY, START_MS, b"no slash", query("x", 0).value),
    ]
    as_json = [Sent(QUERY, START_MS, b"m/json", orjson.dumps(to_plain(record))), *whole("json")[1:]]
    publish(kafka, prefix, [*bad, *as_json, *whole("q")])
    with running(settings_of(kafka, prefix)):
        await_true(lambda: settled(kafka, prefix) == 2, "both pairs")
    got, times_settled = found(kafka, prefix)
    assert sorted(times_settled.items()) == [(b"m/json", 1), (b"m/q", 1)]
    assert got.pairs[b"m/json"][0] == "from any language"
    told = sorted((letter.topic.removeprefix(prefix), letter.key, letter.value) for letter in dead_letters(kafka, prefix))
    names = ("queries", "responses.incumbent", "responses.challenger")
    assert told == sorted((names[sent.role], sent.key, sent.value) for sent in bad)


def test_a_pair_larger_than_any_topic_takes_is_a_dead_letter(
    kafka: str, prefix: str, make_topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its inputs were within their limits, so it is told, cut, with its size and the limit; other pairs go on."""
    make_topics(partitions=2)
    monkeypatch.setattr(clients, "MAX_MESSAGE_BYTES", 4_000)
    monkeypatch.setattr(letters, "MAX_VALUE_BYTES", 1_000)
    large = [query("big", START_MS), *(answer(r, "big", START_MS, note="x" * 2_500) for r in (INCUMBENT, CHALLENGER))]
    publish(kafka, prefix, [*large, *whole("q")])
    with running(settings_of(kafka, prefix)):
        await_true(lambda: settled(kafka, prefix) == 1 and len(dead_letters(kafka, prefix)) == 1, "pair and dead letter")
    (letter,) = dead_letters(kafka, prefix)
    assert (letter.key, letter.truncated, letter.migration_id) == (b"m/big", True, "m")
    assert "bytes for pairs > 4000" in letter.reason


def failure(settings: Settings) -> DualgateError:
    """Run a worker that must fail by itself; return its error."""
    with pytest.raises(DualgateError) as caught:
        run(settings, Stop())
    return caught.value


def test_records_that_retention_ate_unread_stop_the_worker(kafka: str, prefix: str, make_topics: Callable[..., None]) -> None:
    """The position is no longer in the log: a StateError names the partition, the position and the log; nothing is skipped."""
    make_topics(partitions=1)
    settings = settings_of(kafka, prefix)
    publish(kafka, prefix, whole("q"))
    with running(settings):
        await_true(lambda: settled(kafka, prefix) == 1, "the first pair")
    publish(kafka, prefix, [sent for i in range(5) for sent in whole(f"r{i}", i)])
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.delete_records([TopicPartition(prefix + "queries", 0, 3)]).values():
        future.result(30)
    error = failure(settings)
    assert isinstance(error, StateError)
    assert f"{prefix}queries/0: position" in str(error)
    assert "is outside of the log 3..6: retention has eaten records that were not read" in str(error)


def test_missing_topics_are_named(kafka: str, prefix: str) -> None:
    """A ConfigError says which topics are missing and how they are made."""
    error = failure(settings_of(kafka, prefix))
    assert isinstance(error, ConfigError)
    assert f"{prefix}dead-letters" in str(error)
    assert "dualgate topics create" in str(error)


def test_unequal_partition_counts_are_refused(kafka: str, prefix: str, make_topics: Callable[..., None]) -> None:
    """A topic that has grown beside its siblings cannot be joined: a StateError tells each count."""
    make_topics(partitions=2)
    from confluent_kafka.admin import NewPartitions

    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_partitions([NewPartitions(prefix + "queries", 3)]).values():
        future.result(30)
    await_true(lambda: len(admin.list_topics(timeout=WAIT_S).topics[prefix + "queries"].partitions) == 3, "the growth")
    error = failure(settings_of(kafka, prefix))
    assert isinstance(error, StateError)
    assert f"'{prefix}queries': 3, '{prefix}responses.incumbent': 2" in str(error)


def test_an_unreachable_broker_is_named() -> None:
    """A TransientError names the address and what to do."""
    with pytest.raises(TransientError, match=r"no Kafka broker answers at 127\.0\.0\.1:9 within 1 s .*DUALGATE_BOOTSTRAP"):
        clients.wait_for_broker(Settings(bootstrap_servers="127.0.0.1:9"), timeout_s=1)
