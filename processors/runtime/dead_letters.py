"""Records that cannot be used: kept whole with origin and reason, and counted against a budget per migration."""

from dataclasses import dataclass, field

from dualgate.schemas.errors import DeadLetterBudgetExceeded
from dualgate.schemas.records import DeadLetter

MAX_VALUE_BYTES = 4 << 20
"""A larger value is cut, and says so: a dead letter must itself fit the topic."""


def dead_letter(
    origin: tuple[str, int, int],
    timestamp_ms: int,
    key: bytes | None,
    value: bytes | None,
    *,
    reason: str,
    worker: str,
    migration_id: str | None = None,
) -> DeadLetter:
    """Return the dead letter of a record at origin = (topic, partition, offset)."""
    topic, partition, offset = origin
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=timestamp_ms,
        key=key,
        value=value[:MAX_VALUE_BYTES] if value is not None else None,
        truncated=value is not None and len(value) > MAX_VALUE_BYTES,
        reason=reason,
        migration_id=migration_id,
        worker=worker,
    )


@dataclass(slots=True)
class DeadLetterBudget:
    """How many records of a migration may be unusable: `least`, plus a share of all that were read.

    The share keeps a long migration alive through its few bad records; `least` keeps a young one alive through its first.
    """

    least: int = 100
    share: float = 0.01
    seen: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)

    def read(self, migration_id: str, n: int) -> None:
        """Count records that were read, good or bad."""
        self.seen[migration_id] = self.seen.get(migration_id, 0) + n

    def spend(self, migration_id: str, n: int = 1) -> None:
        """Count dead letters; DeadLetterBudgetExceeded holds both numbers once there are too many."""
        dead = self.dead[migration_id] = self.dead.get(migration_id, 0) + n
        seen = self.seen.get(migration_id, 0)
        allowed = self.least + int(self.share * seen)
        if dead > allowed:
            raise DeadLetterBudgetExceeded(
                f"migration {migration_id}: {dead} of {seen} records were unusable > {allowed} allowed; "
                "its evidence is held: see dead-letters, then pause, repair and retry"
            )
