"""What the challenger might answer to a query of the log: its own answer, other recorded ones, and changed ones.

A changed answer is kept only where the database shows that it is what it should be: wrong, right, refused.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from dualgate.lab.evaluate import changes
from dualgate.processors.scoring.correctness import golden_of, verdict
from dualgate.processors.scoring.golden import Golden
from dualgate.processors.scoring.logic import MigrationScoring
from dualgate.schemas.grants import Grant
from dualgate.schemas.records import Pair, Response

OWN, AGAIN, RIGHT, WRONG, INVENTED, UNFILTERED, ELABORATE, OUTAGE = range(8)
KINDS = ("own", "again", "right", "wrong", "invented", "unfiltered", "elaborate", "outage")
"""The challenger's recorded answer; the incumbent asked again; the reference query; and the changed ones.

wrong: runs and gives other rows. invented: reads a column that does not exist. unfiltered: reads other tenants' rows.
elaborate: right, and says more than it must. outage: neither agent answers but with an error.
"""
MISSING = len(KINDS)
"""No answer at all: nothing that could be scored."""
_TRIES = 12


def pairs_of(pair: Pair, scoring: MigrationScoring) -> Iterator[tuple[int, Pair]]:
    """Yield a pair for each kind of answer that this query can be given."""
    yield OWN, pair
    again = pair.rerun or pair.incumbent
    yield AGAIN, _answered(pair, again.output, again)
    yield OUTAGE, replace(pair, incumbent=_failed(pair.incumbent), challenger=_failed(pair.challenger))
    golden = golden_of(pair, scoring.context)
    if not isinstance(golden, Golden) or golden.sql is None:
        return
    yield RIGHT, _answered(pair, golden.sql, pair.challenger)
    own_is_right = verdict(pair.challenger, golden, pair, scoring.context) == 1.0
    yield from _changed(pair, pair.challenger.output if own_is_right else golden.sql, golden, scoring)


def _changed(pair: Pair, sql: str, golden: Golden, scoring: MigrationScoring) -> Iterator[tuple[int, Pair]]:
    dialect = scoring.context.dialect
    tree = changes.parsed(sql, dialect)
    if tree is None:
        return
    column = tenant_column(scoring)
    for kind, change, wanted in _CHANGES:
        for tried, text in enumerate(changes.candidates(change, tree, dialect, column)):
            found = _answered(pair, text, pair.challenger)
            if wanted is None or verdict(found.challenger, golden, pair, scoring.context) == wanted:
                yield kind, found
                break
            if tried == _TRIES:
                break


_CHANGES = (
    (WRONG, changes.wrong, 0.0),
    (INVENTED, changes.invented, 0.0),
    (UNFILTERED, changes.unfiltered, None),
    (ELABORATE, changes.elaborate, 1.0),
)


def tenant_column(scoring: MigrationScoring) -> str | None:
    """Return the column that most row filters of the grants name."""
    grants: object = scoring.context.grants
    if not isinstance(grants, Mapping):
        return None
    named = Counter(f.column for g in grants.values() if isinstance(g, Grant) for f in g.row_filter.values())
    return named.most_common(1)[0][0] if named else None


def _answered(pair: Pair, sql: str, like: Response) -> Pair:
    """Return the pair with another answer of the challenger, whose result is not recorded: it will be executed."""
    result = like.result if sql == like.output else None
    answer = replace(pair.challenger, output=sql, result=result, result_digest=None, trace=like.trace, status="ok")
    return replace(pair, challenger=answer)


def _failed(response: Response) -> Response:
    return replace(response, status="error", output="", result=None, result_digest=None, trace=[])
