"""`dualgate simulate`: operating characteristics of a migration file by Monte-Carlo."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.output import Json, emit, progress, table
from dualgate.schemas.errors import ConfigError


def register(root: typer.Typer) -> None:
    """Add the verb to the root."""
    root.command()(simulate)


def simulate(
    config: Annotated[Path, typer.Option("--config", help="The migration file.")],
    scenario: Annotated[
        str, typer.Option("--scenario", help="good, design, equal, worse, null, or a name in --scenario-file.")
    ] = "good",
    scenario_file: Annotated[
        Path | None, typer.Option("--scenario-file", help="YAML with laws of pairs under `scenarios`.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", help="Simulated migrations.")] = 400,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same runs, on any number of processes.")] = 1,
    pairs: Annotated[
        int, typer.Option("--pairs", help="Sampled pairs that are there; a run without a decision is undecided.")
    ] = 12_000,
    processes: Annotated[int | None, typer.Option("--processes", help="Processes; else one a core.")] = None,
    json: Json = False,
) -> None:
    """Simulate the calibrating and shadow phases many times, and tell how often each verdict comes and after how many pairs.

    A promoted run is one that the gate lets go live. Laws of pairs (rates, bursts, drift, seasons, sessions, strata) are in
    scenario files.

    Example: `dualgate simulate --config migration.yaml --scenario design --runs 1000`
    """
    from dualgate.lab.simulate.runs import job_of, run_many, summary
    from dualgate.lab.simulate.scenario import load_scenario
    from dualgate.schemas.migration import load_migration

    for name, value in (("--runs", runs), ("--pairs", pairs), ("--processes", processes)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} {value}, accepted: at least 1")
    if seed < 0:
        raise ConfigError(f"--seed {seed}, accepted: at least 0")
    spec = load_migration(config).spec
    job = job_of(spec, load_scenario(scenario, spec, scenario_file), pairs)
    outcomes = []
    with progress() as bar:
        task = bar.add_task(f"{spec.migration}: {scenario}", total=runs)
        for outcome in run_many(job, runs, seed, processes):
            outcomes.append(outcome)
            bar.advance(task)
    policy = {"calibrating": job.policy.calibrating, "min_pairs": job.policy.min_pairs, "max_pairs": job.policy.max_pairs}
    document = {"migration": spec.migration, "scenario": scenario, "seed": seed, "phases": policy, **summary(outcomes)}
    emit(document, json, lambda console: _show(console, document))


def _show(console: Console, document: dict[str, Any]) -> None:
    phases = document["phases"]
    console.print(
        f"{document['migration']}, scenario {document['scenario']}: {document['runs']} runs, {phases['calibrating']} calibrating "
        f"pairs, then {phases['min_pairs']} to {phases['max_pairs']} counted ones"
    )
    rows = [
        (name, f"{v['fraction']:.3f}", f"{v['low']:.3f} to {v['high']:.3f}", *_pairs(document, name))
        for name, v in document["verdicts"].items()
    ]
    rows.append(("all", "", "", *_numbers(document["pairs"])))
    console.print(table(("verdict", "fraction", "95 % interval", "pairs: mean", "median", "90 % quantile"), rows))
    reasons = (f"{reason} {v['fraction']:.3f}" for reason, v in document["reasons"].items())
    console.print("reasons: " + ", ".join(reasons))


def _pairs(document: dict[str, Any], verdict: str) -> tuple[str, ...]:
    found = document["pairs_by_verdict"].get(verdict)
    return _numbers(found) if found else ("-", "-", "-")


def _numbers(pairs: dict[str, float]) -> tuple[str, ...]:
    return tuple(f"{pairs[name]:,.0f}" for name in ("mean", "median", "q90"))
