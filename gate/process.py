"""The gate as a process: how it ends, what it logs, and faults on purpose for the tests of both."""

import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

log = logging.getLogger(__name__)

STOOD_STILL, SUPERSEDED, MUST_NOT_SKIP = 3, 4, 5
"""Exit codes; after all but SUPERSEDED the gate is to be started again."""
VARIABLE = "DUALGATE_FAULT"


def end(code: int, words: str) -> NoReturn:
    """End the process at once: whatever is under way must not go on."""
    log.error(words)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Seldom(logging.Filter):
    """Lets a line of the client libraries through once in ten seconds: in an outage they write hundreds a second."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line, taken by its format, was not told lately."""
        words = str(record.msg)[:60]
        if record.name.startswith("dualgate.") or record.created - self._told.get(words, 0.0) >= 10.0:
            self._told[words] = record.created
            return True
        return False


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Warnings to stderr, each kind seldom, while the block runs."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def settle_collector() -> None:
    """Let the garbage collector never look again at what is there when work begins: libraries, and the table that was read.

    It would walk all of it now and then, a tenth to a third of a second in which no evidence is applied.
    """
    gc.collect()
    gc.freeze()


def faults(text: str | None) -> Callable[[str], None]:
    """Return what to call at each point: under test, `gate:point:n` kills the process at its n-th passing, `:stop` stops it."""
    worker, point, count, *how = [*(text or "").split(":"), "", ""]
    if worker != "gate":
        return lambda _point: None
    number = signal.SIGSTOP if "stop" in how else signal.SIGKILL
    left = int(count)

    def hit(passed: str) -> None:
        nonlocal left
        if passed == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return hit
