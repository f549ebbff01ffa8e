"""The processes of a demo: started together, watched together, ended together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dualgate.cli.broker.child import spawn
from dualgate.schemas.errors import DualgateError
from dualgate.schemas.settings import PREFIX

STOP_S = 60.0
LAST_LINES = 12


class ProcessDied(DualgateError):
    """One of the processes ended that should have gone on; the message has its last log lines."""


class Crew:
    """Child processes by name, each in a session and with a log of its own.

    Leaving the ``with`` block kills what is left, whole process groups; the kernel does the same (on Linux) where this
    process itself is killed.
    """

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs, self._environment = logs, dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._errands: set[str] = set()

    def start(self, name: str, *words: str, errand: bool = False) -> None:
        """Start `dualgate WORDS` under a name; an errand ends by itself when it is done."""
        if errand:
            self._errands.add(name)
        log = self._logs / f"{name}.log"
        log.unlink(missing_ok=True)
        settings = [f"{key}={value}" for key, value in self._environment.items()]
        without = [word for name in _foreign() for word in ("-u", name)]
        command = ["/usr/bin/env", *without, *settings, sys.executable, "-m", "dualgate.cli.main", *words]
        self._running[name] = spawn(command, log, tied=True)

    def check(self) -> None:
        """Raise ProcessDied where a process has failed, or has ended that is no errand."""
        for name, process in self._running.items():
            code = process.poll()
            if code is not None and (code or name not in self._errands):
                raise self._died(name, process)

    def done(self, name: str) -> bool:
        """Tell whether an errand is done; ProcessDied where it failed."""
        self.check()
        return self._running[name].poll() == 0

    def finish(self, *names: str) -> None:
        """Ask processes to end (SIGTERM), all at once, and wait; ProcessDied where one fails or does not end."""
        for name in names:
            self._running[name].terminate()
        deadline = time.monotonic() + STOP_S
        for name in names:
            process = self._running[name]
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise ProcessDied(f"{name} did not end within {STOP_S:.0f} s of being asked to:\n{self._last(name)}") from None
            if process.returncode:
                raise self._died(name, process)
            del self._running[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self._running.values():
            process.wait()
        self._running.clear()

    def _died(self, name: str, process: "subprocess.Popen[bytes]") -> ProcessDied:
        code = process.returncode
        how = f"was ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return ProcessDied(f"{name} (pid {process.pid}) {how}; the last lines of {self._logs / name}.log:\n{self._last(name)}")

    def _last(self, name: str) -> str:
        return last_lines(self._logs / f"{name}.log")


def last_lines(log: Path) -> str:
    """Return the end of a log, indented."""
    with suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LAST_LINES:]) or "  (it wrote nothing)"
    return "  (it has no log)"


def _foreign() -> list[str]:
    """Return the names of our settings in this process's environment: they are meant for another cluster."""
    return [name for name in os.environ if name.startswith(PREFIX) or name == "SCHEMA_REGISTRY_URL"]
