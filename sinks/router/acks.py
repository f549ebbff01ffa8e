"""What a router reports to the ledger: which command it obeys and what it routed since the last report."""

import threading
from collections import Counter
from collections.abc import Iterable

from dualgate.schemas.records import AckCount, Arm, RoutingAck, RoutingCommand

ACK_INTERVAL_MS = 10_000
Cell = tuple[str, Arm, bool]


class AckBook:
    """Counts routed queries and says when an acknowledgement is due: at a change, else once in ten seconds.

    The request path calls `count`; one background thread calls the rest. Counts of an acknowledgement that was not
    delivered come back through `restore`, so none is lost and none told twice.
    """

    def __init__(self, migration_id: str, router_id: str) -> None:
        self._migration_id, self._router_id = migration_id, router_id
        self._lock = threading.Lock()
        self._counts: Counter[Cell] = Counter()
        self._told: tuple[int, int] | None = None
        self._told_at_ms = 0.0

    def count(self, stratum: str, arm: Arm, sampled: bool) -> None:
        """Count one query."""
        with self._lock:
            self._counts[stratum, arm, sampled] += 1

    def due(self, command: RoutingCommand | None, now_ms: int, mono_ms: float) -> RoutingAck | None:
        """Return the acknowledgement to send now, with the counts since the last one, or None."""
        if command is None:
            return None
        order = (command.epoch, command.sequence)
        if order == self._told and mono_ms < self._told_at_ms + ACK_INTERVAL_MS:
            return None
        self._told, self._told_at_ms = order, mono_ms
        return self.taken(command, now_ms)

    def taken(self, command: RoutingCommand, now_ms: int) -> RoutingAck:
        """Return an acknowledgement with all counts so far, which are taken out of the book."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return RoutingAck(
            migration_id=self._migration_id,
            router_id=self._router_id,
            epoch=command.epoch,
            sequence=command.sequence,
            counts=[AckCount(stratum=s, arm=a, sampled=d, count=n) for (s, a, d), n in sorted(counts.items())],
            sent_at_ms=now_ms,
        )

    def restore(self, counts: Iterable[AckCount]) -> None:
        """Take back the counts of an acknowledgement that never reached the ledger."""
        with self._lock:
            for cell in counts:
                self._counts[cell.stratum, cell.arm, cell.sampled] += cell.count
