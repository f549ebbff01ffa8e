"""The bounded buffer between request threads and the publisher's own: what waits, what was delivered, what was dropped."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from dualgate.schemas.records import Query, Response

Mirror = tuple[Query | Response, bool]
"""A record, and whether it is a re-run."""

BUFFER_FULL, INVALID, NOT_DELIVERED, CLOSED = "buffer full", "invalid", "not delivered", "closed"


@dataclass(frozen=True, slots=True)
class PublisherCounts:
    """What became of the records so far; `dropped` is by reason."""

    delivered: int
    waiting: int
    dropped: Mapping[str, int]


class MirrorBuffer:
    """Any thread offers; one thread takes and settles.

    `offer` takes no lock: `len` and `append` of a deque are atomic. Several threads at once may so exceed the capacity by their
    number, and no request ever waits for another thread.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer: deque[Mirror] = deque()
        self._changed = threading.Condition()
        self._taken = self._settled = self._delivered = 0
        self._dropped: Counter[str] = Counter()

    def offer(self, mirror: Mirror) -> bool:
        """Put a record in where there is room; return whether there was."""
        if len(self._buffer) >= self._capacity:
            return False
        self._buffer.append(mirror)
        return True

    def take(self) -> Mirror | None:
        """Return the oldest record, which must then be settled; None where there is none."""
        if not self._buffer:
            return None
        self._taken += 1  # before it leaves the buffer: it counts as waiting at every moment
        return self._buffer.popleft()

    def settle(self, reason: str | None = None) -> None:
        """Say that a taken record was delivered, or why it was dropped."""
        with self._changed:
            self._settled += 1
            if reason is None:
                self._delivered += 1
            else:
                self._dropped[reason] += 1
            self._changed.notify_all()

    def drop(self, reason: str) -> None:
        """Count a record that was never in the buffer."""
        with self._changed:
            self._dropped[reason] += 1

    def wait(self, timeout: float) -> int:
        """Wait until nothing waits any more, at most so many seconds; return how many records still do."""
        with self._changed:
            self._changed.wait_for(lambda: self._n_waiting() == 0, timeout)
            return self._n_waiting()

    def _n_waiting(self) -> int:
        return len(self._buffer) + self._taken - self._settled

    @property
    def counts(self) -> PublisherCounts:
        """Return what became of the records so far."""
        with self._changed:
            return PublisherCounts(self._delivered, self._n_waiting(), dict(self._dropped))
