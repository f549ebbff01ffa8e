"""The schema of the database that a pair's query is about."""

import sqlalchemy as sa

from dualgate.processors.scoring.context import ScoringContext
from dualgate.processors.scoring.outcome import Stopped
from dualgate.processors.scoring.sql.schema import UNKNOWN, Schema
from dualgate.schemas.errors import TransientError
from dualgate.schemas.records import Pair


def schema_of(pair: Pair, context: ScoringContext) -> Schema:
    """Return the schema for a pair; `UNKNOWN` where there is no database to ask."""
    if context.databases is None:
        return UNKNOWN
    database = context.databases.named(pair.query.context.get("database"))
    if isinstance(database, Stopped):
        return UNKNOWN
    try:
        return database.schema()
    except (sa.exc.SQLAlchemyError, TransientError):
        return UNKNOWN
