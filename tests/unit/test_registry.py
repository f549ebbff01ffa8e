"""Schema ids from a registry: what it tells is used, what it refuses is an error that names it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from dualgate.schemas import catalogue
from dualgate.schemas.errors import ConfigError, RecordError, TransientError
from dualgate.schemas.records import Query
from dualgate.schemas.registry import Registry, codec_for

QUERY = Query(query_id="q", migration_id="m", asked_at_ms=1, text="?")


class _Registry(BaseHTTPRequestHandler):
    """The registry's REST interface over a dict; ids begin at 100."""

    schemas: dict[int, str]

    def do_POST(self) -> None:
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
        known = {schema: number for number, schema in self.schemas.items()}
        number = known.setdefault(text, 100 + len(known))
        self.schemas[number] = text
        self._answer(200, {"id": number})

    def do_GET(self) -> None:
        text = self.schemas.get(int(self.path.rsplit("/", 1)[1]))
        if text is None:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})
        else:
            self._answer(200, {"schema": text})

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    """A registry on a free port."""
    _Registry.schemas = {}
    with HTTPServer(("127.0.0.1", 0), _Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_ids_come_from_the_registry(url: str) -> None:
    """Two processes of one registry use its ids and read each other; bytes with the catalogue's ids are not read there."""
    first, second = codec_for(url), codec_for(url)
    data = first.encode(QUERY)
    assert int.from_bytes(data[1:5], "big") >= 100
    assert second.decode(Query, data) == QUERY
    with pytest.raises(RecordError, match="Schema not found"):
        second.decode(Query, codec_for(None).encode(QUERY))


def test_a_schema_is_registered_once(url: str) -> None:
    """Registering again gives the same id."""
    assert Registry(url).register("Query") == Registry(url).register("Query")
    assert len(_Registry.schemas) == 1
    assert json.loads(next(iter(_Registry.schemas.values()))) == json.loads(catalogue.schema("Query").text)


def test_an_unreachable_registry_is_named() -> None:
    """Nothing is written with invented ids where the registry does not answer."""
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:9 does not answer"):
        codec_for("http://127.0.0.1:9")


def test_a_bad_url_is_a_config_error() -> None:
    """The variable, the value and what is accepted are named."""
    with pytest.raises(ConfigError, match="SCHEMA_REGISTRY_URL='registry:8081' must begin with http"):
        codec_for("registry:8081")
