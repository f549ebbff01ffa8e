"""Faults on purpose: a worker under test ends itself at an exact point of its work."""

import os
import signal
from collections.abc import Callable

VARIABLE = "DUALGATE_FAULT"
POINTS = ("assigned", "rebuilt", "consumed", "handled", "produced", "offsets", "committed")


def fault(text: str | None) -> Callable[[str], None]:
    """Return what to call at each point: `point:n` kills the process at its n-th passing, `point:n:stop` stops it there."""
    if not text:
        return lambda _point: None
    wanted, n, *how = text.split(":")
    number = signal.SIGSTOP if how == ["stop"] else signal.SIGKILL
    left = int(n)

    def hit(point: str) -> None:
        nonlocal left
        if point == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return hit
