"""The broker's jars are the ones in the lock, byte for byte, or the broker does not start."""

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from dualgate.cli.broker import jars
from dualgate.cli.broker.jars import COORDINATES, LOCK, Jar, class_path, read_lock
from dualgate.schemas.errors import ConfigError, StateError, TransientError

BYTES = {"a": b"first jar", "b": b"second jar"}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock of two jars."""
    lines = [f"org.example:{name}:1.0 {hashlib.sha256(data).hexdigest()}\n" for name, data in BYTES.items()]
    path = tmp_path / "jars.lock"
    path.write_text("# two jars\n" + "".join(lines))
    return path


def fetch(jar: Jar, scratch: Path) -> Path:
    """Stand in for Maven Central."""
    path = scratch / jar.file
    path.write_bytes(BYTES[jar.artifact])
    return path


def test_missing_jars_are_fetched_once_and_then_taken_from_the_cache(lock: Path, tmp_path: Path) -> None:
    """The second start downloads nothing, and no scratch folder is left."""
    said: list[str] = []
    first = class_path(lock, tmp_path / "jars", said.append, fetch)
    second = class_path(lock, tmp_path / "jars", said.append, fetch=lambda _jar, _scratch: pytest.fail("downloads again"))
    assert [path.name for path in first] == ["a-1.0.jar", "b-1.0.jar"]
    assert first == second
    assert said == [f"downloading 2 jars of Apache Kafka to {tmp_path / 'jars'} (once)"]
    assert sorted(path.name for path in (tmp_path / "jars").iterdir()) == ["a-1.0.jar", "b-1.0.jar"]


def test_a_changed_jar_is_refused_by_name(lock: Path, tmp_path: Path) -> None:
    """One flipped byte in a cached jar is an error that names the jar, both checksums and the file to delete."""
    class_path(lock, tmp_path / "jars", fetch=fetch)
    changed = tmp_path / "jars" / "b-1.0.jar"
    changed.write_bytes(b"Second jar")
    with pytest.raises(StateError, match=r"b-1\.0\.jar") as refused:
        class_path(lock, tmp_path / "jars", fetch=fetch)
    assert hashlib.sha256(BYTES["b"]).hexdigest() in str(refused.value)
    assert hashlib.sha256(b"Second jar").hexdigest() in str(refused.value)
    assert str(changed) in str(refused.value)


def test_a_download_with_other_bytes_never_reaches_the_cache(lock: Path, tmp_path: Path) -> None:
    """A truncated or tampered download is refused, and the next start tries again."""

    def truncated(jar: Jar, scratch: Path) -> Path:
        path = fetch(jar, scratch)
        path.write_bytes(path.read_bytes()[:3])
        return path

    with pytest.raises(StateError, match=r"a-1\.0\.jar"):
        class_path(lock, tmp_path / "jars", fetch=truncated)
    assert list((tmp_path / "jars").iterdir()) == []
    assert len(class_path(lock, tmp_path / "jars", fetch=fetch)) == 2


def test_a_line_that_is_no_jar_is_named(lock: Path) -> None:
    """A damaged lock says which line it is."""
    lock.write_text(lock.read_text() + "org.example:c 12\n")
    with pytest.raises(ConfigError, match=r"line 4: 'org\.example:c 12'"):
        read_lock(lock)


def test_the_lock_of_the_project_pins_what_is_resolved() -> None:
    """The lock holds both coordinates, one Kafka version throughout, and no other slf4j back end than the simple one."""
    jars = read_lock(LOCK)
    versions = {f"{jar.group}:{jar.artifact}:{jar.version}" for jar in jars}
    assert set(COORDINATES.split("+")) <= versions
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.2.2"}
    assert not [jar.artifact for jar in jars if jar.artifact.startswith("log4j-slf4j")]
    assert len({jar.file for jar in jars}) == len(jars)


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository over HTTP that has the jar `a` only."""
    place = tmp_path / "maven" / "org" / "example" / "a" / "1.0"
    place.mkdir(parents=True)
    (place / "a-1.0.jar").write_bytes(BYTES["a"])

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_words: object) -> None:
            """Write nothing into the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "maven"))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(jars, "MAVEN_CENTRAL", f"http://127.0.0.1:{server.server_port}")
        yield place
        server.shutdown()


def test_jars_come_from_where_maven_keeps_them(lock: Path, tmp_path: Path, maven: Path) -> None:
    """A jar is asked for under its group's path; one that is not there is named with its address and what to do."""
    (tmp_path / "one.lock").write_text(lock.read_text().splitlines()[1] + "\n")
    assert [path.read_bytes() for path in class_path(tmp_path / "one.lock", tmp_path / "jars")] == [BYTES["a"]]
    with pytest.raises(
        TransientError, match=r"could not download http://.*/org/example/b/1\.0/b-1\.0\.jar: File not found.*SSL_CERT_FILE"
    ):
        class_path(lock, tmp_path / "jars")
    assert [path.name for path in (tmp_path / "jars").iterdir()] == ["a-1.0.jar"]
    assert maven.exists()
