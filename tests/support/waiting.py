"""Waiting for what must happen: as short as it takes, and long enough for a machine that is several times slower than ours."""

import time
from collections.abc import Callable

WAIT_S = 180.0
"""After which what must happen counts as not happening: only a test that fails waits for so long."""


def await_true(condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Return as soon as the condition holds; AssertionError where it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s:.0f} s"
        time.sleep(0.1)
