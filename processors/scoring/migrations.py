"""From an accepted configuration to what scores by it: read the files it names, hold them to their hashes, open databases."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.context import ScoringContext, Unavailable
from dualgate.processors.scoring.execution import Databases
from dualgate.processors.scoring.golden import Golden, read_golden
from dualgate.processors.scoring.logic import MigrationScoring, builtin_scorers
from dualgate.processors.scoring.outcome import Limits
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.grants import Grant, parse_grants
from dualgate.schemas.migration import MigrationConfig, sha256_of
from dualgate.schemas.records import Migration

T = TypeVar("T")


def open_migration(record: Migration, limits: Limits | None = None) -> MigrationScoring:
    """Return what scores a migration as the gate accepted it; ConfigError where its configuration cannot be read."""
    config = MigrationConfig.from_json(record.config)
    identity = Identity(record.migration_id, record.epoch, record.config_hash)
    return scoring_of(identity, config, limits)


def scoring_of(identity: Identity, config: MigrationConfig, limits: Limits | None = None) -> MigrationScoring:
    """Return what scores by a configuration; a file that is missing or has changed makes scores missing, not an error."""
    spec = config.spec
    scorers, hidden = builtin_scorers(spec.dimensions.on)
    database = spec.scoring.database
    context = ScoringContext(
        dialect=None if spec.scoring.dialect == "none" else spec.scoring.dialect,
        dimensions=spec.dimensions,
        golden=_load(config, spec.scoring.golden, _golden),
        grants=_load(config, spec.scoring.grants, _grants),
        databases=None if database is None else Databases(database, config.base, limits),
    )
    return MigrationScoring(identity, context, scorers, hidden)


def close(scoring: MigrationScoring) -> None:
    """Close the databases of a migration that is over."""
    if scoring.context.databases is not None:
        scoring.context.databases.close()


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
