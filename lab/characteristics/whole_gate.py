"""Table 1.3: the whole gate on the default migration file, by `dualgate simulate`'s own engine."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dualgate.lab.characteristics.rows import Row, fraction_row
from dualgate.lab.simulate.life import Outcome
from dualgate.lab.simulate.runs import job_of, run_many
from dualgate.lab.simulate.scenario import Binary, Scenario, built_in
from dualgate.schemas.migration import MigrationSpec

STATED_RUNS = 400


@dataclass(frozen=True, slots=True)
class GateCase:
    """A challenger, and the promoted and futile fractions that the design study measured."""

    name: str
    scenario: Scenario
    promoted: float
    futile: float | None


def default_file() -> MigrationSpec:
    """Return a migration file with every default."""
    return MigrationSpec(migration="default", incumbent="agent:1", challenger="agent:2")


def gate_cases() -> tuple[GateCase, ...]:
    """Return the challengers of the table."""
    spec = default_file()
    one_null = Scenario(correctness=Binary(incumbent=0.842, challenger=0.842, discordance=0.15))
    return (
        GateCase("the study's good one", built_in("good", spec), 0.963, 0.037),
        GateCase("at the design in all four", built_in("design", spec), 0.920, 0.077),
        GateCase("null in all four", built_in("null", spec), 0.0, None),
        GateCase("null in correctness only", one_null, 0.005, None),
    )


def gate_outcomes(scenario: Scenario, runs: int, seed: int, processes: int = 1) -> list[Outcome]:
    """Return the outcomes of the default file under a scenario."""
    return list(run_many(job_of(default_file(), scenario, 20_000), runs, seed, processes))


def table_1_3(runs: int, seed: int, processes: int = 1) -> Iterator[Row]:
    """Yield how often the gate promotes and gives up, for each challenger of the table."""
    for case in gate_cases():
        outcomes = gate_outcomes(case.scenario, runs, seed, processes)
        promoted = np.array([o.verdict == "promoted" for o in outcomes])
        yield fraction_row("1.3", case.name, "promoted", case.promoted, promoted, STATED_RUNS)
        futile = np.array([o.reason == "futile" for o in outcomes])
        yield fraction_row("1.3", case.name, "futile", case.futile, futile, STATED_RUNS)
