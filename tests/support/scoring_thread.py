"""A scoring worker in a thread of the test."""

import threading

from dualgate.processors.runtime.loop import Stop
from dualgate.processors.scoring import worker
from dualgate.schemas.settings import Settings
from support.waiting import WAIT_S


class Running:
    """A worker in a thread; `stop` ends it and raises what it raised."""

    def __init__(self, settings: Settings) -> None:
        self._stop, self._error = Stop(), None
        self._thread = threading.Thread(target=self._run, args=(settings,))
        self._thread.start()

    def _run(self, settings: Settings) -> None:
        try:
            worker.run(settings, self._stop)
        except BaseException as error:
            self._error = error  # type: ignore[assignment]

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error
