"""A pairing or scoring worker as a process of its own, small batches, short times: `python -m support.worker_process KIND`.

BATCH, BLOCK, SESSION_MS and TRANSACTION_MS set what the command leaves at its defaults; everything else is DUALGATE_*.
LIVES is after how many sessions without a commit pairing gives up. BREAK=high-water breaks pairing on purpose: what was
handled since the oldest open query is handled again.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

from dualgate.processors.pairing import worker as pairing
from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.positions import Position
from dualgate.processors.runtime import clients
from dualgate.processors.runtime.loop import Backoff, run_sessions, stop_on_signals
from dualgate.processors.scoring import worker as scoring
from dualgate.schemas.settings import Settings, load_settings
from support.waiting import WAIT_S

TESTS = Path(__file__).parents[1]


class WithoutHighWater(GroupLogic):
    """Commits the offset to read again from as H: what lies between the two is settled again."""

    def positions(self) -> list[Position]:
        """Return positions that know nothing of what was handled."""
        return [replace(position, handled=position.offset) for position in super().positions()]


def main() -> None:
    """Run the worker."""
    logging.basicConfig(level=logging.WARNING)
    clients.SESSION_TIMEOUT_MS = int(os.environ.get("SESSION_MS", clients.SESSION_TIMEOUT_MS))
    clients.TRANSACTION_TIMEOUT_MS = int(os.environ.get("TRANSACTION_MS", clients.TRANSACTION_TIMEOUT_MS))
    batch = int(os.environ.get("BATCH", "500"))
    lives = Backoff(lives=int(os.environ.get("LIVES", "12")))
    vars(pairing).update(run_sessions=partial(run_sessions, backoff=lives))
    if os.environ.get("BREAK") == "high-water":
        vars(pairing).update(GroupLogic=WithoutHighWater)
    with stop_on_signals() as stop:
        if sys.argv[1:] == ["scoring"]:
            scoring.BATCH, scoring.BLOCK_PAIRS = batch, int(os.environ.get("BLOCK", "100"))
            scoring.run(load_settings(), stop)
        else:
            pairing.run(load_settings(), stop, batch=batch)


class Workers:
    """Starts worker processes and ends all of them."""

    def __init__(self, settings: Settings, log: IO[bytes], **environment: str) -> None:
        given = {name.upper(): str(value) for name, value in settings.model_dump().items() if value is not None}
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(TESTS),
            **{f"DUALGATE_{name}": value for name, value in given.items() if name != "SCHEMA_REGISTRY_URL"},
            **environment,
        }
        self._log = log
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, fault: str = "", slot: str = "", kind: str = "pairing") -> "subprocess.Popen[bytes]":
        """Start a worker that kills or stops itself at a point of its work."""
        environment = {**self._environment, "DUALGATE_FAULT": fault}
        if slot:
            environment["DUALGATE_SLOT"] = slot
        command = [sys.executable, "-m", "support.worker_process", kind]
        self._processes.append(subprocess.Popen(command, env=environment, stderr=self._log, start_new_session=True))
        return self._processes[-1]

    def end(self) -> list[int]:
        """Stop those that still run, kindly; return the exit codes of these."""
        alive = [process for process in self._processes if process.poll() is None]
        for process in alive:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            return [process.wait(WAIT_S) for process in alive]
        finally:
            for process in self._processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()


@contextmanager
def workers(settings: Settings, log_path: Path, **environment: str) -> Iterator[Workers]:
    """Worker processes for the time of the block; those alive at its end must stop with exit code 0."""
    with log_path.open("ab") as log:
        made = Workers(settings, log, **environment)
        try:
            yield made
        finally:
            codes = made.end()
    assert all(code == 0 for code in codes), log_path.read_text()[-4_000:]


if __name__ == "__main__":
    main()
