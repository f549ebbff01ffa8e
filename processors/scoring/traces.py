"""Alignment of two execution traces: the edit distance between their steps."""

from collections.abc import Sequence

from rapidfuzz.distance import Indel

from dualgate.schemas.records import Step

NAMES = 0.5
"""Share of the steps' names in the alignment; the rest is name and detail together."""


def trace_similarity(a: Sequence[Step], b: Sequence[Step]) -> float | None:
    """Return how well two traces align, from 0 to 1; None where an agent recorded none."""
    if not a or not b:
        return None
    if a == b:
        return 1.0
    names = Indel.normalized_similarity([step.name for step in a], [step.name for step in b])
    whole = Indel.normalized_similarity([_whole(step) for step in a], [_whole(step) for step in b])
    return float(NAMES * names + (1 - NAMES) * whole)


def _whole(step: Step) -> str:
    return f"{step.name}\x00{' '.join(step.detail.lower().split())}"
