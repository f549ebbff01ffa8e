"""What scorers know of a migration: its configuration and the files and databases that it names, or why one is absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualgate.processors.scoring.analysis import Analyses
from dualgate.processors.scoring.execution import Databases
from dualgate.processors.scoring.golden import Golden
from dualgate.processors.scoring.rater import Desk
from dualgate.schemas.dimensions import Dimensions
from dualgate.schemas.grants import Grant


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Something that should be there and is not, through our own fault; scores that need it are missing with this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rated:
    """Who rates the pairs without a golden answer, and the share of them that people are asked to label."""

    desk: Desk
    label_probability: float


@dataclass(frozen=True, slots=True)
class ScoringContext:
    """The rules of one migration; None where its file names no such thing."""

    dialect: str | None
    dimensions: Dimensions = field(default_factory=Dimensions)
    golden: Mapping[str, Golden] | Unavailable | None = None
    grants: Mapping[str, Grant] | Unavailable | None = None
    databases: Databases | None = None
    rated: Rated | Unavailable | None = None
    analyses: Analyses = field(default_factory=Analyses)
