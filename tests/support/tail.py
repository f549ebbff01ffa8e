"""A reader that follows what workers put out while they work: read_committed, from the beginning, each record once."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from dualgate.schemas.records import DeadLetter, LedgerEntry, Unpaired
from dualgate.schemas.topics import DEAD_LETTERS, LEDGER, PAIRS, UNPAIRED
from support.traffic import CODEC
from support.waiting import WAIT_S

TOPICS = (PAIRS, UNPAIRED, LEDGER, DEAD_LETTERS)


class Tail:
    """What stands on the output topics so far: messages by bare topic name, in the order of each partition."""

    def __init__(self, servers: str, prefix: str, topics: Sequence[str] = TOPICS) -> None:
        self._prefix = prefix
        self.found: dict[str, list[Any]] = defaultdict(list)
        self.reasons: list[str] = []
        self.blocks: list[LedgerEntry] = []
        config = {"bootstrap.servers": servers, "group.id": "tail", "enable.auto.commit": False, "log_level": 0}
        self._consumer = Consumer({**config, "isolation.level": "read_committed"})
        places = [
            TopicPartition(prefix + topic, number, OFFSET_BEGINNING)
            for topic in topics
            for number in self._consumer.list_topics(prefix + topic, timeout=WAIT_S).topics[prefix + topic].partitions
        ]
        self._consumer.assign(places)

    def __enter__(self) -> "Tail":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()

    def poll(self, timeout_s: float = 0.1) -> int:
        """Take what has come; return how many records. What a broker that is away says of itself is passed over."""
        messages = [m for m in self._consumer.consume(5_000, timeout_s) if m.error() is None]
        for message in messages:
            name = (message.topic() or "").removeprefix(self._prefix)
            self.found[name].append(message)
            if name == UNPAIRED:
                self.reasons.append(CODEC.decode(Unpaired, message.value()).reason)
            elif name == LEDGER:
                self.blocks.append(CODEC.decode(LedgerEntry, message.value()))
        return len(messages)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Follow until the condition holds; AssertionError with the counts where it does not in time."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            self.poll()
            counts = {name: len(messages) for name, messages in self.found.items()}
            assert time.monotonic() < deadline, f"{what} did not happen within {WAIT_S:.0f} s; there is {counts}"

    def settled(self) -> int:
        """Return how many times a query was settled."""
        return len(self.found[PAIRS]) + len(self.reasons) - self.late()

    def late(self) -> int:
        """Return how many records were told as late."""
        return self.reasons.count("late")

    def rows(self) -> int:
        """Return how many rows the ledger's blocks have, repeated ones included."""
        blocks = [entry.quality or entry.coverage for entry in self.blocks]
        return sum(len(block.offset) for block in blocks if block is not None)

    def dead(self) -> list[DeadLetter]:
        """Return the dead letters."""
        return [CODEC.decode(DeadLetter, message.value()) for message in self.found[DEAD_LETTERS]]
