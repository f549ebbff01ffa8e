"""What a router reports to the ledger: which command it obeys and what it routed since the last report."""

import threading
from collections import Counter

from dualgate.schemas.records import AckCount, Arm, RoutingAck, RoutingCommand

ACK_INTERVAL_MS = 10_000
Order = tuple[int, int]
Known = tuple[Order, str, Arm, bool]
Cell = tuple[Order | None, str, Arm, bool]


class AckBook:
    """Counts routed queries by the command that routed them; an acknowledgement is due at a change, else once in ten seconds.

    At a change the command before is closed with its own counts, so that what is told of a command was routed by it. The
    request path calls `count`; one background thread calls the rest. Counts of an acknowledgement that was not delivered
    come back through `restore`, so none is lost and none told twice.
    """

    def __init__(self, migration_id: str, router_id: str) -> None:
        self._migration_id, self._router_id = migration_id, router_id
        self._lock = threading.Lock()
        self._counts: Counter[Cell] = Counter()
        self._told: tuple[int, int] | None = None
        self._told_at_ms = 0.0

    def count(self, order: Order | None, stratum: str, arm: Arm, sampled: bool) -> None:
        """Count one query that the command (epoch, sequence) routed; None before the first command."""
        with self._lock:
            self._counts[order, stratum, arm, sampled] += 1

    def due(self, command: RoutingCommand | None, now_ms: int, mono_ms: float) -> list[RoutingAck]:
        """Return the acknowledgements to send now, in their order, with the counts since the last ones."""
        if command is None:
            return []
        order = (command.epoch, command.sequence)
        if order == self._told and mono_ms < self._told_at_ms + ACK_INTERVAL_MS:
            return []
        self._told, self._told_at_ms = order, mono_ms
        return self.taken(command, now_ms)

    def taken(self, command: RoutingCommand, now_ms: int) -> list[RoutingAck]:
        """Return acknowledgements with all counts so far, which are taken out of the book; the present command's is the last."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        present: Order = (command.epoch, command.sequence)
        known: Counter[Known] = Counter()
        for (order, stratum, arm, sampled), n in counts.items():
            known[order or present, stratum, arm, sampled] += n
        cells: dict[Order, list[AckCount]] = {}
        for (under, stratum, arm, sampled), n in sorted(known.items()):
            cells.setdefault(under, []).append(AckCount(stratum=stratum, arm=arm, sampled=sampled, count=n))
        return [self._ack(order, cells.get(order, []), now_ms) for order in (*sorted(cells.keys() - {present}), present)]

    def _ack(self, order: Order, counts: list[AckCount], now_ms: int) -> RoutingAck:
        return RoutingAck(
            migration_id=self._migration_id,
            router_id=self._router_id,
            epoch=order[0],
            sequence=order[1],
            counts=counts,
            sent_at_ms=now_ms,
        )

    def restore(self, ack: RoutingAck) -> None:
        """Take back the counts of an acknowledgement that never reached the ledger."""
        with self._lock:
            for cell in ack.counts:
                self._counts[(ack.epoch, ack.sequence), cell.stratum, cell.arm, cell.sampled] += cell.count
