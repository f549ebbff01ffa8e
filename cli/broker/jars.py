"""The jars of Apache Kafka: exact versions and checksums from `jars.lock`, downloaded once, verified at every start.

`python -m dualgate.cli.broker.relock` resolves COORDINATES anew and rewrites the lock.
"""

import hashlib
import os
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import certifi

from dualgate.schemas.errors import ConfigError, StateError, TransientError

COORDINATES = "org.apache.kafka:kafka_2.13:4.2.2+org.slf4j:slf4j-simple:1.7.36"
"""What is resolved. No log4j here: its BOM makes jgo choose kafka-clients 3.9, and the broker then fails."""

LOCK = Path(__file__).with_name("jars.lock")


MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar by its Maven coordinates and the sha256 of its bytes in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Return the file's name, which is unique among the jars of one class path."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(path: Path = LOCK) -> tuple[Jar, ...]:
    """Read `group:artifact:version sha256` lines; ConfigError names the line that is not one."""
    jars = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        coordinates, _, sha256 = line.partition(" ")
        parts = coordinates.split(":")
        if len(parts) != 3 or len(sha256) != 64:
            raise ConfigError(f"{path}, line {number}: {line!r} is not 'group:artifact:version sha256'")
        group, artifact, version = parts
        jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def cache_directory() -> Path:
    """Return where downloads are kept: DUALGATE_CACHE_DIR, else `dualgate` in the user's cache folder."""
    if given := os.environ.get("DUALGATE_CACHE_DIR"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dualgate"


def missing_jars(jars: Iterable[Jar], folder: Path) -> list[Jar]:
    """Return the jars that have not been downloaded to the folder yet."""
    return [jar for jar in jars if not (folder / jar.file).exists()]


def class_path(
    lock: Path = LOCK,
    folder: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
    fetch: Callable[[Jar, Path], Path] | None = None,
) -> list[Path]:
    """Return the jars of the lock, downloading what is missing; every byte is checked.

    `fetch(jar, scratch)` returns where in the scratch folder it put the jar; Maven Central's unless given. Raises
    StateError naming the jar whose bytes are not the lock's, TransientError where one cannot be downloaded.
    """
    folder = folder or cache_directory() / "jars"
    jars = read_lock(lock)
    if missing := missing_jars(jars, folder):
        progress(f"downloading {len(missing)} jars of Apache Kafka to {folder} (once)")
        _download(missing, folder, fetch or fetch_from_maven_central)
    for jar in jars:
        verify(jar, folder / jar.file)
    return [folder / jar.file for jar in jars]


def verify(jar: Jar, path: Path) -> None:
    """Raise StateError unless the file's bytes are those that the lock promises."""
    if (found := digest(path)) != jar.sha256:
        raise StateError(
            f"jar {jar.file} has sha256 {found}, but jars.lock says {jar.sha256}: its bytes are not the ones this "
            f"version was tested with. Delete {path} and start again to download it anew."
        )


def digest(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(jars: list[Jar], folder: Path, fetch: Callable[[Jar, Path], Path]) -> None:
    """Fetch into a folder of its own beside the target and move what is whole: no reader ever sees half a jar."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch, ThreadPoolExecutor(4) as pool:
        fetched = pool.map(lambda jar: (jar, fetch(jar, Path(scratch))), jars)
        for jar, path in fetched:
            verify(jar, path)
            path.replace(folder / jar.file)


def fetch_from_maven_central(jar: Jar, scratch: Path) -> Path:
    """Download one jar into the scratch folder; TransientError where that fails."""
    path = scratch / jar.file
    url = f"{MAVEN_CENTRAL}/{jar.group.replace('.', '/')}/{jar.artifact}/{jar.version}/{jar.file}"
    try:
        with urlopen(url, timeout=TIMEOUT_S, context=_trust()) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (OSError, HTTPException) as error:
        raise TransientError(
            f"could not download {url}: {getattr(error, 'reason', None) or error}. The jars are needed once; where a proxy "
            "shows certificates of its own, name them in SSL_CERT_FILE; a broker of your own goes without the jars: set "
            "DUALGATE_BOOTSTRAP_SERVERS."
        ) from error
    return path


@cache
def _trust() -> ssl.SSLContext:
    """Trust what the system trusts (companies put their own authorities there), and the public ones where it has none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
