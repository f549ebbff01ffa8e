"""Values of any Avro schema of ours: as hypothesis strategies, and one fixed sample that uses every field."""

from typing import Any

from hypothesis import strategies as st

from dualgate.schemas import catalogue

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=20),
    "bytes": st.binary(max_size=20),
}


def plain_values(node: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of plain values for a parsed schema."""
    if isinstance(node, list):
        return st.one_of([plain_values(item) for item in node])
    if isinstance(node, str):
        return _SCALARS[node] if node in _SCALARS else plain_values(_named(node))
    kind = node["type"]
    if kind == "record":
        return st.fixed_dictionaries({f["name"]: plain_values(f["type"]) for f in node["fields"]})
    if kind == "enum":
        return st.sampled_from(node["symbols"])
    if kind == "array":
        return st.lists(plain_values(node["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(st.text(max_size=5), plain_values(node["values"]), max_size=3)
    return plain_values(kind)


def sample(node: Any, name: str = "x") -> Any:
    """Return the fixed sample: every optional field given, every list with two items, numbers that differ by name."""
    number = sum(name.encode()) % 1000
    scalars = {"boolean": number % 2 == 0, "int": number, "long": number * 10**9, "double": number / 8, "string": f"{name} é"}
    if isinstance(node, list):
        return sample(next(item for item in node if item != "null"), name)
    if isinstance(node, str):
        if node == "bytes":
            return name.encode()
        return scalars[node] if node in scalars else sample(_named(node), name)
    kind = node["type"]
    if kind == "record":
        return {f["name"]: sample(f["type"], f["name"]) for f in node["fields"]}
    if kind == "enum":
        return node["symbols"][-1]
    if kind == "array":
        return [sample(node["items"], name), sample(node["items"], name + "2")]
    if kind == "map":
        return {"one": sample(node["values"], name)}
    return sample(kind, name)


def _named(name: str) -> Any:
    return catalogue.schema(name.removeprefix("dualgate.")).parsed
