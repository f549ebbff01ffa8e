"""Calls into the client library that end in time, whether they return or not.

librdkafka's transactional calls take a time-out and may still never return once the broker that coordinates the group has
gone away (librdkafka issue 5511); others, as a synchronous commit of offsets and a consumer's close, take none. A call that is
overdue is left behind on its thread and the caller told; the client it was made on must not be used again. A successor that
has the same transactional id fences whatever it may still do.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException

from dualgate.schemas.errors import TransientError

log = logging.getLogger(__name__)
CLOSE_TIMEOUT_S = 15.0


class Bounded:
    """A thread that makes calls one after another."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self.overdue = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def call(self, what: str, timeout_s: float, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the function returns, or raise what it raises; TransientError where it does neither in time."""
        if self.overdue:
            raise TransientError(f"{what}: an earlier call has not returned")
        self._calls.put(lambda: function(*arguments))
        try:
            result, error = self._results.get(timeout=timeout_s)
        except queue.Empty:
            self.overdue = True
            raise TransientError(f"{what} has not returned in {timeout_s:.0f} s") from None
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Let the thread end after the call in hand."""
        self._calls.put(None)

    def _work(self) -> None:
        while (function := self._calls.get()) is not None:
            try:
                self._results.put((function(), None))
            except BaseException as error:
                self._results.put((None, error))


def close_in_time(what: str, close: Callable[[], Any]) -> None:
    """Close a client, or leave it behind with a word in the log; what ended the session says more than what then fails."""
    calls = Bounded(what)
    try:
        with contextlib.suppress(KafkaException):
            calls.call(what, CLOSE_TIMEOUT_S, close)
    except TransientError as overdue:
        log.warning("left behind: %s", overdue)
    finally:
        calls.close()
