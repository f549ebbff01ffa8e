"""Rated migrations: however a ledger is cut and in whatever order labels come, the evidence is the same."""

from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dualgate.gate.phases import SHADOW
from support.gate import Ledger
from support.rated import Rated, label, migration, send, traffic, verdicts

N = 160
STARTED = migration({"correctness": {"null": 0.0, "design": 0.9}})
ANY = st.randoms(use_true_random=False)


def some(seed: int) -> list[Rated]:
    """Pairs of a challenger that is accepted within them about half of the time."""
    return traffic(np.random.default_rng(seed), N, (0.4, 0.95))


UNDECIDED = migration(errors={"promote": 1e-9, "miss": 1e-9, "rollback": 1e-6})
"""Nothing is decided on so few pairs, so evidence can be compared after all of them."""


def told(ledger: Ledger) -> list[tuple[object, ...]]:
    """What was decided, with its numbers."""
    return [(d.rule, d.n_pairs, d.reason, d.dimensions) for d in ledger.decisions]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, N - 1), max_size=8), early=st.floats(0, 1))
def test_block_cuts_change_nothing(seed: int, cuts: list[int], early: float) -> None:
    """Pairs in one block or in many, some labelled before they come and the rest after: the same decisions and state."""
    pairs = some(seed)
    labels = list(verdicts(pairs))
    first = int(early * len(labels))
    found = []
    for ends in ([N], [*sorted(set(cuts)), N]):
        ledger = STARTED.copy()
        label(ledger, labels[:first])
        for start, end in pairwise([0, *ends]):
            send(ledger, pairs[start:end])
        label(ledger, labels[first:])
        assert ledger.state is not None
        found.append((ledger.state.dims, ledger.state.line and ledger.state.line.weight, ledger.phases, told(ledger)))
    assert found[0] == found[1]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), random=ANY)
def test_labels_in_any_order_give_the_same_evidence(seed: int, random: Random) -> None:
    """Labels before the pairs, or after them in any order: correctness ends at the same evidence, n and weight."""
    pairs = some(seed)
    labels = list(verdicts(pairs))
    shuffled = random.sample(labels, len(labels))
    before, after = UNDECIDED.copy(), UNDECIDED.copy()
    label(before, labels)
    send(before, pairs)
    send(after, pairs)
    label(after, shuffled)
    states = [ledger.state_ for ledger in (before, after)]
    assert [state.phase for state in states] == [SHADOW, SHADOW]
    assert states[0].dims == states[1].dims
    assert states[0].n_counted == states[1].n_counted == N - 50


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), held=st.integers(0, 40), random=ANY)
def test_a_label_held_back_never_promotes(seed: int, held: int, random: Random) -> None:
    """Who holds one pair's label back stops the count there: the evidence is that of the pairs before it, whatever follows."""
    pairs = some(seed)
    drawn = [pair.name for pair in pairs if pair.drawn]
    name = drawn[min(held, len(drawn) - 1)]
    labels = [each for each in verdicts(pairs) if each.query_hash != name]
    whole, cut = UNDECIDED.copy(), UNDECIDED.copy()
    send(whole, pairs)
    label(whole, random.sample(labels, len(labels)))
    place = next(i for i, pair in enumerate(pairs) if pair.name == name)
    label(cut, verdicts(pairs[:place]))
    send(cut, pairs[:place])
    rated = next(i for i, s in enumerate(whole.state_.specs) if s.name == "correctness")
    assert whole.state_.phase == SHADOW
    assert whole.state_.dims[rated].accept == cut.state_.dims[rated].accept
