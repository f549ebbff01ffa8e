"""Table 1.3: the whole gate on the default migration file, by `dualgate simulate`'s own engine."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dualgate.gate.hypotheses import hypotheses
from dualgate.lab.characteristics.passage import log_e_paths
from dualgate.lab.characteristics.rows import Row, fraction_row, median_row
from dualgate.lab.simulate.life import Outcome
from dualgate.lab.simulate.pairs import blocks, draw
from dualgate.lab.simulate.runs import job_of, run_many
from dualgate.lab.simulate.scenario import Binary, Scenario, built_in
from dualgate.schemas.migration import MigrationSpec

STATED_RUNS, CALIBRATING = 400, 300


@dataclass(frozen=True, slots=True)
class GateCase:
    """A challenger, and the promoted and futile fractions that the design study measured."""

    name: str
    scenario: Scenario
    promoted: float
    futile: float | None
    median: float | None = None
    q90: int = 0
    at_one: tuple[float | None, float | None] = (None, None)


def default_file() -> MigrationSpec:
    """Return a migration file with every default."""
    return MigrationSpec(migration="default", incumbent="agent:1", challenger="agent:2")


def gate_cases() -> tuple[GateCase, ...]:
    """Return the challengers of the table."""
    spec = default_file()
    one_null = Scenario(correctness=Binary(incumbent=0.842, challenger=0.842, discordance=0.15))
    return (
        GateCase("the study's good one", built_in("good", spec), 0.963, 0.037, 1421, 2174, (0.845, 0.155)),
        GateCase("at the design in all four", built_in("design", spec), 0.920, 0.077, 2123, 3259, (0.682, 0.318)),
        GateCase("null in all four", built_in("null", spec), 0.0, 1.0, at_one=(0.0, None)),
        GateCase("null in correctness only", one_null, 0.005, 0.990, at_one=(0.003, None)),
    )


def gate_outcomes(scenario: Scenario, runs: int, seed: int, processes: int = 1) -> list[Outcome]:
    """Return the outcomes of the default file under a scenario."""
    return list(run_many(job_of(default_file(), scenario, 20_000), runs, seed, processes))


def table_1_3(runs: int, seed: int, index: int) -> Iterator[Row]:
    """Yield how often the gate promotes and gives up, and when, for one challenger of the table; then the same by hand."""
    case = gate_cases()[index]
    outcomes = gate_outcomes(case.scenario, runs, seed)
    promoted = np.array([o.verdict == "promoted" for o in outcomes])
    yield fraction_row("1.3", case.name, "promoted", case.promoted, promoted, STATED_RUNS)
    futile = np.array([o.reason == "futile" for o in outcomes])
    yield fraction_row("1.3", case.name, "futile", case.futile, futile, STATED_RUNS)
    if "null" in case.name:
        yield fraction_row("1.3", case.name, "promoted, at most alpha", 0.05, promoted, kind="at most")
    elif promoted.any():
        pairs = np.array([o.pairs for o in outcomes])[promoted] - CALIBRATING
        yield median_row("1.3", case.name, "median pairs to promotion", case.median, pairs, STATED_RUNS)
        yield fraction_row(
            "1.3", case.name, f"promoted by {case.q90:,} pairs, of those promoted", 0.9, pairs <= case.q90, STATED_RUNS
        )
    for k, stated in ((1, case.at_one), (5, (None, None))):
        found = by_hand(case.scenario, runs, seed + 1, k)
        words = f"by hand, futility at log({k}/beta)"
        yield fraction_row(
            "1.3", case.name, f"promoted, {words}", stated[0], np.array([f == "promoted" for f in found]), STATED_RUNS
        )
        yield fraction_row("1.3", case.name, f"futile, {words}", stated[1], np.array([f == "futile" for f in found]), STATED_RUNS)


def by_hand(scenario: Scenario, runs: int, seed: int, k: int, n_min: int = 200, n_max: int = 4681) -> list[str]:
    """Return how runs end under the rules written down anew, on whole paths: Holm on current values, futility at log(k/beta).

    An oracle of the gate, which walks pair by pair; the study's n_min and n_max, planned bets, no calibrating pairs.
    """
    spec = default_file()
    specs = hypotheses(spec)
    rng, out = np.random.default_rng(seed), []
    for _ in range(runs):
        made = next(draw(scenario, spec.shadow_sampling, spec.unit.by, rng, n_max))
        each = blocks(specs, made)
        accept = [log_e_paths(s.accept, b.accept[None, :])[0] for s, b in zip(specs, each, strict=True)]
        against = [log_e_paths(s.futility, b.accept[None, :])[0] for s, b in zip(specs, each, strict=True)]
        worse = [log_e_paths(s.worse, b.worse[None, :])[0] for s, b in zip(specs, each, strict=True) if s.worse]
        dims = list(dict.fromkeys(s.dimension for s in specs))
        least = np.array([np.min([a for s, a in zip(specs, accept, strict=True) if s.dimension == d], axis=0) for d in dims])
        ranked = -np.sort(-least, axis=0)
        passed = np.asarray((ranked >= np.log(np.arange(len(dims), 0, -1) / 0.05)[:, None]).all(axis=0))
        passed[: n_min - 1] = False
        first = {
            "worse": _first(np.asarray(np.max(worse, axis=0) >= np.log(len(worse) / 0.01))),
            "promoted": _first(passed),
            "futile": _first(np.asarray(np.max(against, axis=0) >= np.log(k / 0.1))),
            "max_pairs": n_max,
        }
        out.append(min(first, key=lambda name: first[name]))
    return out


def _first(hit: np.typing.NDArray[np.bool_]) -> int:
    return int(np.argmax(hit)) if hit.any() else 2**62
