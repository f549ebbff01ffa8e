"""The join by arroyo: a dictionary of what waits in memory, at least once, nothing restored after a crash. SERVERS PREFIX N"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from arroyo.backends.kafka import KafkaConsumer, KafkaPayload, KafkaProducer, build_kafka_configuration
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import CommitOffsets, ProcessingStrategy, ProcessingStrategyFactory, Produce, RunTask
from arroyo.types import FILTERED_PAYLOAD, BrokerValue, Message, Partition, Topic
from told import TOPICS, Told


class ThreeTopics(KafkaConsumer):
    """A consumer that reads the three topics, whichever its processor asks for."""

    prefix = ""

    def subscribe(self, _topics: Any, *args: Any, **kwargs: Any) -> None:
        """Subscribe to the three topics."""
        super().subscribe([Topic(self.prefix + name) for name in TOPICS], *args, **kwargs)


class Factory(ProcessingStrategyFactory[KafkaPayload]):
    """Joins, produces, commits."""

    def __init__(self, servers: str, prefix: str, told: Told) -> None:
        self._roles = {prefix + name: role for role, name in enumerate(TOPICS)}
        self._producer = KafkaProducer(build_kafka_configuration({}, bootstrap_servers=[servers]))
        self._out = Topic(f"{prefix}joined.arroyo")
        self._told = told
        self._waiting: dict[bytes, list[bytes | None]] = {}

    def create_with_partitions(
        self, commit: Callable[..., None], _partitions: Mapping[Partition, int]
    ) -> ProcessingStrategy[KafkaPayload]:
        """Return the steps."""
        produce: Any = Produce(self._producer, self._out, CommitOffsets(commit))
        return RunTask(self._join, produce)

    def _join(self, message: Message[KafkaPayload]) -> Any:
        value: Any = message.value
        assert isinstance(value, BrokerValue)
        key, role = message.payload.key or b"", self._roles[value.partition.topic.name]
        entry = self._waiting.setdefault(key, [None, None, None])
        entry[role] = message.payload.value
        result: Any = FILTERED_PAYLOAD
        if None not in entry:
            del self._waiting[key]
            self._told.joined += 1
            result = KafkaPayload(key, b"".join(entry), [])  # type: ignore[arg-type]
        self._told.read()
        return result


def main(servers: str, prefix: str, n: int) -> None:
    """Join until n records are read."""
    config = build_kafka_consumer_configuration(
        {"partition.assignment.strategy": "range"},
        bootstrap_servers=[servers],
        auto_offset_reset="earliest",
        group_id=f"{prefix}arroyo-join",
    )
    ThreeTopics.prefix = prefix
    StreamProcessor(ThreeTopics(config), Topic(prefix + TOPICS[0]), Factory(servers, prefix, Told(n))).run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
