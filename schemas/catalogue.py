"""The Avro schemas of all records: parsed by the reference implementation, numbered for the wire.

Without a registry the numbers below are the schema ids of the Confluent wire format. A number is never given twice: a
changed schema gets a new one, and its predecessor moves to ``avsc/past/<id>-<name>.avsc`` so that old bytes stay readable.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import avro.schema
import fastavro

IDS: Mapping[str, int] = {
    "Query": 1,
    "Response": 2,
    "Pair": 3,
    "Unpaired": 4,
    "LedgerEntry": 11,
    "Migration": 6,
    "RoutingCommand": 7,
    "EvidenceRecord": 10,
    "DeadLetter": 9,
}
"""Schema id of each record that is the value of a topic."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One self-contained schema: its id, its record's name, its JSON text and the parsed form for the hot path."""

    id: int
    name: str
    text: str
    parsed: Any


def _raw(name: str) -> Any:
    return json.loads((files("dualgate.schemas") / "avsc" / f"{name}.avsc").read_text(encoding="utf-8"))


def _inline(node: Any, seen: set[str]) -> Any:
    """Replace the first use of each named type by its definition, so that the schema stands by itself."""
    if isinstance(node, str) and node.startswith("dualgate."):
        if node in seen:
            return node
        seen.add(node)
        return _inline(_raw(node.removeprefix("dualgate.")), seen)
    if isinstance(node, list):
        return [_inline(item, seen) for item in node]
    if isinstance(node, dict):
        if "fields" in node:
            seen.add(f"dualgate.{node['name']}")
            return {**node, "fields": [{**f, "type": _inline(f["type"], seen)} for f in node["fields"]]}
        return {key: _inline(value, seen) if key in ("type", "items", "values") else value for key, value in node.items()}
    return node


@cache
def schema(name: str) -> Schema:
    """Return the present schema of a record; id 0 where it is only ever a part of another."""
    text = json.dumps(_inline(_raw(name), set()))
    avro.schema.parse(text)  # the reference implementation says whether it is one
    return Schema(IDS.get(name, 0), name, text, fastavro.parse_schema(json.loads(text)))


@cache
def past() -> Mapping[int, Schema]:
    """Return the superseded schemas by id."""
    folder = files("dualgate.schemas") / "avsc" / "past"
    found = {}
    for item in folder.iterdir() if folder.is_dir() else ():
        number, _, name = item.name.removesuffix(".avsc").partition("-")
        text = item.read_text(encoding="utf-8")
        found[int(number)] = Schema(int(number), name, text, fastavro.parse_schema(json.loads(text)))
    return found


@cache
def by_id(schema_id: int) -> Schema | None:
    """Return the schema of an id of this catalogue, present or past."""
    for name, number in IDS.items():
        if number == schema_id:
            return schema(name)
    return past().get(schema_id)
