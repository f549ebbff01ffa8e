"""An object for a child process that misbehaves on demand."""

import gc
import os
import struct
import time
from multiprocessing.connection import Connection


class Prisoner:
    """What a child process is asked to do."""

    def __init__(self, fail: bool = False, exits: bool = False) -> None:
        if fail:
            raise RuntimeError("not today")
        if exits:
            raise SystemExit(3)

    def add(self, a: int, b: int) -> int:
        return a + b

    def hang(self) -> None:
        while True:
            pass

    def die(self) -> None:
        os._exit(7)

    def grow(self) -> int:
        return len([bytes(1 << 20) for _ in range(100_000)])

    def raise_(self) -> None:
        raise ValueError("no idea")

    def unpicklable(self) -> object:
        return lambda: None

    def hang_up(self) -> None:
        """Close every file, the pipe to the parent among them, and stay."""
        os.closerange(3, 256)
        time.sleep(600)

    def stop_in_a_message(self) -> None:
        """Announce more bytes than come."""
        for held in gc.get_objects():
            if isinstance(held, Connection):
                os.write(held.fileno(), struct.pack("!i", 1_000) + b"half")
        time.sleep(600)
