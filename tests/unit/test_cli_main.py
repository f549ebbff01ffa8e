"""The root of the command: exit codes and one message for each kind of error, before any verb does anything."""

import errno
from collections.abc import Callable

import pytest
import typer

from dualgate.cli import main as root
from dualgate.schemas.errors import (
    ConfigError,
    DeadLetterBudgetExceeded,
    DualgateError,
    OwnershipLost,
    RecordError,
    StateError,
    TransientError,
)

CODES = {
    ConfigError: 2,
    RecordError: 2,
    TransientError: 1,
    StateError: 1,
    OwnershipLost: 1,
    DeadLetterBudgetExceeded: 1,
    DualgateError: 1,
}


def ending(monkeypatch: pytest.MonkeyPatch, verb: Callable[[], None], code: int) -> None:
    """Run a verb as the command would, and hold its exit code."""
    app = typer.Typer()
    app.command("fail")(verb)
    app.callback()(lambda: None)
    monkeypatch.setattr(root, "build", lambda _first: app)
    with pytest.raises(SystemExit) as ended:
        root.main(["fail"])
    assert ended.value.code == code


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_each_error_of_ours_ends_with_its_exit_code_and_its_message(
    kind: type[DualgateError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input is 2, a failed tool 1; the message is on stderr, and stdout stays empty for who reads JSON."""

    def fail() -> None:
        raise kind("topic x has 2 partitions, not 4")

    ending(monkeypatch, fail, code)
    assert capsys.readouterr() == ("", "dualgate: topic x has 2 partitions, not 4\n")


REFUSED = [
    (PermissionError(errno.EACCES, "Permission denied", "/root/x"), 2, "dualgate: /root/x: Permission denied\n"),
    (OSError(errno.ENOSPC, "No space left on device"), 1, "dualgate: disk: No space left on device\n"),
]


@pytest.mark.parametrize(("error", "code", "words"), REFUSED)
def test_a_path_that_the_system_refuses_is_told_in_words(
    error: OSError, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without permission is bad input, a full disk a failure; neither shows a trace."""

    def fail() -> None:
        raise error

    ending(monkeypatch, fail, code)
    assert capsys.readouterr() == ("", words)


def test_an_error_of_the_system_without_a_path_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection that nobody has turned into words is a fault of ours: nothing may hide where."""

    def fail() -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    with pytest.raises(ConnectionRefusedError):
        ending(monkeypatch, fail, 1)


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`dualgate --version` prints the installed version and ends well."""
    with pytest.raises(SystemExit) as ended:
        root.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "dualgate 0.1.0\n"


def test_an_unknown_verb_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt verb ends with 2 and is named."""
    with pytest.raises(SystemExit) as ended:
        root.main(["topicz"])
    assert ended.value.code == 2
    assert "topicz" in capsys.readouterr().err


def test_a_verb_named_like_its_file_imports_no_other_verb() -> None:
    """`dualgate topics` pays for the imports of `topics.py` alone."""
    assert [module.__name__ for module in root.verb_modules("topics")] == ["dualgate.cli.topics"]


def test_without_a_verb_every_verb_file_is_listed() -> None:
    """Help knows all verbs, and the files that have no `register` are not taken for verbs."""
    names = {module.__name__ for module in root.verb_modules()}
    assert {"dualgate.cli.broker", "dualgate.cli.topics", "dualgate.cli.doctor"} <= names
    assert "dualgate.cli.output" not in names
