"""Java is the machine's where it is new enough, else the bundled one, and either can be demanded."""

from pathlib import Path

import pytest

from dualgate.cli.broker.java import bundled_executable, find_java, java_version
from dualgate.schemas.errors import ConfigError


def fake_java(folder: Path, version: str) -> Path:
    """A program that answers `-version` like a Java of that version."""
    folder.mkdir(parents=True)
    path = folder / "java"
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2021-01-01' >&2\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("words", "version"), [("17.0.2", 17), ("1.8.0_392", 8), ("25", 25), ("21-ea", 21)])
def test_the_feature_version_is_read(tmp_path: Path, words: str, version: int) -> None:
    """Old and new version strings give one number."""
    assert java_version(fake_java(tmp_path / "bin", words)) == version


def test_a_file_that_is_no_java_has_no_version(tmp_path: Path) -> None:
    """A program that is missing or says nothing counts as version 0."""
    assert java_version(tmp_path / "java") == 0


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    """Who sets JAVA_HOME gets that Java."""
    home = fake_java(tmp_path / "home" / "bin", "21.0.1")
    path = fake_java(tmp_path / "path", "17.0.1").parent
    found = find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(path)})
    assert (found.executable, found.version, found.source) == (home, 21, "machine")


def test_a_java_that_is_too_old_gives_way_to_the_bundled_one(tmp_path: Path) -> None:
    """Java 11 on the machine does not stop the broker."""
    path = fake_java(tmp_path / "path", "11.0.1").parent
    found = find_java({"PATH": str(path)})
    assert found.source == "bundled"
    assert found.executable == bundled_executable()
    assert found.version >= 17


def test_demanding_the_machines_java_says_what_was_found(tmp_path: Path) -> None:
    """DUALGATE_JAVA=machine with an old Java names that Java, its version and what is needed."""
    old = fake_java(tmp_path / "path", "11.0.1")
    with pytest.raises(ConfigError, match=f"no Java 17 or newer.*{old} is 11"):
        find_java({"PATH": str(old.parent), "DUALGATE_JAVA": "machine"})


def test_an_unknown_choice_is_refused_with_the_accepted_ones() -> None:
    """A misspelt DUALGATE_JAVA names its value and the three that exist."""
    with pytest.raises(ConfigError, match="DUALGATE_JAVA='bundeled': accepted are auto, machine, bundled"):
        find_java({"DUALGATE_JAVA": "bundeled"})
