"""The gate's process: it starts where the topics are as they must be, and runs until it is told to stop or cannot go on.

It ends with 0 when it is stopped, 3 (stands still although there is more to read), 4 (superseded: do not restart it) or 5 (what
must not be skipped); after all but 4 it is to be started again.
"""

import asyncio
import logging
import os
import signal
import tempfile
from typing import NoReturn

from dualgate.gate.agent import Gate
from dualgate.gate.ground import check_ground
from dualgate.gate.process import VARIABLE, end, faults, quiet_logs
from dualgate.schemas.errors import TransientError
from dualgate.schemas.settings import Settings

log = logging.getLogger(__name__)

STOP_S = 8.0


def run(settings: Settings) -> None:
    """Run the gate until SIGTERM or SIGINT; ConfigError where the topics are not as they must be."""
    check_ground(settings)
    with quiet_logs(), tempfile.TemporaryDirectory(prefix="dualgate-gate-") as folder:
        asyncio.run(_until_stopped(settings, folder))


async def _until_stopped(settings: Settings, folder: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gate = Gate(settings, folder, faults(os.environ.get(VARIABLE)))
    log.warning("gate starts: %s, ledger %s", settings.bootstrap_servers, gate.ledger)
    gate.app.finalize()
    tasks = [asyncio.ensure_future(each) for each in (stop.wait(), gate.app.wait_until_stopped(), _started(gate))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    stopping = asyncio.ensure_future(gate.app.stop())
    await asyncio.wait({stopping}, timeout=STOP_S)
    if not stop.is_set():
        _fail(gate, stopping.done())
    log.warning("gate stops: applied ledger offset %d", gate.book.applied if gate.book else -1)
    if not stopping.done():
        end(
            0, f"Kafka's client has not stopped within {STOP_S:.0f} s; what was applied is in the table: the gate ends without it"
        )


async def _started(gate: Gate) -> None:
    """Start; return only where that fails."""
    try:
        await gate.app.start()
    except Exception:
        log.exception("the gate could not start")
    else:
        await asyncio.Event().wait()


def _fail(gate: Gate, stopped: bool) -> NoReturn:
    words = f"the gate's Kafka client has failed: {gate.app.crash_reason!r}"
    if not stopped:
        end(1, words)
    raise TransientError(words)
