"""Stop what computes for too long: agents' texts are no friend's, and a parser may need exponential time for a hostile one.

The limit is processor time, so that a busy machine does not change what is scored, and it is far above what any real query
needs. What the garbage collector takes does not count: seconds where much is remembered, in the middle of any text. It works by a
signal and so in the main thread alone, where workers and `backtest` score; elsewhere nothing is stopped.
"""

import gc
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

AGAIN_SECONDS = 0.05
"""An exception that is raised in a finalizer is lost (and printed), so there it is put off until the next signal."""
_FINALIZERS = ("weakref", "_weakrefset", "sqlalchemy.event")
"""Modules whose functions run where the collector calls them."""


class TookTooLong(Exception):
    """The computation was stopped at its limit."""


@dataclass(slots=True)
class _Looks:
    """The processor time that the garbage collector's looks have taken so far, and when the present one began; in seconds."""

    seconds: float = 0.0
    began_s: float = 0.0


_looks = _Looks()


def _look(phase: str, _info: Mapping[str, int]) -> None:
    now_s = time.process_time()
    if phase == "start":
        _looks.began_s = now_s
    else:
        _looks.seconds += now_s - _looks.began_s


gc.callbacks.append(_look)


@contextmanager
def processor_seconds(limit: float) -> Iterator[None]:
    """Raise TookTooLong where the body computes for longer; an enclosing limit goes on counting."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, frame: FrameType | None) -> None:
        if _in_finalizer(frame) or time.process_time() - start - (_looks.seconds - collected) < limit:
            return  # the signal comes again
        raise TookTooLong(f"longer than {limit:g} s of processor time")

    start, collected = time.process_time(), _looks.seconds
    before = signal.signal(signal.SIGPROF, stop)
    left, again = signal.setitimer(signal.ITIMER_PROF, limit, AGAIN_SECONDS)
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_PROF, 0)
        finally:  # the signal may come while it is turned off
            signal.signal(signal.SIGPROF, before)
            if left:
                signal.setitimer(signal.ITIMER_PROF, max(0.001, left - (time.process_time() - start)), again)


def _in_finalizer(frame: FrameType | None) -> bool:
    collector = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    for _ in range(4):  # finalizers call little
        if frame is None:
            return False
        module = str(frame.f_globals.get("__name__", ""))
        if frame.f_code.co_name == "__del__" or frame.f_code in collector or module.startswith(_FINALIZERS):
            return True
        frame = frame.f_back
    return False
