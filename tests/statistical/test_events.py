"""Section 2.5 and 3: the study's events, bursts, and the semantic baseline."""

import pytest

from dualgate.lab.characteristics import baselines, events
from support.tables import disagreeing


@pytest.mark.parametrize("index", range(len(events.EVENTS)), ids=[e.name for e in events.EVENTS])
def test_the_studys_events(index: int) -> None:
    """Each event migrates, is rolled back and takes pairs as stated."""
    assert disagreeing(events.events(75, 301, index)) == []


@pytest.mark.parametrize("rate", [0.015, 0.010])
def test_bursts_break_acceptance_and_thinning_mends_it(rate: float) -> None:
    """False acceptance under bursts is the stated one for each way to look; thinned over time it is what it should be."""
    assert disagreeing(events.burst_table(500, 302, rate)) == []


def test_a_semantic_baseline_is_not_a_constant() -> None:
    """A plugged-in baseline loses its level, an upper bound its power, a re-run neither."""
    assert disagreeing(baselines.table_3(300, 303), ("rho 0.5: ASN at 0.9",)) == []
