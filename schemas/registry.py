"""Schema ids from a schema registry, for clusters that have one: the REST interface of Confluent's, in three calls."""

import json
import urllib.error
import urllib.request
from typing import Any

import fastavro

from dualgate.schemas import catalogue
from dualgate.schemas.catalogue import Schema
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError, RecordError, TransientError

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class Registry:
    """A client of one registry; what it has once told is kept, since an id never changes its meaning."""

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"SCHEMA_REGISTRY_URL={url!r} must begin with http:// or https://")
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._known: dict[int, Schema] = {}

    def register(self, record: str) -> int:
        """Return the id of a record's present schema, registering it where the registry does not have it."""
        answer = self._call("POST", f"/subjects/dualgate.{record}/versions", {"schema": catalogue.schema(record).text})
        return int(answer["id"])

    def get(self, schema_id: int) -> Schema:
        """Return the schema of an id; RecordError where the registry does not know it."""
        if schema_id not in self._known:
            text = self._call("GET", f"/schemas/ids/{schema_id}")["schema"]
            parsed = json.loads(text)
            self._known[schema_id] = Schema(schema_id, parsed.get("name", ""), text, fastavro.parse_schema(parsed))
        return self._known[schema_id]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": CONTENT_TYPE}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            words = error.read().decode(errors="replace").strip()
            error.close()
            if error.code == 404:
                raise RecordError(f"schema registry {self._url}{path}: {words or error.reason}") from None
            kind = ConfigError if error.code < 500 else TransientError
            raise kind(f"schema registry {self._url}{path}: {error.code} {words or error.reason}") from None
        except (OSError, ValueError) as error:
            raise TransientError(f"schema registry {self._url} does not answer: {error}") from None


def codec_for(url: str | None) -> Codec:
    """Return the codec of this process: ids of the catalogue, or of the registry where a URL is given."""
    if url is None:
        return Codec()
    registry = Registry(url)
    return Codec({name: registry.register(name) for name in catalogue.IDS}, registry.get)
