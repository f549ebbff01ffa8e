"""The archive of a run: topics as Avro files beside a manifest that says what is whole."""

from dualgate.sinks.archive.manifest import Manifest, Segment, read_topic
from dualgate.sinks.archive.sink import ARCHIVED, DECIDED, Archiver

__all__ = ["ARCHIVED", "DECIDED", "Archiver", "Manifest", "Segment", "read_topic"]
