"""The `dualgate` command: finds the verb files of this folder, runs one verb, turns errors into words and exit codes.

A verb file is a module or package here with a function `register(root)` that adds its commands to the typer root. It is
found by itself. A file that is named like its verb (`topics.py` for `dualgate topics`) is the only one imported when that
verb is called, so other verbs' imports cost it nothing; heavy imports still belong into the command's body.

Exit codes: ConfigError and RecordError 2, every other DualgateError 1; a file or folder that the system refuses 2, a full
disk 1; a verb's own codes by `typer.Exit(code)`.
"""

import errno
import importlib
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from types import ModuleType
from typing import Annotated

import typer
import typer.main

import dualgate.cli
from dualgate.cli.usage import Root
from dualgate.schemas.errors import ConfigError, DualgateError, RecordError

EXIT_DONE, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_REJECTED, EXIT_UNDECIDED = range(5)


def exit_code(error: DualgateError) -> int:
    """Return 2 where the input or configuration is at fault, 1 where something failed."""
    return EXIT_BAD_INPUT if isinstance(error, ConfigError | RecordError) else EXIT_FAILED


def verb_modules(first: str | None = None) -> Iterable[ModuleType]:
    """Import the verb files: the one named like the first word of the command line, else all."""
    names = [module.name for module in pkgutil.iter_modules(dualgate.cli.__path__) if module.name != "main"]
    chosen = [first.replace("-", "_")] if first and first.replace("-", "_") in names else names
    for name in chosen:
        module = importlib.import_module(f"dualgate.cli.{name}")
        if hasattr(module, "register"):
            yield module


def build(first: str | None = None) -> typer.Typer:
    """Return the root with the commands of the verb files (all of them unless the first word names one)."""
    root = typer.Typer(
        name="dualgate",
        cls=Root,
        help="Replace one AI agent by another without hurting a user: evidence from mirrored queries, one gate.\n\n"
        "Example: `dualgate demo`",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    root.callback()(_options)
    for module in verb_modules(first):
        module.register(root)
    return root


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"dualgate {version('dualgate')}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the root: none beyond the version; every verb has its own."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command line and end with its exit code (SystemExit)."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = typer.main.get_command(build(words[0] if words else None))
    try:
        command(args=words, prog_name="dualgate")
    except DualgateError as error:
        print(f"dualgate: {error}", file=sys.stderr)
        sys.exit(exit_code(error))
    except OSError as error:
        if error.errno != errno.ENOSPC and error.filename is None:
            raise  # no word about a path: a fault of ours, which its trace locates
        print(f"dualgate: {error.filename or 'disk'}: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_FAILED if error.errno == errno.ENOSPC else EXIT_BAD_INPUT)


if __name__ == "__main__":
    main()
