"""The folder that a demo writes to: one demo at a time, and said before anything runs where it cannot be written."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dualgate.schemas.errors import ConfigError

LOCK = ".demo.lock"


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold the folder for this demo, however it ends; ConfigError where it cannot be written or another demo holds it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / LOCK).open("a")
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror}; give a folder that can be written") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"--out {out}: another demo is writing there; wait for its end or give another folder") from None
        yield


def emptied(folder: Path) -> Path:
    """Return the folder with nothing in it; OSError where that cannot be."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return folder
