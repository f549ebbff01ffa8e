"""The archive of a run: topics as JSON lines beside a manifest that says what is whole."""

from dualgate.sinks.archive.manifest import Manifest, Segment, read_topic
from dualgate.sinks.archive.sink import ARCHIVED, Archiver

__all__ = ["ARCHIVED", "Archiver", "Manifest", "Segment", "read_topic"]
