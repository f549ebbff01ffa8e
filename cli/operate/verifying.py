"""Verify on a broker: the ledger to its end, then what the gate recorded up to there."""

import time
from collections.abc import Iterable
from typing import Any

from dualgate.cli.operate.reading import Found, Reader
from dualgate.lab.verify import Line, Recorded, unread, verify
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError, RecordError
from dualgate.schemas.records import EvidenceRecord, LedgerEntry, RoutingCommand
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import DECISIONS, EVIDENCE, LEDGER

CATCH_UP_S = 5.0
"""How long a gate that is at work may take for what already stands in the ledger."""


def verify_topics(migration_id: str, settings: Settings) -> dict[str, Any]:
    """Compare the decisions of a migration on the broker; ConfigError where it never began."""
    codec = codec_for(settings.schema_registry_url)
    with Reader(settings, (LEDGER,)) as reader:
        lines = [line_of(found, codec) for found in reader.to_ends()]
    with Reader(settings, (EVIDENCE, DECISIONS)) as reader:
        found = reader.to_ends()
        document = compared(migration_id, lines, found, codec)
        _hold_begun(migration_id, document, settings)
        if not _behind(document):
            return document
        deadline = time.monotonic() + CATCH_UP_S
        while time.monotonic() < deadline:
            found += reader.poll()
    return compared(migration_id, lines, found, codec)


def _hold_begun(migration_id: str, document: dict[str, Any], settings: Settings) -> None:
    """Raise ConfigError where a migration never began: that its refused commands are refused again says nothing of it."""
    if migration_id in document["started"]:
        return
    only = ": the ledger has only commands for it that were refused" if migration_id in document["migrations"] else ""
    known = ", ".join(document["started"]) or "none"
    raise ConfigError(f"there is no migration {migration_id} on {settings.bootstrap_servers}{only}; known: {known}")


def _behind(document: dict[str, Any]) -> bool:
    """Tell whether a decision is not recorded, which may be a matter of time."""
    found = document["first_difference"]
    return found is not None and found["recorded"] is None


def compared(migration_id: str, lines: list[Line], found: Iterable[Found], codec: Codec) -> dict[str, Any]:
    """Compare what was found with the fold of the ledger's lines; what was decided after its last line is left out."""
    ends = {line.partition: line.offset for line in lines}
    recorded, unreadable = Recorded(), []
    for each in found:
        if each.value is None:
            continue  # a tombstone of a compacted topic
        try:
            record = _record(each, codec)
        except RecordError as error:
            unreadable.append(unread(each.topic, each.partition, each.offset, error))
            continue
        placed = record.decision if isinstance(record, EvidenceRecord) else record
        if placed is not None and placed.ledger_offset <= ends.get(placed.ledger_partition, -1):
            recorded.take(record)
    return verify(lines, recorded, unreadable=unreadable, only=migration_id)


def _record(found: Found, codec: Codec) -> EvidenceRecord | RoutingCommand:
    if found.topic == EVIDENCE:
        return codec.decode(EvidenceRecord, found.value)
    return codec.decode(RoutingCommand, found.value)


def line_of(found: Found, codec: Codec) -> Line:
    """Return a record of the ledger as a line; one that cannot be decoded keeps its place."""
    try:
        entry = codec.decode(LedgerEntry, found.value)
    except RecordError:
        entry = None
    return Line(found.partition, found.offset, found.timestamp_ms, entry)
