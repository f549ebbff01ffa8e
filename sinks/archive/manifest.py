"""What an archive's folder holds: segments of topics, each with its offsets and checksum, listed in one manifest.

The manifest is replaced in one step after its segments are on disk, so it never names what is not there: a file that it
does not name is the rest of a crash and is not read. The next start goes on at the positions it tells.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from dualgate.schemas.archive import Archived
from dualgate.schemas.errors import ConfigError, StateError
from dualgate.sinks.archive.avro_file import read_avro

NAME = "manifest.json"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """One file: the records of a topic from the first to before the second offset of each partition."""

    file: str
    topic: str
    records: int
    sha256: str
    offsets: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The segments of an archive in order; `closed` where the archiver was stopped and not killed."""

    segments: tuple[Segment, ...] = ()
    closed: bool = False

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of an archive; ConfigError where there is none or it is something else."""
        path = folder / NAME
        try:
            given = orjson.loads(path.read_bytes())
            if given["format"] != FORMAT:
                raise ConfigError(f"{path}: format={given['format']!r}; this version reads {FORMAT}")
            return cls(tuple(_segment(each) for each in given["segments"]), bool(given["closed"]))
        except OSError as error:
            raise ConfigError(f"archive {folder}: no {NAME} ({error.strerror}); `dualgate archive` writes one") from None
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path} is no manifest of an archive: {error!r}") from None

    def write(self, folder: Path) -> None:
        """Replace the manifest in one step."""
        partial = folder / f".{NAME}.{os.getpid()}.partial"
        document = {"format": FORMAT, "closed": self.closed, "segments": [asdict(each) for each in self.segments]}
        with partial.open("wb") as stream:
            stream.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(folder / NAME)

    def having(self, segments: tuple[Segment, ...], *, closed: bool) -> "Manifest":
        """Return the manifest with more segments."""
        return replace(self, segments=self.segments + segments, closed=closed)

    def positions(self) -> dict[tuple[str, int], int]:
        """Return where each topic's partition goes on; StateError where its segments do not follow each other."""
        reached: dict[tuple[str, int], int] = {}
        for segment in self.segments:
            for partition, (start, end) in segment.offsets.items():
                at = (segment.topic, int(partition))
                if start < reached.get(at, 0):
                    raise StateError(f"{segment.file} starts {at} at {start}, before the end {reached[at]} of the one before")
                reached[at] = end
        return reached


def read_topic(folder: Path, topic: str) -> Iterator[Archived]:
    """Yield an archived topic in order; a record that could not be decoded is a line of `dead-letters` in its place.

    ConfigError where a segment is missing, damaged or truncated.
    """
    for segment in Manifest.read(folder).segments:
        if segment.topic == topic:
            yield from _checked(folder, segment)


def _checked(folder: Path, segment: Segment) -> Iterator[Archived]:
    found = digest(folder / segment.file)
    if found != segment.sha256:
        raise ConfigError(f"{folder / segment.file}: sha256 is {found[:12]}…, the manifest says {segment.sha256[:12]}…")
    yield from read_avro(folder / segment.file, segment.topic)


def digest(path: Path) -> str:
    """Return the sha256 of a file in hex; ConfigError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"archive segment {path}: {error.strerror or error}") from None


def _segment(given: Mapping[str, object]) -> Segment:
    segment = Segment(**given)  # type: ignore[arg-type]
    return replace(segment, offsets={p: (int(a), int(b)) for p, (a, b) in segment.offsets.items()})
