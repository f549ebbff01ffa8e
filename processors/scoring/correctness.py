"""Correctness: is the result of an answer the golden one, by a published result or by running the query.

An answer is right (1.0) or wrong (0.0). An error, a time-out and a query that the database refuses are wrong; a refusal is
wrong unless the golden answer is one.
"""

from collections.abc import Sequence
from dataclasses import replace

from dualgate.processors.scoring.comparison import result_digest, same_result
from dualgate.processors.scoring.context import Rated, ScoringContext, Unavailable
from dualgate.processors.scoring.execution import Database
from dualgate.processors.scoring.golden import Golden
from dualgate.processors.scoring.outcome import Refused, Result, Stopped
from dualgate.processors.scoring.protocol import Columns, Score, missing, not_eligible
from dualgate.processors.scoring.published import Reference
from dualgate.processors.scoring.rater import label_drawn, questions_of
from dualgate.processors.scoring.sql.parsing import ends_in_order
from dualgate.schemas.records import Pair, Response

Verdict = float | Stopped


class Correctness:
    """Scores pairs that have a golden answer."""

    name = "correctness"
    version = "4"
    columns = ("correctness",)

    def score(self, pairs: Sequence[Pair], context: ScoringContext, _earlier: Columns) -> Columns:
        """Return 1.0 or 0.0 an arm; missing where the golden answer, or an arm's, cannot be had."""
        return {self.name: [_score(pair, context) for pair in pairs]}


def _score(pair: Pair, context: ScoringContext) -> Score:
    golden = golden_of(pair, context)
    if isinstance(golden, Score):
        return rated_score(pair, context) if golden.state == "not_eligible" and to_rate(pair, context) else golden
    incumbent = verdict(pair.incumbent, golden, pair, context)
    challenger = verdict(pair.challenger, golden, pair, context)
    source = "result" if pair.challenger.result is not None else "golden"
    if isinstance(incumbent, Stopped) or isinstance(challenger, Stopped):
        return _missing(incumbent, challenger, source)
    return Score(incumbent, challenger, source=source)


def verdict(response: Response, golden: Golden, pair: Pair, context: ScoringContext) -> Verdict:
    """Return whether one answer is right, or why that is not known."""
    if response.status in ("error", "timeout"):
        return 0.0
    if golden.refuse or response.status == "refused":
        return float(golden.refuse and response.status == "refused")
    database = _database(pair, context)
    reference = _reference(golden, database)
    if isinstance(reference, Stopped):
        return reference
    return _compared(response, golden, reference, database, context)


def _compared(
    response: Response, golden: Golden, reference: Reference, database: Database | Stopped, context: ScoringContext
) -> Verdict:
    ordered = ends_in_order(golden.sql, context.dialect) if golden.ordered is None else golden.ordered
    if response.result is not None:
        right = reference.matches(response.result, ordered)
        if right is not None:
            return float(right)
    if response.result_digest is not None and response.result_digest == result_digest(reference.rows, ordered):
        return 1.0
    return _executed(response.output, reference, ordered, database)


def to_rate(pair: Pair, context: ScoringContext) -> bool:
    """Tell whether a rater is to say which arm is right: where the migration names one, and no golden answer is there."""
    shed = "shed" in (pair.incumbent.status, pair.challenger.status)
    return context.rated is not None and not shed and (pair.query.golden_id is None or context.golden is None)


def rated_score(pair: Pair, context: ScoringContext) -> Score:
    """Return what the rater said of both arms, beside whether people are asked too.

    A rater that says nothing is our own fault, so the pair is missing on both arms; it may be drawn for labels all the same.
    """
    rated = context.rated
    if not isinstance(rated, Rated):
        return missing("no rater" if rated is None else rated.reason, source="rater")
    ratings = {arm: rated.desk.rating(question) for arm, question in questions_of(pair).items()}
    silent = [f"{arm}: {rating.reason}" for arm, rating in ratings.items() if rating.right is None]
    incumbent, challenger = (float(ratings[arm].right or False) if arm in ratings else 0.0 for arm in ("incumbent", "challenger"))
    score = missing("; ".join(silent), source="rater") if silent else Score(incumbent, challenger, source="rater")
    return replace(
        score,
        rater_version=rated.desk.version,
        label_probability=rated.label_probability,
        label_drawn=label_drawn(pair.query.migration_id, pair.query.query_id, rated.label_probability),
    )


def golden_of(pair: Pair, context: ScoringContext) -> Golden | Score:
    """Return a pair's golden answer, or the score that its absence makes."""
    golden_id = pair.query.golden_id
    if pair.challenger.status == "shed" or pair.incumbent.status == "shed":
        return not_eligible("shed before the agent saw it")
    if golden_id is None:
        return not_eligible("no golden answer")
    if context.golden is None:
        return not_eligible("the migration names no golden answers")
    if isinstance(context.golden, Unavailable):
        return missing(context.golden.reason)
    golden = context.golden.get(golden_id)
    return missing(f"golden answer {golden_id!r} is not in the file") if golden is None else golden


def _missing(incumbent: Verdict, challenger: Verdict, source: str) -> Score:
    reasons = [
        f"{arm}: {v.reason}" for arm, v in (("incumbent", incumbent), ("challenger", challenger)) if isinstance(v, Stopped)
    ]
    first, second = (None if isinstance(v, Stopped) else v for v in (incumbent, challenger))
    return missing("; ".join(reasons), first, second, source)


def _database(pair: Pair, context: ScoringContext) -> Database | Stopped:
    if context.databases is None:
        return Stopped("the migration names no database")
    return context.databases.named(pair.query.context.get("database"))


def _reference(golden: Golden, database: Database | Stopped) -> Reference | Stopped:
    if golden.reference is not None:
        return golden.reference
    if isinstance(database, Stopped):
        return database
    outcome = database.run(golden.sql or "")
    return outcome if isinstance(outcome, Result) else Stopped(f"golden answer {golden.golden_id!r}: {outcome.reason}")


def _executed(sql: str, reference: Reference, ordered: bool, database: Database | Stopped) -> Verdict:
    if isinstance(database, Stopped):
        return database
    outcome = database.run(sql)
    if isinstance(outcome, Stopped):
        return outcome
    return 0.0 if isinstance(outcome, Refused) else float(same_result(reference.rows, outcome.rows, ordered))
