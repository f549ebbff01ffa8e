"""The loop around a worker's session: one `except` per disposition.

A session is one life of a worker from the committed state on: opening it joins the group, each step consumes, folds,
produces and commits one batch. Whatever fails in a step, its memory may be ahead of what was committed; so the session
is closed and its memory dropped, and a new one starts from the committed state, or the process ends.
"""

import contextlib
import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from dualgate.schemas.errors import OwnershipLost, TransientError

log = logging.getLogger(__name__)


class Session(Protocol):
    """One life of a worker."""

    def step(self) -> bool:
        """Handle one batch wholly; return whether anything was committed."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next life, and after how many lives in a row to give up that were short and committed nothing.

    A life is long from long_s on: an idle worker commits nothing for weeks, in which a cluster may well restart a dozen times.
    """

    first_s: float = 0.25
    factor: float = 2.0
    most_s: float = 10.0
    lives: int = 12
    long_s: float = 900.0

    def wait_s(self, failures: int) -> float:
        """Return the pause after that many failures in a row."""
        return float(min(self.first_s * self.factor ** (failures - 1), self.most_s))


class Stop:
    """A flag that ends a worker after the batch in hand; clients are never closed from inside a signal handler."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the worker to stop."""
        self._event.set()

    def is_set(self) -> bool:
        """Return whether the worker is to stop."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the flag; return whether it is set."""
        return self._event.wait(timeout_s)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Set a flag on SIGTERM and SIGINT while the block runs; a second signal of a kind acts as if there were none."""
    stop = Stop()
    before = {}

    def handle(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def rare_collections(objects: int = 100_000) -> Iterator[None]:
    """Let the cycle collector look at young objects once in this many, not in 700, while the block runs.

    A batch is tens of thousands of messages and buffered records, none of them in a cycle: looking at each of them again
    and again is a quarter of a worker's time.
    """
    before = gc.get_threshold()
    gc.set_threshold(objects, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def run_sessions(
    opened: Callable[[], AbstractContextManager[Session]],
    stop: Stop,
    backoff: Backoff = Backoff(),
    clock_s: Callable[[], float] = time.monotonic,
) -> None:
    """Run sessions until the flag is set; TransientError and OwnershipLost begin a new one, everything else ends the worker.

    Raises the last error after `backoff.lives` sessions in a row that committed nothing and did not last `backoff.long_s`.
    """
    failures = 0
    while not stop.is_set():
        began_s = clock_s()
        try:
            with opened() as session:
                while not stop.is_set():
                    if session.step() or clock_s() - began_s >= backoff.long_s:
                        failures = 0
        except OwnershipLost as lost:
            failures = _next_life(failures, backoff, stop, "joins again", lost)
        except TransientError as fault:
            failures = _next_life(failures, backoff, stop, "tries again", fault)


def _next_life(failures: int, backoff: Backoff, stop: Stop, what: str, error: Exception) -> int:
    failures += 1
    if failures >= backoff.lives:
        raise error
    wait_s = backoff.wait_s(failures)
    log.warning("%s in %.1f s from the committed state (%d of %d): %s", what, wait_s, failures, backoff.lives, error)
    stop.wait(wait_s)
    return failures
