"""The broker's jars are the ones in the lock, byte for byte, or the broker does not start."""

import hashlib
from pathlib import Path

import pytest

from dualgate.cli.broker.jars import COORDINATES, LOCK, Jar, class_path, read_lock
from dualgate.schemas.errors import ConfigError, StateError

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
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.4.0"}
    assert not [jar.artifact for jar in jars if jar.artifact.startswith("log4j-slf4j")]
    assert len({jar.file for jar in jars}) == len(jars)
