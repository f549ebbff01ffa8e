"""Every command is documented where people look first: in its help, and in what it says of a bad value."""

import inspect
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main

from dualgate.cli.main import build, main
from dualgate.cli.operate.labelling import Wanted
from dualgate.cli.operate.view import View
from dualgate.lab.verify import Recorded, verify


def _commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    yield " ".join(words), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*words, name))


PAGE = (Path(__file__).parents[2] / "docs/guide/command-line.md").read_text(encoding="utf-8")
EVERYWHERE = {"--json", "--help", "--bootstrap-servers", "--prefix"}
COMMANDS = dict(_commands(typer.main.get_command(build())))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_a_help_text_with_an_example(words: str) -> None:
    """A command's help says what it does and shows one line that can be typed."""
    text = inspect.cleandoc(COMMANDS[words].help or "")
    assert "Example: `dualgate " + words in text, text


@pytest.mark.parametrize("words", [words for words, command in COMMANDS.items() if not hasattr(command, "commands")])
def test_every_verb_speaks_json(words: str) -> None:
    """Scripts can ask any verb for one JSON document."""
    assert any("--json" in parameter.opts for parameter in COMMANDS[words].params)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_says_what_it_is_for(words: str) -> None:
    """No option or argument is without help."""
    silent = [p.name for p in COMMANDS[words].params if p.name != "help" and not getattr(p, "help", None)]
    assert silent == []


def _numbers() -> Iterator[tuple[str, str, str, str]]:
    """Yield command, option, a value that it does not take, and what it takes, for each option that is a number."""
    for words, command in COMMANDS.items():
        for parameter in command.params:
            kind, info = parameter.type_descriptor.annotation, parameter.type_descriptor.parameter_info
            if kind in (int, float):
                yield words, parameter.opts[0], "many", "accepted: a"
                if info.min is not None:
                    yield words, parameter.opts[0], str(info.min - 1), f"{info.min:.12g}"
                if info.max is not None:
                    yield words, parameter.opts[0], str(info.max + 1), f"to {info.max:.12g}"


@pytest.mark.parametrize(("words", "option", "value", "accepted"), _numbers())
def test_a_bad_number_is_told_with_its_option_and_what_is_accepted(
    words: str, option: str, value: str, accepted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever typed it sees which option it was, what was read, and what to type instead; exit code 2, nothing is done."""
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), option, value])
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert ended.value.code == 2
    assert f"'{option}': {value}; accepted: a" in said
    assert accepted in said


@pytest.mark.parametrize("words", [words for words, command in COMMANDS.items() if not hasattr(command, "commands")])
def test_every_verb_and_option_is_on_the_page_of_the_command_line(words: str) -> None:
    """Whoever writes a script finds each verb with all its options in docs/guide/command-line.md."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{words}" in line.split("|")[1]]
    assert len(lines) == 1, lines
    options = {p.opts[0] for p in COMMANDS[words].params if p.opts[0].startswith("--")} - EVERYWHERE
    assert [option for option in options if f"`{option}`" not in lines[0]] == []


def test_what_scripts_read_is_on_the_page_of_the_command_line() -> None:
    """Every key of `status --json`, `verify --json` and `label --wanted --json` is named there."""
    keys = {*View("m").document(0), *verify([], Recorded()), *(f.name for f in fields(Wanted))}
    assert [key for key in sorted(keys) if f"`{key}`" not in PAGE] == []
