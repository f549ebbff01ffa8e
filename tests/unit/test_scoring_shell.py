"""The shell of scoring, its clients replaced by a log: what is folded, sent, acknowledged and committed, in which order."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from dualgate.processors.scoring import outlet, worker
from dualgate.processors.scoring.fold import Folded, Origin, Raw
from dualgate.processors.scoring.metrics import Reporter
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import TransientError
from dualgate.schemas.records import LedgerEntry, Tick
from dualgate.schemas.settings import Settings

N_PARTITIONS = 2
SETTINGS = Settings()


class Log(list[str]):
    """What happened in its order, and what the broker will say to what is sent."""

    error: KafkaError | None = None
    left = 0


class Message:
    """A pair that was written a moment ago."""

    def __init__(self, partition: int, offset: int) -> None:
        self._at = partition, offset

    def error(self) -> None: ...
    def topic(self) -> str:
        return "pairs"

    def partition(self) -> int:
        return self._at[0]

    def offset(self) -> int:
        return self._at[1]

    def timestamp(self) -> tuple[int, int]:
        return 1, time.time_ns() // 1_000_000

    def key(self) -> bytes:
        return b"m/q"

    def value(self) -> bytes:
        return b""


class Producer:
    """Logs, and delivers when it is flushed."""

    def __init__(self, log: Log) -> None:
        self._log, self._told = log, list[Callable[..., None]]()

    def produce(self, topic: str, _value: bytes, _key: bytes, on_delivery: Callable[..., None]) -> None:
        self._log.append(f"send to {topic}")
        self._told.append(on_delivery)

    def flush(self, _timeout_s: float) -> int:
        for told in self._told[self._log.left :]:
            told(self._log.error, None)
        self._log.append("acknowledged")
        self._told.clear()
        return self._log.left

    def purge(self) -> None: ...
    def close(self) -> None: ...


class Consumer:
    """Assigns all partitions at once and hands over the messages."""

    def __init__(self, log: Log, messages: Sequence[Message]) -> None:
        self._log, self._left = log, list(messages)

    def subscribe(self, topics: Sequence[str], on_assign: Callable[..., None], **_others: Any) -> None:
        self._assign = on_assign, [TopicPartition(name, number) for name in topics for number in range(N_PARTITIONS)]

    def join(self) -> None:
        assign, places = self._assign
        assign(self, places)

    def poll(self, _timeout_s: float) -> Message:
        return self._left.pop(0)

    def consume(self, _n: int, _timeout_s: float) -> list[Message]:
        found, self._left = self._left, []
        return found

    def commit(self, **_what: Any) -> list[TopicPartition]:
        self._log.append("commit")
        return []

    def assign(self, _places: Any) -> None: ...
    def pause(self, _places: Any) -> None: ...
    def resume(self, _places: Any) -> None: ...
    def close(self) -> None: ...
    def get_watermark_offsets(self, _place: Any, cached: bool) -> None: ...


class Logic:
    """Folds any records into one entry."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def pairs(self, origin: Origin, records: Sequence[Raw], _clocks: Any) -> Folded:
        self._log.append(f"fold {origin.partition} from {records[0].offset}")
        return Folded(entries=[LedgerEntry(tick=Tick(migration_id="m", issued_at_ms=1))])


class NoMigrations:
    epochs: Mapping[str, int] = MappingProxyType({})

    def scoring(self, _migration_id: str) -> None: ...
    def drain(self) -> None: ...


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def session(log: Log, monkeypatch: pytest.MonkeyPatch) -> Iterator[worker.ScoringSession]:
    """A session that has read fifty-one pairs of one partition and one of another."""
    messages = [Message(0, offset) for offset in range(worker.TURN_PAIRS + 1)] + [Message(1, 0)]
    consumer = Consumer(log, messages)
    monkeypatch.setattr(outlet, "Producer", lambda _config: Producer(log))
    monkeypatch.setattr(worker, "make_consumer", lambda _config: consumer)
    monkeypatch.setattr(worker, "topic_ids", lambda _admin, topics: dict.fromkeys(topics, "id"))
    monkeypatch.setattr(
        worker, "start_positions", lambda _consumer, places: [TopicPartition(p.topic, p.partition, 0) for p in places]
    )
    monkeypatch.setattr(worker, "ScoringLogic", lambda *_: Logic(log))
    made = worker.ScoringSession(SETTINGS, Codec(), None, NoMigrations(), Reporter())  # type: ignore[arg-type]
    consumer.join()
    yield made
    made.close()


def test_a_block_is_sent_before_the_next_partition_is_folded_and_acknowledged_before_its_partitions_next(
    session: worker.ScoringSession, log: Log
) -> None:
    """No pair waits for another partition's scores; of its own a block stands before the next is made, all before the commit."""
    assert session.step()
    assert log == [
        *("fold 0 from 0", "send to ledger", "fold 1 from 0", "send to ledger", "acknowledged"),
        *(f"fold 0 from {worker.TURN_PAIRS}", "send to ledger", "acknowledged", "commit"),
    ]


@pytest.mark.parametrize(("error", "left"), [(KafkaError(KafkaError._MSG_TIMED_OUT), 0), (None, 1)])
def test_what_is_not_acknowledged_is_neither_committed_nor_told(
    session: worker.ScoringSession, log: Log, error: KafkaError | None, left: int
) -> None:
    """The session ends, and its successor scores the pairs again."""
    log.error, log.left = error, left
    with pytest.raises(TransientError, match=r"writing to the ledger|1 of 2 ledger entries were not acknowledged"):
        session.step()
    assert "commit" not in log
    assert session._reporter.blocks == 0
