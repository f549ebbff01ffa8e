"""A rated migration through the gate's fold: the level holds for a rater that favours the challenger, its word alone does not."""

from dataclasses import replace

import numpy as np

from dualgate.lab.characteristics.rows import exceeds, falls_short
from support.rated import label, migration, send, traffic, verdicts

ALPHA = 0.05
LENIENT = ((0.03, 0.07), (0.03, 0.6))
"""Errors on (right, wrong) answers: of the challenger's wrong ones the rater passes six in ten."""
EASY_NULL = {"correctness": {"null": 0.0, "design": 0.15}}
PAIRS, BLOCK = 800, 400


def accepted(seed: int, right: tuple[float, float], *, labels: bool = True) -> bool:
    """Tell whether the gate lets a challenger into the canary; without labels the rater's word is taken for the truth."""
    ledger = STARTED.copy()
    pairs = traffic(np.random.default_rng(seed), PAIRS, right, LENIENT, 0.25)
    if not labels:
        pairs = [replace(pair, golden=True, truth=pair.said or (0, 0)) for pair in pairs]
    for start in range(0, PAIRS, BLOCK):
        part = pairs[start : start + BLOCK]
        label(ledger, verdicts(part))
        send(ledger, part)
        if "CANARY" in ledger.phases or not ledger.state_.active:
            break
    return "CANARY" in ledger.phases


STARTED = migration(EASY_NULL, label_probability=0.25)


def test_a_rater_that_favours_the_challenger_promotes_nobody() -> None:
    """At the null, with a rater that passes the challenger's errors, at most .05 of challengers reach the canary."""
    assert not exceeds(np.array([accepted(seed, (0.75, 0.75)) for seed in range(50)]), ALPHA)


def test_the_raters_word_alone_would() -> None:
    """The same pairs, with the rater's word taken for the truth, fail that test at once: it can fail."""
    assert exceeds(np.array([accepted(seed, (0.75, 0.75), labels=False) for seed in range(8)]), ALPHA)


def test_a_better_challenger_is_promoted() -> None:
    """With the same biased rater a challenger that is better by twice the design is found."""
    assert not falls_short(np.array([accepted(seed, (0.6, 0.9)) for seed in range(8)]), 0.9)
