"""Hold processes to a share of a core each, by stopping and continuing them, as `cpulimit` does; Linux, no privileges needed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

LOOK_S, SLACK_S = 0.002, 0.004


def processor_seconds_of(pid: int) -> float:
    """Return the processor time of all threads of a process, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | 2)  # the kernel's name for another process's clock (clock_getcpuclockid)


class Held:
    """A thread that stops each process whenever it has used more than its share; no share: it does nothing."""

    def __init__(self, share: float | None) -> None:
        self._share = share
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.let_go()

    def hold(self, pids: Sequence[int]) -> None:
        """Begin to hold processes."""
        if self._share is not None:
            self._thread = threading.Thread(target=self._hold, args=(list(pids), self._share))
            self._thread.start()

    def let_go(self) -> None:
        """Let all of them run."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _hold(self, pids: Sequence[int], share: float) -> None:
        stopped = dict.fromkeys(pids, False)
        seen = {pid: processor_seconds_of(pid) for pid in pids}
        debts, looked = dict.fromkeys(pids, 0.0), time.monotonic()
        try:
            while not self._over.wait(LOOK_S):
                earned, looked = share * (time.monotonic() - looked), time.monotonic()
                for pid in pids:
                    used, seen[pid] = processor_seconds_of(pid) - seen[pid], processor_seconds_of(pid)
                    # What a process leaves is lost: it may not save it up and take a whole core later.
                    debts[pid] = max(-SLACK_S, debts[pid] + used - earned)
                    if (debts[pid] > 0) != stopped[pid]:
                        os.kill(pid, signal.SIGCONT if stopped[pid] else signal.SIGSTOP)
                        stopped[pid] = not stopped[pid]
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
