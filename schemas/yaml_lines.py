"""A safe YAML reader that knows the line of every key, refuses a key given twice, and never guesses the type of a key.

YAML 1.1 reads a bare ``null`` or ``off`` as a value of another type even where it is a key; here a key is its own text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dualgate.schemas.errors import ConfigError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A document as plain values, and the line (from 1) of each of its keys and items by path."""

    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Return the line of a path, or of its nearest parent that the document has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str, origin: str) -> Document:
    """Read one document; ConfigError names the origin, the line and what is wrong."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Path, int] = {}
        value = None if node is None else _value(loader, node, (), lines, origin)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"{origin}:{mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: not YAML: {error}") from None
    finally:
        loader.dispose()
    return Document(value, lines)


def _value(loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int], origin: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, lines, origin)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*path, i), lines, origin) for i, item in enumerate(node.value)]
    return loader.construct_object(node)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path, lines: dict[Path, int], origin: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{origin}:{line}: a key must be a word, not a list or a mapping")
        key = str(key_node.value)
        if key in found:
            raise ConfigError(
                f"{origin}:{line}: {'.'.join(map(str, (*path, key)))} is given twice (first in line {lines[(*path, key)]})"
            )
        lines[(*path, key)] = line
        found[key] = _value(loader, value_node, (*path, key), lines, origin)
    return found
