"""A proxy before a broker that, when told to, answers as a broker does that is just ending: the cluster has no brokers."""

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

METADATA, FIND_COORDINATOR = 3, 10


class MetadataProxy(socketserver.ThreadingTCPServer):
    """Passes everything on, its own port in place of the broker's, so that clients come back to it."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, servers: str) -> None:
        host, _, port = servers.rpartition(":")
        super().__init__((host, 0), _Link)
        self.broker = (host, int(port))
        self.empty = False
        self.told = 0
        self.told_at_s = 0.0

    @property
    def servers(self) -> str:
        """The address for clients."""
        return f"{self.broker[0]}:{self.server_address[1]}"

    def answer(self, api: int, version: int, body: bytes) -> bytes:
        """Return what the client gets for the broker's answer to a request of an API."""
        if api == METADATA and self.empty:
            self.told, self.told_at_s = self.told + 1, time.monotonic()
            return _without_brokers(body, version)
        if api in (METADATA, FIND_COORDINATOR):
            theirs, ours = (
                self.broker[0].encode() + struct.pack(">i", port) for port in (self.broker[1], self.server_address[1])
            )
            return body.replace(theirs, ours)
        return body


class _Link(socketserver.BaseRequestHandler):
    """One connection; requests are told from their correlation ids."""

    server: MetadataProxy

    def handle(self) -> None:
        with suppress(OSError), socket.create_connection(self.server.broker) as broker:
            asked: dict[int, tuple[int, int]] = {}
            threading.Thread(target=self._pass_on, args=(broker, asked), daemon=True).start()
            while body := _frame(broker):
                (number,) = struct.unpack_from(">i", body)
                body = self.server.answer(*asked.pop(number), body)
                self.request.sendall(struct.pack(">i", len(body)) + body)

    def _pass_on(self, broker: socket.socket, asked: dict[int, tuple[int, int]]) -> None:
        with suppress(OSError):
            while body := _frame(self.request):
                api, version, number = struct.unpack_from(">hhi", body)
                asked[number] = (api, version)
                broker.sendall(struct.pack(">i", len(body)) + body)
            broker.shutdown(socket.SHUT_RDWR)


@contextmanager
def metadata_proxy(servers: str) -> Iterator[MetadataProxy]:
    """A proxy for the time of the block."""
    with MetadataProxy(servers) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


def _frame(sock: socket.socket) -> bytes:
    """Return one message without its length; nothing at the end of the stream."""
    head = _exactly(sock, 4)
    return _exactly(sock, struct.unpack(">i", head)[0]) if head else b""


def _exactly(sock: socket.socket, n: int) -> bytes:
    parts = []
    while n:
        part = sock.recv(n)
        if not part:
            return b""
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def _without_brokers(body: bytes, version: int) -> bytes:
    """Cut the list of brokers out of a response in the flexible form: correlation id, tags, throttle time, brokers, the rest."""
    assert version >= 9, version
    start = at = 4 + 1 + 4
    n, at = _varint(body, at)
    for _ in range(n - 1):
        length, at = _varint(body, at + 4)
        rack, at = _varint(body, at + max(length - 1, 0) + 4)
        tags, at = _varint(body, at + max(rack - 1, 0))
        assert tags == 0
    return body[:start] + b"\x01" + body[at:]


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at
