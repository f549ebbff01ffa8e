"""Who lives: identical agents, measured for superiority (hardly any may pass) and for non-inferiority (most go the whole way)."""

from typing import Any

from dualgate.lab.simulate.scenario import Binary, Scenario, Scores
from dualgate.schemas.migration import MigrationConfig, MigrationSpec

POPULATIONS: dict[str, dict[str, Any]] = {
    "superiority": {"correctness": {"measure": "difference", "null": 0.0, "design": 0.03, "worse_by": 0.0}},
    "non-inferiority": {"correctness": {"measure": "difference", "null": -0.03, "design": 0.0, "worse_by": 0.0}},
}
"""Correctness of each population; every other key of the file is its default, error budgets for all dimensions beside."""
BUDGETS = {"correctness": 0.02, "latency": 0.01, "semantic": 0.02, "safety": 0.01}


def config(population: str) -> MigrationConfig:
    """Return a population's migration file."""
    given = {
        "migration": "soak",
        "incumbent": "agent:v1",
        "challenger": "agent:v2",
        "dimensions": POPULATIONS[population],
        "error_budget": BUDGETS,
    }
    return MigrationConfig(MigrationSpec.model_validate(given), "/")


def scenario() -> Scenario:
    """Return the law of the pairs: both agents with the same rates and scores; they differ on 15 % of the queries."""
    return Scenario(
        correctness=Binary(incumbent=0.842, challenger=0.842, discordance=0.15),
        slow=Binary(incumbent=0.006, challenger=0.006),
        semantic=Scores(challenger=0.91, incumbent=0.91),
        violation=Binary(incumbent=0.0025, challenger=0.0025),
    )
