"""An object for a child process that misbehaves on demand."""

import os


class Prisoner:
    """What a child process is asked to do."""

    def __init__(self, fail: bool = False) -> None:
        if fail:
            raise RuntimeError("not today")

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
