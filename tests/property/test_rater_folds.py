"""The rater's process: snapshots anywhere, labels in any order, and nothing but finite numbers."""

import json
import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dualgate.gate.stats.rater import add_label, add_pair
from dualgate.gate.stats.rater_state import RaterSpec, RaterState

SPEC = RaterSpec(null=-0.02, shift=0.05, round_size=5, max_open_rounds=100)

Pair = tuple[int, bool, int, int, int]


def _pairs() -> st.SearchStrategy[list[Pair]]:
    """Rater value, drawn or not, thousandths of the label probability, verdicts on both arms."""
    one = st.tuples(st.integers(-1, 1), st.booleans(), st.integers(100, 1000), st.integers(0, 1), st.integers(0, 1))
    return st.lists(one, min_size=1, max_size=40)


def _taken(pairs: list[Pair]) -> tuple[RaterState, list[tuple[str, str, int]]]:
    """The state after all pairs, and the labels that are to come."""
    state, labels = RaterState(), []
    for i, (rating, drawn, thousandths, incumbent, challenger) in enumerate(pairs):
        state = add_pair(SPEC, state, "r", rating, (f"q{i}", thousandths / 1000, i) if drawn else None)
        if drawn:
            labels += [(f"q{i}", "incumbent", incumbent), (f"q{i}", "challenger", challenger)]
    return state, labels


@given(_pairs(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_labels_may_come_in_any_order(pairs: list[Pair], random: object) -> None:
    """Rounds are applied in order, so the evidence is the same however late and in whatever order the labels come."""
    state, labels = _taken(pairs)
    shuffled = sorted(labels, key=lambda _: random.random())  # type: ignore[attr-defined]
    found = []
    for order in (labels, shuffled):
        done = state
        for query, arm, verdict in order:
            done = add_label(SPEC, done, query, arm, verdict)
        found.append(done)
    assert found[0] == found[1]
    assert found[0].n == len(pairs) // SPEC.round_size * SPEC.round_size


@given(_pairs())
@settings(max_examples=100, deadline=None)
def test_snapshots_and_finite_numbers(pairs: list[Pair]) -> None:
    """Through a snapshot after every label the process is the same; log e is finite, the record and n never fall."""
    state, labels = _taken(pairs)
    states = [state]
    for query, arm, verdict in labels:
        stored = RaterState.from_json(json.loads(json.dumps(states[-1].to_json())))
        assert stored == states[-1]
        states.append(add_label(SPEC, stored, query, arm, verdict))
    assert all(math.isfinite(each.log_e) and 0.0 < each.p_value <= 1.0 for each in states)
    assert all(a.n <= b.n and a.best_micro <= b.best_micro for a, b in pairwise(states))
