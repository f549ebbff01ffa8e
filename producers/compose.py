"""Composed arrival times: a profile of rates, from a published file or a plain day, and times drawn with its density."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dualgate.schemas.errors import ConfigError

Floats = np.typing.NDArray[np.float64]
Ints = np.typing.NDArray[np.int64]
CELL_MINUTES = 10
DAY_CELLS = 24 * 60 // CELL_MINUTES
_COLUMNS = ("category", "window_start_s", "requests_per_s")


@dataclass(frozen=True, slots=True)
class RateProfile:
    """Relative rates of successive cells of equal length, and where they come from."""

    rates: tuple[float, ...]
    cell_ms: int
    source: str


def office_hours(n_days: int, weekend: float) -> RateProfile:
    """Return the profile of a business: peaks before and after noon, quiet nights, weekends at a fraction; day 1 is a Monday."""
    cells = np.arange(n_days * DAY_CELLS)
    hour = cells % DAY_CELLS * CELL_MINUTES / 60
    rate = 0.08 + np.exp(-(((hour - 10.5) / 2.6) ** 2)) + 0.9 * np.exp(-(((hour - 15.5) / 3.0) ** 2))
    rate = np.where(cells // DAY_CELLS % 7 >= 5, rate * weekend, rate)
    return RateProfile(tuple(map(float, rate)), CELL_MINUTES * 60_000, f"{n_days} days of office hours")


def arrival_times(rng: np.random.Generator, profile: RateProfile, n: int) -> Ints:
    """Return n rising times in ms from the start of the profile: a Poisson process of its rates, given that it has n points."""
    rates = np.asarray(profile.rates)
    cell = rng.choice(len(rates), n, p=rates / rates.sum())
    return np.sort(((cell + rng.random(n)) * profile.cell_ms).astype(np.int64))


def read_rates(path: Path, category: str | None = None) -> RateProfile:
    """Read the rates of a category (the first one where none is named) from a CSV of category, window_start_s, requests_per_s.

    ConfigError names file, line and what is wrong.
    """
    by_category = _rates(path)
    if not by_category:
        raise ConfigError(f"rates {path} holds no rows")
    chosen = next(iter(by_category)) if category is None else category
    if chosen not in by_category:
        raise ConfigError(f"rates {path} has no category {chosen!r}; it has {', '.join(by_category)}")
    starts, rates = zip(*by_category[chosen], strict=True)
    steps = np.diff(starts)
    if len(steps) == 0 or not (steps == steps[0]).all() or steps[0] <= 0:
        raise ConfigError(f"rates {path}: windows of {chosen} must follow one another at equal distances")
    if sum(rates) <= 0:
        raise ConfigError(f"rates {path}: all rates of {chosen} are 0")
    return RateProfile(rates, int(steps[0] * 1000), f"rates of {chosen} in {path.name}")


def _rates(path: Path) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                raise ConfigError(f"{path}:1: columns are {reader.fieldnames}; {', '.join(_COLUMNS)} are wanted")
            for row in reader:
                found.setdefault(row["category"], []).append(_rate(f"{path}:{reader.line_num}", row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"rates {path}: {getattr(error, 'strerror', None) or error}") from None
    return found


def _rate(where: str, row: dict[str, str]) -> tuple[float, float]:
    try:
        start, rate = float(row["window_start_s"]), float(row["requests_per_s"])
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: {row} has no number in window_start_s or requests_per_s") from None
    if not 0 <= rate < float("inf"):
        raise ConfigError(f"{where}: requests_per_s={rate} must be 0 or greater")
    return start, rate
