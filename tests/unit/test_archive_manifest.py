"""The manifest: what it names is whole, and everything else says what is wrong."""

from pathlib import Path

import pytest

from dualgate.schemas.errors import ConfigError, StateError
from dualgate.schemas.records import LedgerEntry, Tick
from dualgate.sinks.archive.manifest import Manifest, Segment, read_topic
from dualgate.sinks.archive.segments import OpenSegments


def archive(folder: Path, offsets: range = range(3)) -> Manifest:
    held = OpenSegments(folder, 0)
    for offset in offsets:
        held.write("ledger", 0, offset, 5, "m", ("ledger", LedgerEntry(tick=Tick(migration_id="m", issued_at_ms=offset))))
    manifest = Manifest().having(held.close(), closed=True)
    manifest.write(folder)
    return manifest


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Reading gives the segments, and the positions at which the next run goes on."""
    manifest = archive(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    assert manifest.positions() == {("ledger", 0): 3}


def test_a_truncated_segment_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A file whose checksum is another is not read at all."""
    file = tmp_path / archive(tmp_path).segments[0].file
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ConfigError, match=r"ledger-000000.avro: sha256 is"):
        list(read_topic(tmp_path, "ledger"))


def test_a_missing_segment_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A file that the manifest names and the folder lacks is named."""
    (tmp_path / archive(tmp_path).segments[0].file).unlink()
    with pytest.raises(ConfigError, match=r"archive segment .*ledger-000000.avro: No such file"):
        list(read_topic(tmp_path, "ledger"))


def test_a_folder_without_a_manifest_is_no_archive(tmp_path: Path) -> None:
    """The message says what makes one."""
    with pytest.raises(ConfigError, match=r"no manifest.json .*dualgate archive"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "segments": [], "closed": true}'])
def test_something_else_under_the_name_is_refused(tmp_path: Path, text: str) -> None:
    """A manifest of another form or version is named with its path."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match=r"manifest\.json"):
        Manifest.read(tmp_path)


def test_segments_that_overlap_are_an_error() -> None:
    """Offsets that are archived twice would be counted twice."""
    one = Segment("a", "ledger", 3, "", {"0": (0, 3)})
    with pytest.raises(StateError, match="starts"):
        Manifest((one, Segment("b", "ledger", 3, "", {"0": (2, 5)}))).positions()


def test_nothing_is_left_of_an_abandoned_run(tmp_path: Path) -> None:
    """Open files of a run that failed are removed."""
    held = OpenSegments(tmp_path, 0)
    held.write("ledger", 0, 0, 5, "m", ("ledger", LedgerEntry()))
    held.abandon()
    assert list(tmp_path.iterdir()) == []
