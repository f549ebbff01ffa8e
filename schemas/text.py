"""Reading the text files that people name: what cannot be read is told with the file and what is accepted."""

from pathlib import Path

from dualgate.schemas.errors import ConfigError


def read_text(path: Path, what: str, accepted: str, encoding: str = "utf-8") -> str:
    """Return the text of a file; ConfigError says what it should be, where it is missing, refused, or no text in UTF-8."""
    try:
        return path.read_text(encoding)
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {path}: byte {error.start} is no text in UTF-8; accepted: {accepted}") from None
