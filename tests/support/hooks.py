"""A local HTTP endpoint that takes notifications: it answers what it is told to, in turn, and remembers what it got."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.waiting import WAIT_S

HANG = 0
"""An answer that never comes."""


class Hook:
    """What an endpoint got, and how it answers: the codes in turn, then 200."""

    def __init__(self, codes: Sequence[int]) -> None:
        self._codes = list(codes)
        self._changed = threading.Condition()
        self.let_go = threading.Event()
        self.got: list[tuple[str, int, Any]] = []
        self.url = ""

    def take(self, key: str, body: bytes) -> int:
        with self._changed:
            code = self._codes.pop(0) if self._codes else 200
            self.got.append((key, code, json.loads(body)))
            self._changed.notify_all()
            return code

    def until(self, n: int) -> None:
        """Return once n messages were taken with 200."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.delivered) >= n, WAIT_S), self.got

    @property
    def delivered(self) -> list[str]:
        """The ids that were taken, in their order."""
        return [key for key, code, _ in self.got if code == 200]


def _handler(hook: Hook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            code = hook.take(self.headers["Idempotency-Key"], self.rfile.read(int(self.headers["Content-Length"])))
            if code == HANG:
                hook.let_go.wait()
                return
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def hook(*codes: int) -> Iterator[Hook]:
    """An endpoint for the time of the block."""
    made = Hook(codes)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    made.url = f"http://127.0.0.1:{server.server_port}/secret"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()
