"""Archives of made-up ledgers, as the archiver writes them, and with one thing wrong where a test wants that."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dualgate.gate.fold import At
from dualgate.schemas.records import Claim, DeadLetter, DecisionRecord, EvidenceRecord, LedgerEntry, RoutingCommand
from dualgate.sinks.archive.manifest import Manifest
from dualgate.sinks.archive.segments import OpenSegments
from support.ledgers import BETTER, GOOD, Ledger

Row = tuple[str, int, int, int, str | None, tuple[str, Any]]
"""Topic, partition, offset, time, key, and (topic of the line, value)."""


def whole() -> Ledger:
    """Return a ledger with a claim in it whose migration walks all the way to COMPLETED."""
    ledger = Ledger.started()
    claim(ledger)
    ledger.pairs(*[GOOD, BETTER] * 60)
    ledger.command("pause")
    ledger.command("resume")
    ledger.tick(30_000)
    ledger.pairs(*[GOOD, BETTER] * 60)
    return ledger


def claim(ledger: Ledger) -> None:
    """Append a gate's claim, which belongs to no migration."""
    ledger.time_ms += 1000
    entry = LedgerEntry(claim=Claim(claim_id="c", issued_at_ms=0))
    ledger.entries.append((At(0, len(ledger.entries), ledger.time_ms), entry))


def dead_row(at: At) -> Row:
    """Return what stands where a record of the ledger could not be decoded."""
    letter = DeadLetter(
        topic="ledger", partition=at.partition, offset=at.offset, timestamp_ms=at.time_ms, value=b"?", reason="?", worker="w"
    )
    return "ledger", at.partition, at.offset, at.time_ms, "m", ("dead-letters", letter)


def junk_row(topic: str, offset: int) -> Row:
    """Return what the archiver writes where a record of a topic could not be decoded."""
    letter = DeadLetter(topic=topic, partition=0, offset=offset, timestamp_ms=0, value=b"?", reason="?", worker="archive")
    return topic, 0, offset, 0, None, ("dead-letters", letter)


def ledger_rows(ledger: Ledger) -> list[Row]:
    """Return the rows of the ledger topic."""
    return [
        ("ledger", at.partition, at.offset, at.time_ms, "" if entry.claim else "m", ("ledger", entry))
        for at, entry in ledger.entries
    ]


def told_rows(ledger: Ledger) -> list[Row]:
    """Return the rows of the gate's topics."""
    counts: dict[str, int] = {}
    rows: list[Row] = []
    for output in ledger.outputs:
        counts[output.topic] = counts.get(output.topic, -1) + 1
        rows.append((output.topic, 0, counts[output.topic], ledger.time_ms, output.key, (output.topic, output.record)))
    return rows


def write(folder: Path, rows: Iterable[Row], *, closed: bool = True) -> Path:
    """Write an archive."""
    folder.mkdir(parents=True, exist_ok=True)
    segments = OpenSegments(folder, 0)
    for row in rows:
        segments.write(*row)
    Manifest().having(segments.close(), closed=closed).write(folder)
    return folder


def changed(rows: list[Row], which: int, change: Callable[[DecisionRecord], DecisionRecord | None]) -> list[Row]:
    """Return the rows with one decision record (counted from 0, or from the end) changed, or left out where None."""
    places = [i for i, row in enumerate(rows) if isinstance(row[5][1], EvidenceRecord) and row[5][1].decision is not None]
    place = places[which]
    *head, (topic, record) = rows[place]
    found = change(record.decision)
    new: list[Any] = [] if found is None else [(*head, (topic, EvidenceRecord(decision=found)))]
    return rows[:place] + new + rows[place + 1 :]


def commanded(rows: list[Row], which: int, **changes: Any) -> list[Row]:
    """Return the rows with one routing command of `decisions` changed."""
    place = [i for i, row in enumerate(rows) if isinstance(row[5][1], RoutingCommand)][which]
    *head, (topic, record) = rows[place]
    return [*rows[:place], (*head, (topic, replace(record, **changes))), *rows[place + 1 :]]  # type: ignore[list-item]
