"""Stop what computes for too long: agents' texts are no friend's, and a parser may need exponential time for a hostile one.

The limit is processor time, so that a busy machine does not change what is scored, and it is far above what any real query
needs. It works by a signal and so in the main thread alone, where workers and `backtest` score; elsewhere nothing is stopped.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 0.25
"""An exception that is raised in a finalizer is lost, so there is another one soon."""


class TookTooLong(Exception):
    """The computation was stopped at its limit."""


@contextmanager
def processor_seconds(limit: float) -> Iterator[None]:
    """Raise TookTooLong where the body computes for longer; an enclosing limit goes on counting."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"longer than {limit:g} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    left, again = signal.setitimer(signal.ITIMER_PROF, limit, AGAIN_SECONDS)
    start = time.process_time()
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_PROF, 0)
        finally:  # the signal may come while it is turned off
            signal.signal(signal.SIGPROF, before)
            if left:
                signal.setitimer(signal.ITIMER_PROF, max(0.001, left - (time.process_time() - start)), again)
