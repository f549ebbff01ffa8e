"""A pairing worker in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dualgate.processors.pairing.worker import run
from dualgate.processors.runtime.loop import Stop
from dualgate.schemas.settings import Settings
from support.waiting import WAIT_S


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """A worker for the time of the block; it must stop without an error."""
    stop = Stop()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            run(settings, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WAIT_S)
    assert not thread.is_alive()
    assert failures == []
