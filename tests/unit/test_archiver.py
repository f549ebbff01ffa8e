"""The archiver's last reading: on to the ends of the topics, however long that takes while anything comes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import TransientError
from dualgate.schemas.records import LedgerEntry, Tick
from dualgate.schemas.settings import Settings
from dualgate.sinks.archive import Archiver, Manifest, sink

N = 12


class Slow:
    """A consumer of one partition that hands over one record in ten seconds, up to the one after which nothing comes."""

    def __init__(self, last: int) -> None:
        self.now_s, self._last, self._given = 0.0, last, 0

    def list_topics(self, topic: str, **_: float) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions=[0])})

    def assign(self, _places: list[TopicPartition]) -> None:
        pass

    def get_watermark_offsets(self, _place: TopicPartition, **_: float) -> tuple[int, int]:
        return 0, N

    def consume(self, _n: int, _timeout_s: float) -> list[Any]:
        self.now_s += 10.0
        if self._given == self._last:
            return []
        offset, self._given = self._given, self._given + 1
        value = Codec().encode(LedgerEntry(tick=Tick(migration_id="m", issued_at_ms=offset)))
        told = {"topic": "ledger", "partition": 0, "offset": offset, "key": b"m", "value": value, "timestamp": (1, offset)}
        return [SimpleNamespace(error=lambda: None, **{name: lambda each=each: each for name, each in told.items()})]

    def close(self) -> None:
        pass


def archived(folder: Path, consumer: Slow, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    monkeypatch.setattr(sink, "Consumer", lambda _config: consumer)
    return Archiver(folder, Settings(), ["ledger"], roll_records=5, clock=lambda: consumer.now_s).run(lambda: True)


def test_a_long_backlog_is_archived_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes of it are no failure, and its files are closed under way: a crash reads only the open one again."""
    manifest = archived(tmp_path, Slow(N), monkeypatch)
    assert (manifest.closed, [segment.records for segment in manifest.segments]) == (True, [5, 5, 2])


def test_an_end_that_is_not_reached_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing comes any more before the end, that is said with the end; what was closed before it stays."""
    with pytest.raises(TransientError, match="ledger: nothing came for 15 s before its end 12"):
        archived(tmp_path, Slow(7), monkeypatch)
    assert [segment.records for segment in Manifest.read(tmp_path).segments] == [5]
