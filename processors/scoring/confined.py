"""Run what is not trusted to end, or to stay small, in a child process: it is killed at a time or a size, and made anew.

Python cannot stop a thread, and neither a driver that waits for a dead server nor a foreign scorer asks to be stopped.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import psutil

START_SECONDS = 60.0
LAST_WORDS_SECONDS = 1.0
"""For which a child that has closed its end is given to end by itself, so that its exit code is known."""
_PR_SET_PDEATHSIG = 1


class Ended(Exception):
    """The child was killed, or ended by itself; the next call makes another."""


class Failed(Exception):
    """The call raised; the words are those of the child's exception."""


class NotMade(Failed):
    """The object could not be made at all."""


class Confined:
    """An object in a child process. `make` and its arguments, and all that is passed and returned, must be picklable."""

    def __init__(self, make: Callable[..., object], args: Sequence[object] = (), memory_bytes: int = 1 << 30) -> None:
        self._recipe = (make, tuple(args), memory_bytes)
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._socket: socket.socket | None = None

    def call(self, method: str, *args: object, seconds: float) -> Any:
        """Return what a method returns; Failed where it raises, Ended where it takes longer or takes the child down."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        return self._ask((method, args), seconds)

    def close(self) -> None:
        """Kill the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __del__(self) -> None:
        self.close()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dualgate.processors.scoring.confined", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__.fileno() if sys.__stderr__ is not None else subprocess.DEVNULL,
            )
        self._socket, self._pipe = ours, Connection(os.dup(ours.fileno()))
        try:
            self._ask(self._recipe, START_SECONDS)
        except (Failed, Ended) as error:
            self.close()
            raise NotMade(str(error)) from None

    def _ask(self, question: object, seconds: float) -> Any:
        if self._pipe is None or self._socket is None:
            raise Ended("the child is not there")
        try:
            _give_up_after(self._socket, seconds)
            self._pipe.send(question)
            if not self._pipe.poll(seconds):
                self.close()
                raise Ended(f"stopped: longer than {seconds:g} s")
            kind, answer = self._pipe.recv()
        except Ended:
            raise
        except BlockingIOError:
            self.close()
            raise Ended(f"stopped: longer than {seconds:g} s") from None
        except (EOFError, OSError):
            raise Ended(self._obituary()) from None
        except Exception as error:  # what it sent cannot be unpickled here, or is no answer
            self.close()
            raise Ended(f"sent what is no answer: {_words(error)}") from None
        if kind == "ended":
            self.close()
            raise Ended(answer)
        if kind == "failed":
            raise Failed(answer)
        return answer

    def _obituary(self) -> str:
        code = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(LAST_WORDS_SECONDS)
        self.close()
        return "its process hung up" if code is None else f"its process ended with {code}"


def _give_up_after(pipe: socket.socket, seconds: float) -> None:
    """Let no read and no write of a pipe wait for longer: a child may stop in the middle of a message, or read none."""
    limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6) or int(seconds < 1))
    pipe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    pipe.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _serve(pipe: Connection) -> None:
    """Make the object, then answer calls until the parent is gone."""
    try:
        make, args, memory_bytes = pipe.recv()
        thing = make(*args)
        _limit_memory(memory_bytes)
    except Exception as error:
        pipe.send(("failed", _words(error)))
        return
    pipe.send(("done", None))
    while True:
        method, given = pipe.recv()
        pipe.send(_answer(thing, method, given, memory_bytes))


def _answer(thing: object, method: str, given: Sequence[object], memory_bytes: int) -> tuple[str, Any]:
    try:
        answer = getattr(thing, method)(*given)
        pickle.dumps(answer)
    except MemoryError:
        return "ended", f"stopped: more than {memory_bytes >> 20} MB"
    except Exception as error:
        return "failed", _words(error)
    return "done", answer


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:250]}"


def _limit_memory(memory_bytes: int) -> None:
    """Allow that much on top of what the interpreter and the imports have taken."""
    limit = psutil.Process().memory_info().vms + memory_bytes
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set from outside, or the system knows none
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _die_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _die_with_parent()
    with contextlib.suppress(EOFError, OSError), Connection(int(sys.argv[1])) as connection:
        _serve(connection)
    os._exit(0)  # a thread of a foreign scorer must not keep it
