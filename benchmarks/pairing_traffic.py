"""Traffic for the pairing benchmark: queries and both answers in time order, 300 and 600 bytes a value, no faults in it."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Producer

from dualgate.cli.topic_admin import create_topics
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import Query, Response
from dualgate.schemas.topics import QUERIES, RESPONSES_CHALLENGER, RESPONSES_INCUMBENT

START_MS = 1_700_000_000_000
PARTITIONS = 4
QUERY_BYTES, RESPONSE_BYTES = 300, 600
Record = tuple[str, bytes, bytes, int]
"""Topic, key, value, timestamp in milliseconds."""


def records(n_queries: int, per_second: float) -> Iterator[Record]:
    """Yield three records a query, in time order; of the values only the id's digits change."""
    codec, mark = Codec(), "0" * 30
    query = Query(query_id=mark, migration_id="bench", asked_at_ms=START_MS, text="x" * 200)
    values = [_sized(codec, query, QUERY_BYTES)]
    for arm in ("incumbent", "challenger"):
        response = Response(
            query_id=mark,
            migration_id="bench",
            arm=arm,
            agent_version="v",
            service_ms=40.0,
            started_at_ms=START_MS,
            output="y" * 500,
        )
        values.append(_sized(codec, response, RESPONSE_BYTES))
    halves = [value.split(mark.encode()) for value in values]
    topics = (QUERIES, RESPONSES_INCUMBENT, RESPONSES_CHALLENGER)
    for i in range(n_queries):
        name, at = b"%030d" % i, START_MS + int(i * 1000 / per_second)
        for topic, (head, tail), delay_ms in zip(topics, halves, (0, 40, 45), strict=True):
            yield topic, b"bench/" + name, head + name + tail, at + delay_ms


def _sized(codec: Codec, record: Query | Response, size: int) -> bytes:
    """Return the record's value with its filling cut or stretched to about this size."""
    value = codec.encode(record)
    filled = record.text if isinstance(record, Query) else record.output
    wanted = max(1, len(filled) + size - len(value))
    name = "text" if isinstance(record, Query) else "output"
    fields = {field: getattr(record, field) for field in record.__slots__}
    return codec.encode(type(record)(**{**fields, name: filled[0] * wanted}))


def publish(servers: str, prefix: str, n_queries: int, per_second: float, partitions: int = PARTITIONS) -> int:
    """Create the topics and write the traffic; return the number of records."""
    create_topics(servers, prefix, partitions)
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    n = 0
    for topic, key, value, timestamp_ms in records(n_queries, per_second):
        n += 1
        while True:
            try:
                producer.produce(prefix + topic, value, key, timestamp=timestamp_ms)
                break
            except BufferError:
                producer.poll(0.1)
        if n % 10_000 == 0:
            producer.poll(0)
    producer.flush(120)
    return n
