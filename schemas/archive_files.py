"""The files of archived logs as streams of lines: plain, .gz or .zst by their names, and whole or an error."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from dualgate.schemas.errors import ConfigError

_CHUNK = 1 << 18


def lines_of(file: Path) -> Iterator[bytes]:
    """Yield the lines, each with its line feed except a last one that lacks it; ConfigError names file and line."""
    rest = b""
    number = 0
    try:
        with file.open("rb") as stream:
            for chunk in _unpacked(file, stream):
                *whole, rest = (rest + chunk).split(b"\n")
                number += len(whole)
                for line in whole:
                    yield line + b"\n"
    except OSError as error:
        raise ConfigError(f"archive {file}: {error.strerror or error}") from None
    except EOFError:
        raise ConfigError(f"{file}:{number + 1}: the archive is truncated: its compressed data ends before its end") from None
    except (zlib.error, zstandard.ZstdError) as error:
        raise ConfigError(f"{file}:{number + 1}: the archive's compressed data is damaged: {error}") from None
    if rest:
        yield rest


def _unpacked(file: Path, stream: IO[bytes]) -> Iterator[bytes]:
    if file.suffix == ".zst":
        return _frames(iter(lambda: stream.read(_CHUNK), b""))
    if file.suffix == ".gz":
        whole = gzip.GzipFile(fileobj=stream)
        return iter(lambda: whole.read(_CHUNK), b"")
    return iter(lambda: stream.read(_CHUNK), b"")


def _frames(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack zstandard frames; EOFError where the last one is not whole (the library's own reader does not tell)."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    for chunk in chunks:
        data = chunk
        while data:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(data)
            data = frame.unused_data
    if not frame.eof:
        raise EOFError


def packed(path: Path, raw: IO[bytes]) -> Any:
    """Return a stream that packs as the name says; closing it leaves the raw one open, except where nothing is packed."""
    if path.suffix == ".zst":
        return io.BufferedWriter(zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False), _CHUNK)
    if path.suffix == ".gz":
        return gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=5, mtime=0)
    return io.BufferedWriter(raw, _CHUNK)
