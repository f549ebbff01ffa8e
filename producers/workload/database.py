"""The advertiser's database: accounts, campaigns, ads, daily impressions and spend, the same from the same seed.

Every table whose rows belong to an account says which (``account_id``); the list of channels is everyone's. Budgets and
daily amounts are round numbers, so that ties and exact boundaries occur and mistakes about them show.
"""

import datetime as dt
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

N_ACCOUNTS = 20
N_CAMPAIGNS = 6
"""Of each account."""
N_ADS = 3
"""Of each campaign."""
FIRST_DAY = dt.date(2025, 1, 1)
N_DAYS = 59
"""January and February."""
CHANNELS = ("search", "social", "video", "display", "shopping")
KINDS = ("intent", "audience", "brand", "brand", "intent")
OBJECTIVES = ("sales", "leads", "awareness")
STATUSES = ("active", "paused", "ended")
FORMATS = ("text", "image", "video", "carousel")
DEVICES = ("mobile", "desktop", "tablet")

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "accounts": ("account_id INTEGER PRIMARY KEY", "name TEXT", "industry TEXT", "country TEXT"),
    "channels": ("channel TEXT PRIMARY KEY", "kind TEXT"),
    "campaigns": (
        "campaign_id INTEGER PRIMARY KEY",
        "account_id INTEGER",
        "name TEXT",
        "channel TEXT",
        "objective TEXT",
        "status TEXT",
        "daily_budget INTEGER",
        "start_date TEXT",
    ),
    "ads": (
        "ad_id INTEGER PRIMARY KEY",
        "account_id INTEGER",
        "campaign_id INTEGER",
        "headline TEXT",
        "format TEXT",
        "status TEXT",
    ),
    "impressions": (
        "ad_id INTEGER",
        "account_id INTEGER",
        "day TEXT",
        "device TEXT",
        "views INTEGER",
        "clicks INTEGER",
        "conversions INTEGER",
        "revenue REAL",
    ),
    "spend": ("campaign_id INTEGER", "account_id INTEGER", "day TEXT", "amount REAL"),
}
"""Tables and their columns with types."""
INDEXES = (
    ("campaigns", "account_id"),
    ("ads", "account_id"),
    ("ads", "campaign_id"),
    ("impressions", "account_id, day"),
    ("impressions", "ad_id, day"),
    ("spend", "account_id, day"),
    ("spend", "campaign_id, day"),
)
SHARED = ("channels",)
"""Tables with no tenant."""

_NOUNS = ("Spring", "Nova", "Harbor", "Summit", "Orchid", "Comet", "Maple", "Delta", "Ember", "Lagoon")
_KINDS = ("Sale", "Launch", "Retention", "Brand", "Prospecting", "Clearance")
_INDUSTRIES = ("retail", "travel", "finance", "games", "food")
_COUNTRIES = ("DE", "US", "JP", "BR", "IN")


def account_name(account_id: int) -> str:
    """Return the name by which users and grants call an account."""
    return f"account-{account_id}"


def build_database(path: str | Path, rng: np.random.Generator) -> sqlite3.Connection:
    """Create the database at a path (or ``:memory:``) and return an open connection to it."""
    connection = sqlite3.connect(path)
    for table, definitions in COLUMNS.items():
        connection.execute(f"CREATE TABLE {table} ({', '.join(definitions)})")
    for table, rows in _rows(rng):
        marks = ", ".join("?" * len(COLUMNS[table]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    for table, columns in INDEXES:
        connection.execute(f"CREATE INDEX {table}_{columns.replace(', ', '_')} ON {table} ({columns})")
    connection.execute("ANALYZE")
    connection.commit()
    return connection


def _rows(rng: np.random.Generator) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    accounts = range(1, N_ACCOUNTS + 1)
    yield "accounts", [(a, account_name(a), _INDUSTRIES[a % 5], _COUNTRIES[a // 5 % 5]) for a in accounts]
    yield "channels", list(zip(CHANNELS, KINDS, strict=True))
    campaigns = [_campaign(rng, a, k) for a in accounts for k in range(N_CAMPAIGNS)]
    yield "campaigns", campaigns
    ads = [_ad(rng, campaign, k) for campaign in campaigns for k in range(N_ADS)]
    yield "ads", ads
    yield "impressions", _impressions(rng, ads)
    yield "spend", _spend(rng, campaigns)


def _campaign(rng: np.random.Generator, account_id: int, k: int) -> tuple[Any, ...]:
    name = f"{rng.choice(_NOUNS)} {_KINDS[k]}"
    start = FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 6)) * 7)
    status = rng.choice(STATUSES, p=(0.6, 0.25, 0.15))
    chosen = (rng.choice(CHANNELS), rng.choice(OBJECTIVES), status)
    number = account_id * 100 + k
    return (number, account_id, str(name), *map(str, chosen), int(rng.integers(2, 8)) * 50, start.isoformat())


def _ad(rng: np.random.Generator, campaign: tuple[Any, ...], k: int) -> tuple[Any, ...]:
    headline = f"{campaign[2]} {'ABC'[k]}"
    kind, status = rng.choice(FORMATS), rng.choice(STATUSES, p=(0.7, 0.2, 0.1))
    return (campaign[0] * 10 + k, campaign[1], campaign[0], headline, str(kind), str(status))


def days() -> list[str]:
    """Return the days that the database has figures of."""
    return [(FIRST_DAY + dt.timedelta(days=d)).isoformat() for d in range(N_DAYS)]


def _impressions(rng: np.random.Generator, ads: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Each ad's day on the device that it was shown on; click and conversion rates are the ad's own."""
    n = len(ads)
    ids = [(ad[0], ad[1]) for ad in ads]
    level, click, convert = rng.lognormal(5.5, 0.8, n), rng.beta(2, 40, n), rng.beta(2, 12, n)
    rows = []
    for day in days():
        views = rng.poisson(level * rng.uniform(0.8, 1.2))
        clicks = rng.binomial(views, click)
        conversions = rng.binomial(clicks, convert)
        device = rng.choice(len(DEVICES), n, p=(0.6, 0.3, 0.1))
        value = rng.integers(2, 9, n) * 5.0
        columns = zip(ids, views, clicks, conversions, device, value, strict=True)
        rows += [(ad, account, day, DEVICES[d], int(v), int(c), int(x), float(x * w)) for (ad, account), v, c, x, d, w in columns]
    return rows


def _spend(rng: np.random.Generator, campaigns: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Spend follows the daily budget in steps of 5, never above it."""
    budget = np.array([campaign[6] for campaign in campaigns])
    rows = []
    for day in days():
        amounts = np.round(budget * rng.uniform(0.5, 1.0, len(budget)) / 5) * 5.0
        rows += [(c[0], c[1], day, float(a)) for c, a in zip(campaigns, amounts, strict=True)]
    return rows
