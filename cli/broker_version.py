"""Which Apache Kafka a broker is, as far as it tells: the newest `metadata.version` that it supports.

The client library tells neither that nor any version, so the broker is asked once by hand, with ApiVersions (key 18, version 3:
kafka.apache.org/protocol, KIP-584), which every client sends first and which needs no login. Without TLS, as our clients.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

RELEASES = {25: "4.0", 27: "4.1", 29: "4.2", 30: "4.3", 33: "4.4"}
"""The newest level of each release (`MetadataVersion.LATEST_PRODUCTION` of its source)."""
LOSES_ENDS = range(30, 34)
"""Levels of the releases that can lose the end of a transaction at a restart (KAFKA-20734), docs/adr/0011-kafka-version.md."""
LARGEST = 1 << 20
_FEATURES = 0  # the tag of SupportedFeatures


def metadata_level(address: str, timeout_s: float) -> int | None:
    """Return the newest metadata.version of the first broker of host:port,… that tells it; None where none does."""
    for one in address.split(","):
        host, _, port = one.strip().rpartition(":")
        with suppress(OSError, ValueError, IndexError, struct.error):  # TLS, a proxy, something else than Kafka: it tells nothing
            level = _level(_answer(host.strip("[]"), int(port), timeout_s))
            if level is not None:
                return level
    return None


def release(level: int) -> str:
    """Return a level in words."""
    known = next((name for newest, name in RELEASES.items() if level <= newest), f"newer than {RELEASES[max(RELEASES)]}")
    return known if level >= min(RELEASES) - 3 else f"older than {RELEASES[min(RELEASES)]}"


def _answer(host: str, port: int, timeout_s: float) -> bytes:
    with socket.create_connection((host, port), timeout_s) as connection:
        connection.sendall(_request())
        (size,) = struct.unpack(">i", _exactly(connection, 4))
        if not 0 < size <= LARGEST:
            raise ValueError(f"an answer of {size} bytes")
        return _exactly(connection, size)


def _request() -> bytes:
    name = b"dualgate"
    header = struct.pack(">hhih", 18, 3, 1, len(name)) + name + b"\0"
    body = _compact(name) + _compact(b"0") + b"\0"
    return struct.pack(">i", len(header + body)) + header + body


def _compact(text: bytes) -> bytes:
    return bytes((len(text) + 1,)) + text


def _exactly(connection: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        part = connection.recv(n - len(data))
        if not part:
            raise ConnectionError("closed")
        data += part
    return data


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        if n < 0 or self.at + n > len(self.data):
            raise ValueError("a shorter answer than it says")
        self.at += n
        return self.data[self.at - n : self.at]

    def short(self) -> int:
        return int(struct.unpack(">h", self.take(2))[0])

    def varint(self) -> int:
        value = shift = 0
        while (byte := self.take(1)[0]) & 0x80:
            value, shift = value | (byte & 0x7F) << shift, shift + 7
        return value | byte << shift

    def tags(self) -> Iterator[tuple[int, bytes]]:
        for _ in range(self.varint()):
            yield self.varint(), self.take(self.varint())


def _level(answer: bytes) -> int | None:
    """Return the level of an answer: correlation id, error, api keys, throttle time, and in its tags the features."""
    reader = _Reader(answer, 4)
    if reader.short() != 0:
        return None
    for _ in range(reader.varint() - 1):
        reader.take(6)
        list(reader.tags())
    reader.take(4)
    features = _Reader(dict(reader.tags()).get(_FEATURES, b"\1"))
    for _ in range(features.varint() - 1):
        name, _least, most = features.take(features.varint() - 1), features.short(), features.short()
        list(features.tags())
        if name == b"metadata.version":
            return most
    return None
