"""Every command is documented where people look first: in its help."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from dualgate.cli.main import build


def _commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    yield " ".join(words), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*words, name))


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
