"""The clocks of the migrations in one partition: an archive that is replayed twice is older than what was already counted.

A clock is the greatest time at which a question was asked, of one epoch of one migration. It is committed with the offset, as
its metadata, so that a successor drops what its predecessor would have dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from dualgate.schemas.errors import ConfigError, StateError

VERSION = 1
STALE_MS = 600_000
"""A vector counts while it is at most the pairing window and this behind its migration's clock."""
MAX_METADATA_BYTES = 4_096
"""The broker's default for `offset.metadata.max.bytes`."""


@dataclass(slots=True)
class Clocks:
    """The clocks of one partition; `behind_ms` is how far behind its clock a vector may be."""

    behind_ms: int
    at: dict[str, int] = field(default_factory=dict)

    def admits(self, migration_id: str, epoch: int, asked_at_ms: int) -> bool:
        """Tell whether a vector is recent enough to count, and move the clock to it."""
        key = f"{migration_id}/{epoch}"
        now = self.at.get(key)
        if now is not None and asked_at_ms < now - self.behind_ms:
            return False
        if now is None or asked_at_ms > now:
            self.at[key] = asked_at_ms
        return True

    def keep(self, epochs: Mapping[str, int]) -> None:
        """Forget the clocks of all but the present epoch of each migration."""
        wanted = {f"{migration_id}/{epoch}" for migration_id, epoch in epochs.items()}
        self.at = {key: at for key, at in self.at.items() if key in wanted}

    def encode(self) -> str:
        """Return the clocks as offset metadata; ConfigError where they do not fit."""
        text = orjson.dumps([VERSION, self.at], option=orjson.OPT_SORT_KEYS).decode()
        if len(text) > MAX_METADATA_BYTES:
            raise ConfigError(
                f"the clocks of {len(self.at)} migrations in one partition take {len(text)} bytes > "
                f"{MAX_METADATA_BYTES} of offset metadata; run fewer migrations at once, or more partitions"
            )
        return text


def decode_clocks(metadata: str | None, behind_ms: int) -> Clocks:
    """Return the clocks that were committed; StateError where another program's metadata is found."""
    if not metadata:
        return Clocks(behind_ms)
    try:
        version, at = orjson.loads(metadata)
        if version == VERSION and isinstance(at, dict) and all(isinstance(v, int) for v in at.values()):
            return Clocks(behind_ms, at)
    except (orjson.JSONDecodeError, TypeError, ValueError):
        pass
    raise StateError(
        f"offset metadata {metadata[:80]!r} is not that of scoring, version {VERSION}; the group's name is used twice"
    )
