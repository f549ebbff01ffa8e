"""The publisher never stands in a request's way: it drops, counts and reports instead."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaError

from dualgate.producers import Publisher
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import Query, Response
from dualgate.schemas.settings import load_settings
from dualgate.schemas.topics import RERUN_HEADER

SETTINGS = load_settings({}, topic_prefix="p.")
QUERY = Query(query_id="q1", migration_id="m", asked_at_ms=5, text="how many?", rerun=True)
RESPONSE = Response(query_id="q1", migration_id="m", arm="incumbent", agent_version="v1", service_ms=3.4, started_at_ms=10)
WAIT_S = 10.0


class Client:
    """Stands for the Kafka client: takes records when its gate is open, and tells what the test wants of each."""

    def __init__(self, error: KafkaError | None = None, capacity: int = 1000) -> None:
        self.taken: list[dict[str, Any]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error, self.capacity = error, capacity
        self._callbacks: list[Callable[[KafkaError | None, Any], None]] = []

    def __call__(self, config: dict[str, Any]) -> "Client":
        self.config = config
        return self

    def produce(self, topic: str, value: bytes, key: bytes, **given: Any) -> None:
        self.gate.wait(WAIT_S)
        if len(self._callbacks) >= self.capacity:
            raise BufferError
        self._callbacks.append(given.pop("on_delivery"))
        self.taken.append({"topic": topic, "value": value, "key": key, **given})

    def poll(self, _timeout: float) -> int:
        told, self._callbacks = self._callbacks, []
        for callback in told:
            callback(self.error, None)
        return len(told)

    def purge(self) -> None:
        self.error = KafkaError(KafkaError._PURGE_QUEUE)

    def flush(self, timeout: float) -> int:
        return self.poll(timeout)


def test_records_go_to_their_topics_under_their_key_with_their_own_time() -> None:
    """A query carries the time it was asked and the re-run header, an answer the time it was there."""
    client, codec = Client(), Codec()
    with Publisher(SETTINGS, producer=client) as publisher:
        assert publisher.query(QUERY)
        assert publisher.response(RESPONSE)
        assert publisher.response(RESPONSE, is_rerun=True)
        assert publisher.flush(WAIT_S) == 0
    topics = [(m["topic"], m["key"], m["timestamp"], m["headers"]) for m in client.taken]
    assert topics == [
        ("p.queries", b"m/q1", 5, [(RERUN_HEADER, b"1")]),
        ("p.responses.incumbent", b"m/q1", 13, []),
        ("p.responses.rerun", b"m/q1", 13, []),
    ]
    assert codec.decode(Query, client.taken[0]["value"]) == QUERY
    assert codec.decode(Response, client.taken[1]["value"]) == RESPONSE
    assert client.config["partitioner"] == "murmur2_random"


def test_a_record_may_be_given_by_its_fields() -> None:
    """Fields make the record; a wrong or missing one costs the mirror and not the request."""
    client = Client()
    with Publisher(SETTINGS, producer=client) as publisher:
        assert publisher.query(query_id="q1", migration_id="m", asked_at_ms=5, text="x")
        assert not publisher.query(query_id="q1")
        assert not publisher.response(nonsense=1)
        assert publisher.flush(WAIT_S) == 0
        assert publisher.counts.dropped == {"invalid": 2}
    assert len(client.taken) == 1


@pytest.mark.parametrize(
    "query",
    [
        Query(query_id="q1", migration_id="m", asked_at_ms="noon", text="x"),  # type: ignore[arg-type]
        Query(query_id="q1", migration_id="Not An Id", asked_at_ms=1, text="x"),
        Query(query_id="", migration_id="m", asked_at_ms=1, text="x"),
    ],
)
def test_a_value_that_does_not_fit_is_dropped_and_counted(query: Query) -> None:
    """What cannot be encoded is dropped in the publisher's thread, which goes on with the next record."""
    client = Client()
    with Publisher(SETTINGS, producer=client) as publisher:
        assert publisher.query(query)
        assert publisher.query(QUERY)
        assert publisher.flush(WAIT_S) == 0
        assert publisher.counts.dropped == {"invalid": 1}
        assert publisher.counts.delivered == 1


def test_calls_return_while_the_client_hangs_and_the_buffer_is_bounded() -> None:
    """With a client that takes nothing, every call returns at once; beyond the buffer mirrors are dropped and counted."""
    client = Client()
    client.gate.clear()
    publisher = Publisher(SETTINGS, buffer=10, producer=client)
    accepted = sum(publisher.query(QUERY) for _ in range(100))
    assert 10 <= accepted <= 11  # the thread may hold one more in its hand
    assert publisher.counts.dropped == {"buffer full": 100 - accepted}
    client.gate.set()
    assert publisher.flush(WAIT_S) == 0
    assert publisher.counts.delivered == accepted
    publisher.close()


def test_a_full_client_queue_holds_the_thread_and_loses_nothing() -> None:
    """Where the client's own queue is full the thread waits for room; accepted records are all delivered, in order."""
    client = Client(capacity=1)
    with Publisher(SETTINGS, producer=client) as publisher:
        for i in range(20):
            assert publisher.query(query_id=f"q{i}", migration_id="m", asked_at_ms=i, text="x")
        assert publisher.flush(WAIT_S) == 0
    assert [m["timestamp"] for m in client.taken] == list(range(20))


def test_what_the_broker_does_not_take_is_counted_and_reported() -> None:
    """An undelivered mirror is counted as such, and the counts are told when the publisher ends."""
    heard: list[Mapping[str, int]] = []
    client = Client(error=KafkaError(KafkaError._MSG_TIMED_OUT))
    with Publisher(SETTINGS, producer=client, on_drop=heard.append) as publisher:
        assert publisher.query(QUERY)
        assert publisher.flush(WAIT_S) == 0
        assert publisher.counts.delivered == 0
    assert heard == [{"not delivered": 1}]


def test_a_closed_publisher_refuses_quietly() -> None:
    """After closing, mirrors are refused and counted, and still nothing is raised."""
    publisher = Publisher(SETTINGS, producer=Client())
    assert publisher.close() == 0
    assert not publisher.query(QUERY)
    assert publisher.counts.dropped == {"closed": 1}


def test_a_dead_broker_costs_mirrors_and_never_answers() -> None:
    """With nothing listening at the address, calls are accepted or refused, none raises, and closing ends."""
    nobody = load_settings({}, bootstrap_servers="127.0.0.1:1")
    publisher = Publisher(nobody, buffer=50)
    accepted = sum(publisher.query(QUERY) for _ in range(500))
    assert 50 <= accepted < 500
    publisher.close(timeout=0.1)
    counts = publisher.counts
    assert (counts.delivered, counts.waiting) == (0, 0)
    assert sum(counts.dropped.values()) == 500


def test_a_buffer_without_room_is_refused() -> None:
    """A buffer holds at least one record."""
    with pytest.raises(ConfigError, match="buffer=0 must be at least 1"):
        Publisher(SETTINGS, buffer=0, producer=Client())
