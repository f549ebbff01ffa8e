"""Pairing against a real broker: publish traffic, read what came out, compare it with the oracle."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import DeadLetter, Pair, Query, Response, Unpaired
from dualgate.schemas.topics import DEAD_LETTERS, INPUTS, PAIRS, RERUN_HEADER, UNPAIRED
from support.pairing_sim import collect
from support.traffic import CODEC, QUERY, Expected, Sent
from support.waiting import WAIT_S


def publish(servers: str, prefix: str, records: Iterable[Sent]) -> None:
    """Write records to their topics in the given order."""
    producer = Producer(
        {"bootstrap.servers": servers, "partitioner": "murmur2_random", "linger.ms": 20, "enable.idempotence": True}
    )
    for sent in records:
        headers: list[tuple[str, str | bytes | None]] = [(RERUN_HEADER, b"1")] if sent.rerun else []
        while True:
            try:
                topic = prefix + INPUTS[sent.role]
                producer.produce(topic, sent.value, sent.key, sent.partition, timestamp=sent.time, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(WAIT_S) == 0


def publish_values(servers: str, topic: str, values: Iterable[tuple[bytes, bytes]]) -> None:
    """Write keys and values to a topic of one partition."""
    producer = Producer({"bootstrap.servers": servers})
    for key, value in values:
        producer.produce(topic, value, key)
    assert producer.flush(WAIT_S) == 0


def read_all(servers: str, topic: str, committed: bool = True, last: int | None = None) -> list[Any]:
    """Return the messages of a topic to its end as it is now, of committed transactions only unless told.

    From its beginning, or only those of the last offsets of each partition.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "reader",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    partitions = consumer.list_topics(topic, timeout=WAIT_S).topics[topic].partitions
    places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions]
    if last is not None:
        for place in places:
            low, high = consumer.get_watermark_offsets(place, timeout=WAIT_S)
            place.offset = max(low, high - last)
    consumer.assign(places)
    left, found = set(partitions), []
    deadline = time.monotonic() + WAIT_S
    while left:
        assert time.monotonic() < deadline, f"{topic} has no end"
        for message in consumer.consume(10_000, 0.05):
            error = message.error()
            if error is None:
                found.append(message)
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left.discard(message.partition())
    consumer.close()
    return found


def settled(servers: str, prefix: str) -> int:
    """Return how many queries have been settled, by a read of both output topics."""
    return len(read_all(servers, prefix + PAIRS)) + sum(
        1 for m in read_all(servers, prefix + UNPAIRED) if CODEC.decode(Unpaired, m.value()).reason != "late"
    )


def found(servers: str, prefix: str) -> tuple[Expected, Counter[bytes]]:
    """Return what came out in the oracle's form, and how often each query was settled."""
    result, times_settled = Expected({}, {}, []), Counter[bytes]()
    for message in read_all(servers, prefix + PAIRS):
        pair = CODEC.decode(Pair, message.value())
        assert message.timestamp()[1] == pair.query.asked_at_ms
        times_settled[message.key()] += 1
        rerun = pair.rerun.output if pair.rerun else None
        result.pairs[message.key()] = (pair.query.text, pair.incumbent.output, pair.challenger.output, rerun)
    for message in read_all(servers, prefix + UNPAIRED):
        collect(message.key(), CODEC.decode(Unpaired, message.value()), result, times_settled)
    result.late.sort()
    return result, times_settled


def inputs(servers: str, prefix: str) -> list[Sent]:
    """Return the records of the input topics as they stand there, each partition in its order; unreadable ones have no note."""
    return [_sent(role, message) for role, topic in enumerate(INPUTS) for message in read_all(servers, prefix + topic)]


def _sent(role: int, message: Any) -> Sent:
    rerun = any(name == RERUN_HEADER for name, _ in message.headers() or ())
    try:
        value = message.value()
        note = CODEC.decode(Query, value).text if role == QUERY else CODEC.decode(Response, value).output
    except RecordError:
        return Sent(role, message.timestamp()[1], message.key(), None, rerun)
    return Sent(role, message.timestamp()[1], message.key(), message.value(), rerun, note)


def dead_letters(servers: str, prefix: str) -> list[DeadLetter]:
    """Return the dead letters that are written so far."""
    return [CODEC.decode(DeadLetter, message.value()) for message in read_all(servers, prefix + DEAD_LETTERS)]
