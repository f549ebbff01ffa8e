"""What a configuration names, made into what scorers know: files are held to their hashes, databases opened when first used."""

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

from dualgate.processors.scoring.context import Rated, ScoringContext, Unavailable
from dualgate.processors.scoring.execution import Databases
from dualgate.processors.scoring.golden import Golden, read_golden
from dualgate.processors.scoring.outcome import Limits
from dualgate.processors.scoring.rater import Desk, Store
from dualgate.processors.scoring.rater_http import Endpoint, HttpRater
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.grants import Grant, parse_grants
from dualgate.schemas.migration import MigrationConfig, sha256_of
from dualgate.schemas.scorers import Rater

T = TypeVar("T")


def context_of(config: MigrationConfig, limits: Limits | None = None, rated: bool = True) -> ScoringContext:
    """Return what scorers know; what is missing or has changed makes scores missing, not an error."""
    spec = config.spec
    database, rater = spec.scoring.database, spec.scoring.rater
    return ScoringContext(
        dialect=None if spec.scoring.dialect == "none" else spec.scoring.dialect,
        dimensions=spec.dimensions,
        golden=_load(config, spec.scoring.golden, _golden),
        grants=_load(config, spec.scoring.grants, _grants),
        databases=None if database is None else Databases(database, config.base, limits),
        rated=None if rater is None or not rated else _rated(config, rater),
    )


def _rated(config: MigrationConfig, rater: Rater) -> Rated | Unavailable:
    key = None if rater.api_key_env is None else os.environ.get(rater.api_key_env)
    if rater.api_key_env is not None and not key:
        return Unavailable(f"the rater's key is not in the environment: {rater.api_key_env} is not set")
    endpoint = Endpoint(
        url=rater.url,
        model=rater.model,
        version=rater.version,
        api_key=key,
        timeout_s=rater.timeout_ms / 1000,
        retries=rater.retries,
        input_price=rater.input_price,
        output_price=rater.output_price,
    )
    store = None if rater.cache is None else Store(config.path(rater.cache))
    desk = Desk(HttpRater(endpoint), rater.concurrency, rater.due_ms / 1000, store=store)
    return Rated(desk, rater.label_probability)


def _load(config: MigrationConfig, name: str | None, read: Callable[[bytes, str], T]) -> T | Unavailable | None:
    if name is None:
        return None
    path = config.path(name)
    try:
        found, wanted = sha256_of(path), config.files.get(name)
        if found != wanted:
            return Unavailable(f"file {name} has sha256 {found[:12]}…; the migration started with {str(wanted)[:12]}…")
        return read(path.read_bytes(), name)
    except (ConfigError, OSError, UnicodeDecodeError) as error:
        return Unavailable(str(error)[:300])


def _golden(data: bytes, name: str) -> Mapping[str, Golden]:
    return read_golden(data.splitlines(), name)


def _grants(data: bytes, name: str) -> Mapping[str, Grant]:
    return parse_grants(data.decode("utf-8"), name)
