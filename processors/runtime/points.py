"""Points of a worker's work at which it ends, stops or tells itself to stop: faults on purpose, for tests."""

import os
import signal
from collections.abc import Callable

VARIABLE = "DUALGATE_FAULT"
PAIRING = ("assigned", "consumed", "handled", "produced", "offsets", "committed")
"""After taking an assignment, reading, folding, handing the output and the offsets to the client, the commit."""
SCORING = ("assigned", "consumed", "sent", "scored", "committed")
"""After taking an assignment, reading, each round of acknowledged blocks, the last of them, the commit."""
_SIGNALS = {"": signal.SIGKILL, "kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}


def fault(text: str | None) -> Callable[[str], None]:
    """Return what to call at each point: `point:n:how` sends the process SIGKILL (kill or nothing), SIGTERM or SIGSTOP.

    It does so once, at the n-th passing of the point; no text: never.
    """
    if not text:
        return lambda _point: None
    wanted, n, how = (*text.split(":"), "")[:3]
    if wanted not in {*PAIRING, *SCORING}:
        raise ValueError(f"{VARIABLE}={text}: {wanted!r} is no point of a worker's work")
    number, left = _SIGNALS[how], int(n)

    def hit(point: str) -> None:
        nonlocal left
        if point == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return hit
