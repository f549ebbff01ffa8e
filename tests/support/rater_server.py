"""A local HTTP server that plays an OpenAI-compatible endpoint in every mood."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]


def verdict(correct: object, reason: str = "because") -> Reply:
    """Return a well-formed answer; 120 tokens read and 10 written."""
    content = json.dumps({"reason": reason, "correct": correct})
    body = {"choices": [{"message": {"content": content}}], "usage": {"prompt_tokens": 120, "completion_tokens": 10}}
    return 200, {}, json.dumps(body).encode()


@dataclass
class Endpoint:
    """What the server was asked, and what it answers: one reply a request, the last for all that follow."""

    url: str
    replies: list[Reply | Callable[[dict[str, Any]], Reply] | None]
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    together: int = 0
    most_together: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, body: dict[str, Any]) -> Reply | None:
        """Return the reply to a request; None means silence until the gate opens."""
        with self.lock:
            self.asked.append(body)
            at = min(len(self.asked), len(self.replies)) - 1
        found = self.replies[at]
        return found(body) if callable(found) else found


@contextmanager
def endpoint(*replies: Reply | Callable[[dict[str, Any]], Reply] | None) -> Iterator[Endpoint]:
    """Run the server on a free port."""
    state = Endpoint("", list(replies))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with state.lock:
                state.together += 1
                state.most_together = max(state.most_together, state.together)
                state.headers.append(dict(self.headers))
            try:
                found = state.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if found is None:
                    state.gate.wait()
                    return
                code, headers, body = found
                self.send_response(code)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the client has given up
            finally:
                with state.lock:
                    state.together -= 1

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield state
    finally:
        state.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
