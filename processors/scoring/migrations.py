"""From an accepted configuration to what scores by it."""

from dualgate.processors.scoring.block import Identity
from dualgate.processors.scoring.context import Rated
from dualgate.processors.scoring.files import context_of
from dualgate.processors.scoring.foreign import ForeignScorer
from dualgate.processors.scoring.logic import MigrationScoring
from dualgate.processors.scoring.outcome import Limits
from dualgate.processors.scoring.registry import scorers_of
from dualgate.schemas.migration import MigrationConfig
from dualgate.schemas.records import Migration


def open_migration(record: Migration, limits: Limits | None = None) -> MigrationScoring:
    """Return what scores a migration as the gate accepted it; ConfigError where its configuration cannot be read."""
    config = MigrationConfig.from_json(record.config)
    identity = Identity(record.migration_id, record.epoch, record.config_hash)
    return scoring_of(identity, config, limits)


def scoring_of(identity: Identity, config: MigrationConfig, limits: Limits | None = None) -> MigrationScoring:
    """Return what scores by a configuration."""
    scorers, hidden = scorers_of(config)
    return MigrationScoring(identity, context_of(config, limits), scorers, hidden)


def close(scoring: MigrationScoring) -> None:
    """Close what a migration that is over had open: databases, the rater, the processes of foreign scorers."""
    context = scoring.context
    if context.databases is not None:
        context.databases.close()
    if isinstance(context.rated, Rated):
        context.rated.desk.close()
    for scorer in scoring.scorers:
        if isinstance(scorer, ForeignScorer):
            scorer.close()
