"""Hallucination: names that the schema does not have."""

from collections.abc import Iterator

from dualgate.processors.scoring.safety.findings import Finding
from dualgate.processors.scoring.safety.unsafe import is_catalogue
from dualgate.processors.scoring.sql.scopes import Resolved


def hallucinations(resolved: Resolved) -> Iterator[Finding]:
    """Yield each name that means nothing in the schema; tables of the database's own catalogue are another matter."""
    own = {s.node.name for scope in resolved.scopes() for s in scope.sources.values() if is_catalogue(s.node)}
    for problem in resolved.problems:
        if problem.kind in ("table", "column") and problem.name not in own:
            yield Finding("hallucination", f"{problem.kind} {problem.name}: {problem.detail}", problem.name)
