"""A PostgreSQL of one's own: a cluster in a folder, on a free port, as a user who is not root."""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from support.waiting import WAIT_S

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")


def binaries() -> Path | None:
    """Return the folder with initdb and postgres, None where there is none."""
    found = shutil.which("initdb")
    places = [str(Path(found).parent)] if found else []
    places += sorted(place for pattern in PLACES for place in glob.glob(pattern))
    return next((Path(p) for p in reversed(places) if (Path(p) / "initdb").exists() and (Path(p) / "postgres").exists()), None)


def owner() -> str | None:
    """Return the name of a user to run as: PostgreSQL refuses root. None where it is to be oneself."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), "nobody")


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Run a server; yields the SQLAlchemy URL of its superuser."""
    place = binaries()
    assert place is not None
    user, data = owner(), folder / "data"
    if user is not None:
        shutil.chown(folder, user)
        for parent in folder.parents:  # pytest's folders are its user's alone
            if parent.stat().st_uid == 0 and parent.parts[1:2] == ("tmp",) and len(parent.parts) > 2:
                parent.chmod(parent.stat().st_mode | 0o011)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    as_user: Any = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    _run([place / "initdb", "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8"], folder, as_user)
    options = ["-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [place / "postgres", "-D", data, *options],
            cwd=folder,
            stdout=log,
            stderr=log,
            **as_user,
        )
        try:
            url = f"postgresql+pg8000://tester@127.0.0.1:{port}/postgres"
            _wait(url, server, folder / "log")
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # at once, whoever is still connected
            server.wait(WAIT_S)


def _run(command: Sequence[str | Path], folder: Path, as_user: Any) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, **as_user)
    assert done.returncode == 0, done.stderr.decode()


def _wait(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    engine = sa.create_engine(url)
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            with engine.connect():
                break
        except sa.exc.SQLAlchemyError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    engine.dispose()
