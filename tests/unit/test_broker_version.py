"""Which Kafka a broker is, as far as it tells; what it does not tell is unknown, never an error."""

import socket
import struct
import threading

import pytest

from dualgate.cli.broker_version import metadata_level
from dualgate.cli.doctor import answering


def answer(levels: dict[str, int], error: int = 0) -> bytes:
    """Return an answer to ApiVersions 3 with two api keys, a tag that nobody knows, and the features."""
    keys = b"\3" + struct.pack(">hhh", 18, 0, 4) + b"\0" + struct.pack(">hhh", 0, 3, 13) + b"\1\7\1x"
    each = [bytes((len(name) + 1,)) + name.encode() + struct.pack(">hh", 1, most) + b"\0" for name, most in levels.items()]
    names = b"".join(each)
    features = bytes((len(levels) + 1,)) + names
    size = bytes((len(features) & 0x7F | 0x80, len(features) >> 7))  # a varint of two bytes, however short
    body = struct.pack(">ih", 1, error) + keys + struct.pack(">i", 0) + b"\2" + b"\0" + size + features + b"\1\10" + b"\0" * 8
    return struct.pack(">i", len(body)) + body


def asked(said: bytes) -> int | None:
    """Return the level read from a broker that says this, whatever it is asked, and then no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(1_024)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return metadata_level(f"127.0.0.1:{server.getsockname()[1]}", 10.0)
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("said", "level"),
    [
        (answer({"group.version": 1, "metadata.version": 29, "transaction.version": 2}), 29),
        (answer({"group.version": 1}), None),
        (answer({"metadata.version": 29}, error=35), None),
        (answer({"metadata.version": 29})[:40], None),
        (struct.pack(">i", 2**31 - 1), None),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", None),
        (b"", None),
    ],
)
def test_the_newest_metadata_version_is_read_where_it_is_told(said: bytes, level: int | None) -> None:
    """An older broker, a proxy, TLS or something else than Kafka tells nothing, and no look at it fails or hangs."""
    assert asked(said) == level


def test_nobody_there_tells_nothing() -> None:
    """An address at which nobody listens, or that is none, is unknown too."""
    assert metadata_level("127.0.0.1:9,nonsense,host:many", 1.0) is None


@pytest.mark.parametrize(
    ("level", "ok", "words"),
    [
        (None, True, "does not tell its version"),
        (21, True, "older than 4.0"),
        (29, True, "Apache Kafka 4.2 by"),
        (30, None, "Apache Kafka 4.3 by"),
        (33, None, "Apache Kafka 4.4 by its metadata.version 33, which can lose the end of a transaction"),
        (34, True, "newer than 4.4"),
    ],
)
def test_a_release_that_can_lose_the_end_of_a_transaction_is_a_note(level: int | None, ok: bool | None, words: str) -> None:
    """Doctor warns of it and says where to read on; it is no fault, since with another leader at hand it does not happen."""
    check = answering("host:1 answers, 14 topics", level)
    assert (check.ok, words in check.words) == (ok, True)
