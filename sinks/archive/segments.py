"""The segments that are being written: one open file a topic, closed all together."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dualgate.sinks.archive.avro_file import AvroFile
from dualgate.sinks.archive.manifest import Segment, digest


@dataclass(slots=True)
class _Open:
    name: str
    file: AvroFile
    offsets: dict[str, tuple[int, int]] = field(default_factory=dict)


class OpenSegments:
    """Takes records in and closes them into segments; nothing is visible under its name before that."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number
        self._open: dict[str, _Open] = {}
        self.n_records = 0

    def write(self, topic: str, partition: int, offset: int, timestamp_ms: int, key: str | None, line: tuple[str, Any]) -> None:
        """Add a record of a topic; the line is its topic in the file (`dead-letters` for the undecodable) and value."""
        held = self._open.get(topic) or self._begin(topic)
        held.file.write(line[0], partition, offset, timestamp_ms, key, line[1])
        start, _ = held.offsets.get(str(partition), (offset, offset))
        held.offsets[str(partition)] = (start, offset + 1)
        self.n_records += 1

    def close(self) -> tuple[Segment, ...]:
        """Finish all files and return their segments; the next ones have the next number."""
        done = tuple(self._finish(topic, held) for topic, held in sorted(self._open.items()))
        self._open.clear()
        self._number += 1
        self.n_records = 0
        return done

    def abandon(self) -> None:
        """Remove what is not finished."""
        for held in self._open.values():
            held.file.abandon()
        self._open.clear()

    def _begin(self, topic: str) -> _Open:
        name = f"{topic}-{self._number:06d}.avro"
        self._open[topic] = _Open(name, AvroFile(self._folder / name, topic))
        return self._open[topic]

    def _finish(self, topic: str, held: _Open) -> Segment:
        held.file.close()
        return Segment(held.name, topic, held.file.n_records, digest(self._folder / held.name), held.offsets)
