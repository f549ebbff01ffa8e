"""A demo as a child process, with a mark by which all processes that it starts are found."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from support.waiting import WAIT_S

MARK = "DEMO_MARK"


class DemoRun:
    """`dualgate demo --json --out OUT`; leaving the block kills what is left, so that a failing test leaves nothing either."""

    def __init__(self, out: Path) -> None:
        self.out, self.mark = out, uuid.uuid4().hex
        self.lines: list[str] = []
        self._heard = threading.Condition()

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "dualgate.cli.main", "demo", "--json", "--out", str(self.out)]
        environment = os.environ | {MARK: self.mark}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            start_new_session=True,
        )  # fmt: skip
        self._stdout: list[str] = []
        self._readers = [threading.Thread(target=target) for target in (self._read_errors, self._read_out)]
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self.left():
            process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def until(self, words: str) -> None:
        """Wait until a line of stderr has these words; fail where the demo ends without them."""
        deadline = time.monotonic() + WAIT_S
        with self._heard:
            while not any(words in line for line in self.lines):
                assert self.process.poll() is None or any(words in line for line in self.lines), self.told
                assert time.monotonic() < deadline, self.told
                self._heard.wait(0.5)

    def end(self) -> int:
        """Wait until the demo has ended and return its exit code."""
        code = self.process.wait(WAIT_S)
        for reader in self._readers:
            reader.join()
        return code

    @property
    def told(self) -> str:
        """Return what came on stderr."""
        return "".join(self.lines)

    @property
    def printed(self) -> str:
        """Return what came on stdout."""
        return "".join(self._stdout)

    def left(self) -> list[psutil.Process]:
        """Return the processes with the mark that run (the demo's own too)."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def find(self, *words: str) -> psutil.Process:
        """Return the marked process whose command line has these words."""
        (found,) = (process for process in self.left() if set(words) <= set(process.cmdline()))
        return found

    def kill(self, *words: str) -> None:
        """End one of the processes as a crash would."""
        self.find(*words).send_signal(signal.SIGKILL)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._heard:
                self.lines.append(line)
                self._heard.notify_all()

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        self._stdout.extend(self.process.stdout)


def with_workload(source: Path, out: Path) -> Path:
    """Give a demo's folder the workload of another run, so that it need not generate one."""
    shutil.copytree(source / "workload", out / "workload")
    return out
