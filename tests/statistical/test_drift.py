"""Section 7: regressions that come slowly, with the season, or in every dimension a little."""

from collections.abc import Iterator, Mapping

import pytest

from dualgate.lab.characteristics import compounding, table_7
from support.tables import disagreeing

FEW = 400


@pytest.fixture(scope="module", autouse=True)
def fewer_thresholds() -> Iterator[None]:
    """Thresholds from 400 null streams instead of 2,000, once for the module."""
    with pytest.MonkeyPatch.context() as patch:
        made: Mapping[str, float] = table_7.thresholds(FEW)
        patch.setattr(table_7, "thresholds", lambda: made)
        yield


@pytest.mark.parametrize("index", range(len(table_7.STORIES)), ids=[s.name for s in table_7.STORIES])
def test_seven_detectors(index: int) -> None:
    """What CUSUM, e-SR, a process from the start, a window, an average and e-CUSUM find, and when, is as stated."""
    assert disagreeing(table_7.stories(75, 371, index)) == []


def test_nominal_thresholds_are_nearly_tight() -> None:
    """e-SR's nominal level N / p keeps the budget and is within a third of a nat of the simulated one."""
    assert disagreeing(table_7.nominal(400, 372)) == []


def test_a_fixed_baseline_takes_the_season_for_a_regression() -> None:
    """The share of hard queries swings by 10 points and nothing is lost: a chart over a fixed baseline alarms far above 5 %."""
    rows = {r.quantity: r for r in table_7.stories(100, 373, 4)}
    fixed = next(row for words, row in rows.items() if "fixed mu0" in words)
    assert fixed.low > table_7.P_FA


def test_many_small_losses_add_up() -> None:
    """Each of four dimensions worse by .3 of its design shift: the weighted sum finds it in well under the time of the four."""
    found = {r.quantity: r.obtained for r in compounding.compounding(30, 374, 0.0, (0.3,), 100)}
    delays = {rule: next(v for words, v in found.items() if rule in words and "delay" in words) for rule in compounding.RULES}
    assert delays["CUSUM of the weighted sum"] < 0.7 * delays["greatest of four CUSUMs"]
