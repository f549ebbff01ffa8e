"""What a database's schema says: tables, columns and keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

_numbers = count()


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """Names in lower case; `tables` None where the schema is not known.

    `keys` are the primary keys, `references` the pairs of (table, column) of which the first refers to the second.
    """

    tables: Mapping[str, tuple[str, ...]] | None = None
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    references: frozenset[tuple[tuple[str, str], tuple[str, str]]] = frozenset()
    number: int = field(default_factory=lambda: next(_numbers))


UNKNOWN = Schema()
