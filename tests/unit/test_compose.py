"""Composed arrival times follow a profile of rates."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dualgate.producers.compose import RateProfile, arrival_times, office_hours, read_rates
from dualgate.schemas.errors import ConfigError

HEAD = "category,window_start_s,requests_per_s,clients_active\n"


def test_times_rise_and_stay_within_the_profile() -> None:
    """n times come out, in order, none before the first cell or after the last."""
    times = arrival_times(np.random.default_rng(1), office_hours(7, 0.5), 5000)
    assert len(times) == 5000
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] < 7 * 24 * 3_600_000


def test_times_have_the_density_of_the_rates() -> None:
    """Counts of cells fit their rates: a chi-square test at level 1e-6."""
    profile = RateProfile((1.0, 2.0, 0.0, 5.0), 1000, "test")
    times = arrival_times(np.random.default_rng(2), profile, 8000)
    counts = np.bincount(times // 1000, minlength=4)
    assert counts[2] == 0
    assert stats.chisquare(counts[[0, 1, 3]], [1000, 2000, 5000]).pvalue > 1e-6


def test_office_hours_are_quiet_at_night_and_at_the_weekend() -> None:
    """The peak of a Monday is above its night, and above the Saturday's peak by the stated fraction."""
    day = np.asarray(office_hours(7, 0.5).rates).reshape(7, -1)
    assert day[0].max() > 5 * day[0].min()
    assert day[5].max() == pytest.approx(0.5 * day[0].max())


def test_published_rates_are_read_by_category(tmp_path: Path) -> None:
    """The first category is taken where none is named."""
    path = tmp_path / "rates.csv"
    path.write_text(HEAD + "a,0,1.5,3\na,600,2.5,3\nb,0,9,1\nb,600,8,1\n")
    assert read_rates(path).rates == (1.5, 2.5)
    assert read_rates(path, "b") == RateProfile((9.0, 8.0), 600_000, "rates of b in rates.csv")


@pytest.mark.parametrize(
    ("text", "category", "words"),
    [
        ("x,y\n1,2\n", None, "rates.csv:1: columns are ['x', 'y']; category, window_start_s, requests_per_s are wanted"),
        (HEAD, None, "rates.csv holds no rows"),
        (HEAD + "a,0,many,3\n", None, "rates.csv:2: "),
        (HEAD + "a,0,1,3\na,600,-1,3\n", None, "rates.csv:3: requests_per_s=-1.0 must be 0 or greater"),
        (HEAD + "a,0,1,3\na,600,1,3\n", "c", "has no category 'c'; it has a"),
        (HEAD + "a,0,1,3\na,600,1,3\na,900,1,3\n", None, "must follow one another at equal distances"),
        (HEAD + "a,0,0,3\na,600,0,3\n", None, "all rates of a are 0"),
    ],
)
def test_a_fault_of_the_rates_is_named(tmp_path: Path, text: str, category: str | None, words: str) -> None:
    """Every fault is an error with file, line and what is wanted."""
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_rates(path, category)
    assert words in str(caught.value)
