"""Verify on an archive: the folder that `dualgate archive` writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dualgate.lab.verify.ledger import Line, Place, Reading
from dualgate.lab.verify.verdict import Recorded, refold, verify
from dualgate.schemas.archive import Archived
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import DecisionRecord
from dualgate.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE, LEDGER
from dualgate.sinks.archive import Manifest, read_topic


def verify_archive(folder: Path) -> dict[str, Any]:
    """Recompute every decision from the archived ledger and compare; keys as of `verify`.

    ConfigError where the folder is no archive, holds no ledger, or a segment is damaged or truncated.
    """
    manifest = Manifest.read(folder)
    faults = [] if manifest.closed else ["the archive is not closed: its archiver was killed, or still runs"]
    lines, recorded, unreadable = list(_lines(folder)), Recorded(), []
    for topic in (EVIDENCE, DECISIONS):
        for line in read_topic(folder, topic):
            if line.topic == DEAD_LETTERS:
                unreadable.append(unread(topic, line.partition, line.offset, line.value.get("reason")))
            else:
                recorded.take(line.record())
    return verify(lines, recorded, known=_dead(folder), faults=faults, unreadable=unreadable)


def unread(topic: str, partition: int | None, offset: int | None, why: object) -> str:
    """Return in words which record cannot be read, and why."""
    return f"{topic}/{partition} offset {offset}: {why}"


def recomputed(folder: Path) -> Iterator[DecisionRecord]:
    """Yield every decision that the archived ledger gives, in its order."""
    yield from refold(_lines(folder), Reading()).decisions


def _lines(folder: Path) -> Iterator[Line]:
    """Yield the ledger; ConfigError where there is none, or a line has no place."""
    line = None
    for line in read_topic(folder, LEDGER):
        yield _line(line)
    if line is None:
        raise ConfigError(f"archive {folder} holds no ledger; `dualgate archive` without --topic archives what verify reads")


def _line(line: Archived) -> Line:
    if line.partition is None or line.offset is None:
        raise ConfigError(f"{line.where}: a line of the ledger has partition and offset; decisions depend on them")
    entry = None if line.topic == DEAD_LETTERS else line.record()
    return Line(line.partition, line.offset, line.timestamp_ms, entry)


def _dead(folder: Path) -> set[Place]:
    """Return the places of ledger records that the gate itself has put aside: an archive cannot show a tombstone."""
    letters = (line.record() for line in read_topic(folder, DEAD_LETTERS))
    return {(each.partition, each.offset) for each in letters if each.topic.endswith(LEDGER)}
