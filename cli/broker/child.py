"""Child processes that cannot outlive their parent, however it ends (Linux: the kernel kills them)."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

# Runs in the child before it becomes the program: no code of ours between fork and exec in a process with threads.
# 1 is PR_SET_PDEATHSIG, 9 SIGKILL; the parent may have died before the call, so it is looked at after it.
_TRAMPOLINE = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def spawn(command: Sequence[str], log: Path, *, tied: bool) -> "subprocess.Popen[bytes]":
    """Start a program in a session of its own (a Ctrl-C reaches the parent only), its output appended to the log.

    Where tied is true the program is killed when this process ends for whatever reason. On systems other than Linux
    that holds only for parents that end by returning from `main` or by an exception.
    """
    if not tied:
        return _popen(command, log)
    started: Future[subprocess.Popen[bytes]] = Future()
    trampoline = [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(os.getpid()), *command]
    # The kernel's "parent" is the thread that forked: this one lives exactly as long as the child, or this process.
    threading.Thread(target=_own, args=(trampoline, log, started), name=f"parent of {command[0]}", daemon=True).start()
    return started.result()


def _own(command: Sequence[str], log: Path, started: "Future[subprocess.Popen[bytes]]") -> None:
    try:
        process = _popen(command, log)
    except BaseException as error:
        started.set_exception(error)
        return
    started.set_result(process)
    process.wait()


def _popen(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
