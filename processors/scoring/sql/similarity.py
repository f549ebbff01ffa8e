"""How alike are two queries: normal forms equal or, part by part, how much of each they share."""

from collections import Counter
from collections.abc import Mapping

from dualgate.processors.scoring.sql.forms import Features

WEIGHTS: Mapping[str, float] = {
    "joins": 0.2,
    "filters": 0.3,
    "grouping": 0.15,
    "aggregates": 0.15,
    "projection": 0.15,
    "order": 0.05,
}
"""What each part counts; a part that neither query has does not count. Filters and joins decide which rows are meant."""


def structural_similarity(a: Features, b: Features) -> float:
    """Return 1 where two queries have the same normal form, else the weighted share (Dice) of their parts, below 1."""
    if a.whole == b.whole:
        return 1.0
    total = shared = 0.0
    first, second = a.components(), b.components()
    for name, weight in WEIGHTS.items():
        left, right = first[name], second[name]
        if left or right:
            total += weight
            shared += weight * dice(left, right)
    return min(shared / total, 0.99) if total else 0.0


def dice(a: Counter[str], b: Counter[str]) -> float:
    """Return twice what two multisets share over what they hold together."""
    if a == b:
        return 1.0
    return 2 * (a & b).total() / (a.total() + b.total())
