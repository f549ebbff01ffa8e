"""The topic catalogue: the only place that names a topic, its key, value, partitions and clean-up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dualgate.schemas.errors import RecordError

MIGRATION_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")

QUERIES = "queries"
RESPONSES_INCUMBENT = "responses.incumbent"
RESPONSES_CHALLENGER = "responses.challenger"
RESPONSES_RERUN = "responses.rerun"
PAIRS = "pairs"
UNPAIRED = "unpaired"
LEDGER = "ledger"
MIGRATIONS = "migrations"
DECISIONS = "decisions"
EVIDENCE = "evidence"
DEAD_LETTERS = "dead-letters"

RERUN_HEADER = "dualgate-rerun"
"""Header of a query's record: present (value ``1``) where the incumbent is asked twice and pairing waits for it."""

# Retention goes by bytes: records of a replayed archive carry old timestamps, which a limit by time would delete at once.
_TRAFFIC = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": str(4 << 30),
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": "60000",
}
# Derived topics carry the query's time; a crashed worker may write them again much later.
_DERIVED = {**_TRAFFIC, "max.message.bytes": str(8 << 20)}
_FOREVER = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "max.message.bytes": str(8 << 20),
}
# The broker recompresses whatever a producer chose: the gate's client reads no codec but gzip without native libraries.
_LEDGER = {**_FOREVER, "message.timestamp.type": "LogAppendTime", "compression.type": "gzip"}
_COMPACT = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "max.compaction.lag.ms": "60000"}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its bare name, what its key says, the record of its value, and how it is created."""

    name: str
    key: str
    value: str
    partitioned: bool
    config: Mapping[str, str] = field(default_factory=dict)

    def partitions(self, n: int) -> int:
        """Return the number of partitions where the traffic has n."""
        return n if self.partitioned else 1


CATALOGUE: tuple[Topic, ...] = (
    Topic(QUERIES, "migration_id/query_id", "Query", True, _TRAFFIC),
    Topic(RESPONSES_INCUMBENT, "migration_id/query_id", "Response", True, _TRAFFIC),
    Topic(RESPONSES_CHALLENGER, "migration_id/query_id", "Response", True, _TRAFFIC),
    Topic(RESPONSES_RERUN, "migration_id/query_id", "Response", True, _TRAFFIC),
    Topic(PAIRS, "migration_id/query_id", "Pair", True, _DERIVED),
    Topic(UNPAIRED, "migration_id/query_id", "Unpaired", True, _DERIVED),
    Topic(LEDGER, "migration_id", "LedgerEntry", False, _LEDGER),
    Topic(MIGRATIONS, "migration_id", "Migration", False, _COMPACT),
    Topic(DECISIONS, "migration_id", "RoutingCommand", False, _COMPACT),
    Topic(EVIDENCE, "migration_id", "EvidenceRecord", False, _FOREVER),
    Topic(DEAD_LETTERS, "original key", "DeadLetter", False, {**_FOREVER, "retention.bytes": str(4 << 30)}),
)
BY_NAME: Mapping[str, Topic] = {topic.name: topic for topic in CATALOGUE}
INPUTS = (QUERIES, RESPONSES_INCUMBENT, RESPONSES_CHALLENGER, RESPONSES_RERUN)
"""The co-partitioned topics that pairing joins."""


def traffic_key(migration_id: str, query_id: str) -> bytes:
    """Return the key of a traffic record."""
    return f"{migration_id}/{query_id}".encode()


def split_key(key: bytes | None) -> tuple[str, str]:
    """Split a traffic key at its first slash into migration id and query id; RecordError says what is wrong with it."""
    if key is None:
        raise RecordError("key is missing; it must be migration_id/query_id")
    try:
        migration_id, slash, query_id = key.decode().partition("/")
    except UnicodeDecodeError:
        raise RecordError(f"key {key!r} is not UTF-8; it must be migration_id/query_id") from None
    if not slash or not query_id or not MIGRATION_ID.fullmatch(migration_id):
        raise RecordError(f"key {key!r} is not migration_id/query_id with a migration id of {MIGRATION_ID.pattern}")
    return migration_id, query_id
