"""The demo's folder: one demo at a time writes there, and what cannot be written is said before anything is started."""

from pathlib import Path

import pytest

from dualgate.cli.demo.place import claimed, emptied
from dualgate.cli.main import main
from dualgate.schemas.errors import ConfigError


def test_a_second_demo_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    """Two demos in one folder would mix their ledgers; after the first has ended the folder is free."""
    with claimed(tmp_path / "out"), pytest.raises(ConfigError, match=r"--out .*out: another demo is writing there"):  # noqa: SIM117
        with claimed(tmp_path / "out"):
            pytest.fail("two demos hold the folder")
    with claimed(tmp_path / "out"):
        pass


@pytest.mark.parametrize("inside", ["", "below"])
def test_a_folder_that_cannot_be_is_named(tmp_path: Path, inside: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file stands where the folder should be: exit code 2, the path and what is accepted, no trace."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--out", str(file / inside)])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"dualgate: --out {file}")
    assert told.endswith("give a folder that can be written\n")


def test_what_was_there_goes(tmp_path: Path) -> None:
    """An earlier run's archive is removed whole; a file in its place is an error that names it."""
    (tmp_path / "archive" / "old").mkdir(parents=True)
    assert list(emptied(tmp_path / "archive").iterdir()) == []
    (tmp_path / "logs").touch()
    with pytest.raises(NotADirectoryError, match="logs"):
        emptied(tmp_path / "logs")
