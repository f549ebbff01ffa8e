"""What a database's schema says: tables, columns and keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

import sqlalchemy as sa

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


def read_schema(inspector: sa.Inspector) -> Schema:
    """Read the schema of a database: its tables and views."""
    names = [*inspector.get_table_names(), *inspector.get_view_names()]
    return Schema(
        tables={name.lower(): tuple(c["name"].lower() for c in inspector.get_columns(name)) for name in names},
        keys={n.lower(): tuple(c.lower() for c in inspector.get_pk_constraint(n)["constrained_columns"]) for n in names},
        references=frozenset(
            ((name.lower(), own.lower()), (key["referred_table"].lower(), other.lower()))
            for name in names
            for key in inspector.get_foreign_keys(name)
            for own, other in zip(key["constrained_columns"], key["referred_columns"], strict=False)
        ),
    )
