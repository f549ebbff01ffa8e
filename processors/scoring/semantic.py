"""Semantic agreement: do two right answers say the same in the same way, a value from 0 to 1 in steps of .01.

The challenger is compared with the incumbent; the incumbent, where it was asked twice, with itself, which is the zero of that
scale. Only pairs that both answered correctly are asked about, and a re-run that is not right says nothing.
"""

from collections.abc import Sequence

from dualgate.processors.scoring.analysis import Analyses
from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.correctness import golden_of, verdict
from dualgate.processors.scoring.golden import Golden
from dualgate.processors.scoring.protocol import Columns, Score, missing, not_eligible
from dualgate.processors.scoring.schemas import schema_of
from dualgate.processors.scoring.sql.schema import UNKNOWN, Schema
from dualgate.processors.scoring.sql.similarity import structural_similarity
from dualgate.processors.scoring.traces import trace_similarity
from dualgate.schemas.records import Pair, Response

STRUCTURE = 0.7
"""Share of the query's structure where there are traces to align as well; the trace has the rest."""


class Semantic:
    """Scores pairs that both arms answered correctly."""

    name = "semantic"
    version = "2"
    columns = ("semantic",)

    def score(self, pairs: Sequence[Pair], context: ScoringContext, earlier: Columns) -> Columns:
        """Return the agreement of both arms; missing where an answer cannot be parsed."""
        correct = earlier["correctness"]
        return {self.name: [self._score(pair, context, right) for pair, right in zip(pairs, correct, strict=True)]}

    def _score(self, pair: Pair, context: ScoringContext, right: Score) -> Score:
        if right.state == "not_eligible":
            return not_eligible(f"correctness: {right.reason}")
        if right.incumbent == 0.0 or right.challenger == 0.0:
            return not_eligible("not both correct")
        if right.state != "scored":
            return missing(f"correctness: {right.reason}")
        value = self._agreement(pair.incumbent, pair.challenger, pair, context)
        itself = self._agreement_with_itself(pair, context)
        if isinstance(value, str):
            blameless = not isinstance(self._agreement(pair.incumbent, pair.incumbent, pair, context), str)
            return missing(value, (1.0 if itself is None else itself) if blameless else None)
        semantic = context.dimensions.semantic
        if itself is None and semantic is not None and semantic.measure == "difference":
            return not_eligible("no right re-run of the incumbent to compare with")
        return Score(itself, value)

    def _agreement_with_itself(self, pair: Pair, context: ScoringContext) -> float | None:
        golden = golden_of(pair, context)
        if pair.rerun is None or not isinstance(golden, Golden) or verdict(pair.rerun, golden, pair, context) != 1.0:
            return None
        value = self._agreement(pair.incumbent, pair.rerun, pair, context)
        return None if isinstance(value, str) else value

    def _agreement(self, a: Response, b: Response, pair: Pair, context: ScoringContext) -> float | str:
        if a.status == "refused" and b.status == "refused":
            return 1.0
        if context.dialect is None:
            return agreement_of_text(a, b)
        dialect = pair.query.context.get("dialect", context.dialect)
        return agreement_of_sql(a, b, dialect, schema_of(pair, context), context.analyses)


def agreement_of_sql(
    a: Response, b: Response, dialect: str, schema: Schema = UNKNOWN, analyses: Analyses | None = None
) -> float | str:
    """Return how alike two SQL answers are, quantised to .01, or why that cannot be said.

    Equal normal forms are 1, whatever the traces; else the structure counts .7 and the alignment of the traces .3.
    """
    known = analyses or Analyses()
    first, second = known.features(a.output, dialect, schema), known.features(b.output, dialect, schema)
    if isinstance(first, str) or isinstance(second, str):
        arms = [f"{name}: {f}" for name, f in ((a.arm, first), (b.arm, second)) if isinstance(f, str)]
        return "; ".join(arms)
    structure = structural_similarity(first, second)
    traces = trace_similarity(a.trace, b.trace) if structure < 1 else None
    return round(structure if traces is None else min(0.99, STRUCTURE * structure + (1 - STRUCTURE) * traces), 2)


def agreement_of_text(a: Response, b: Response) -> float | str:
    """Return how well the traces of two answers in plain language align."""
    value = trace_similarity(a.trace, b.trace)
    return "no traces to align, and the answers are not SQL" if value is None else round(value, 2)
