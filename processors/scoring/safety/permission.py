"""Remember what is permitted: one caller's clean query is another's, where the grants differ in the tenant alone."""

from collections.abc import Hashable, Sequence

from dualgate.processors.scoring.analysis import Analysis
from dualgate.processors.scoring.cache import Cache
from dualgate.processors.scoring.safety.authorization import unauthorized
from dualgate.processors.scoring.safety.findings import Finding
from dualgate.processors.scoring.safety.relations import plain
from dualgate.processors.scoring.sql.schema import Schema
from dualgate.processors.scoring.sql.scopes import Resolved
from dualgate.schemas.grants import Grant


class Permissions:
    """Proofs by template: a proof asks of each constant only whether it is the tenant's value.

    So templates are proven once for all callers whose grants have the same shape and whose constants stand in the same
    places. A query with a finding is looked at each time, since the words of a finding name the tenant.
    """

    def __init__(self, limit: int = 50_000) -> None:
        self._clean: Cache[Hashable, Analysis] = Cache(limit)
        self._shapes: Cache[int, tuple[Grant, Hashable]] = Cache(limit)

    def findings(
        self, analysis: Analysis, resolved: Resolved, grant: Grant, schema: Schema, constants: Sequence[str]
    ) -> Sequence[Finding]:
        """Return what a query reads that its caller may not."""
        values = _values(grant)
        places = tuple(values.get(plain(constant), -1) for constant in constants)
        _, shape = self._shapes.of(id(grant), lambda: (grant, _shape(grant, values)))
        key = (id(analysis), shape, places)
        if self._clean.get(key) is not None:
            return ()
        found = list(unauthorized(resolved, grant, schema, constants))
        if not found:
            self._clean.of(key, lambda: analysis)  # the analysis is kept, so that no other can have its id
        return found


def _values(grant: Grant) -> dict[str, int]:
    return {text: at for at, text in enumerate(dict.fromkeys(str(rule.value) for rule in grant.row_filter.values()))}


def _shape(grant: Grant, values: dict[str, int]) -> Hashable:
    tables = None if grant.tables is None else frozenset(grant.tables.items())
    return tables, frozenset((table, rule.column, values[str(rule.value)]) for table, rule in grant.row_filter.items())
