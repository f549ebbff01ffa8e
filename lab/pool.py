"""Worker processes of long runs: one thread each, deaf to Ctrl-C, which is the parent's to tell of, and gone when the run is."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


@contextmanager
def workers(processes: int | None) -> Iterator[ProcessPoolExecutor]:
    """Yield so many worker processes, one a core for None; an interruption ends them after what they have in hand.

    They are begun anew and not forked: linear algebra reads its number of threads when it is loaded, and with more than one a
    process they would only wait for one another on the same cores.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    executor = ProcessPoolExecutor(processes or os.cpu_count(), get_context("spawn"), initializer=_obedient)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown()


def _obedient() -> None:
    """Leave Ctrl-C to the parent, and end at once where told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
