"""`dualgate simulate`: operating characteristics of a migration file by Monte-Carlo."""

from dataclasses import asdict
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
    runs: Annotated[int, typer.Option("--runs", min=1, help="Simulated migrations.")] = 400,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The same seed gives the same runs, on any number of processes.")
    ] = 1,
    pairs: Annotated[
        int | None,
        typer.Option(
            "--pairs",
            min=1,
            help="Sampled pairs that are there, else as many as it takes. Where they run out a run is undecided, or promoted "
            "if the shadow phase had accepted.",
        ),
    ] = None,
    pairs_per_hour: Annotated[
        float | None, typer.Option("--pairs-per-hour", help="Sampled pairs an hour; with it the file's minimum durations bind.")
    ] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Processes; else one a core.")] = None,
    json: Json = False,
) -> None:
    """Simulate the whole life of a migration many times, and tell how often each verdict comes and after how many pairs.

    Calibrating, shadow, canary, rollout and tail by the rules and monitors of the gate; approvals are given at once. Laws of
    pairs (rates, correlation, bursts, drift, season, sessions, strata) are in scenario files: docs/guide/scenarios.md.

    Example: `dualgate simulate --config migration.yaml --scenario design --runs 1000`
    """
    from dualgate.lab.simulate.runs import job_of, run_many, summary
    from dualgate.lab.simulate.scenario import load_scenario
    from dualgate.schemas.migration import load_migration

    if pairs_per_hour is not None and not 0 < pairs_per_hour < float("inf"):
        raise ConfigError(f"--pairs-per-hour {pairs_per_hour:g}, accepted: a number above 0")
    spec = load_migration(config).spec
    law = load_scenario(scenario, spec, scenario_file)
    job, outcomes = job_of(spec, law, pairs, live=True, pairs_per_hour=pairs_per_hour), []
    with progress() as bar:
        task = bar.add_task(f"{spec.migration}: {scenario}", total=runs)
        for outcome in run_many(job, runs, seed, processes):
            outcomes.append(outcome)
            bar.advance(task)
    plan = asdict(job.state.plan)
    document = {"migration": spec.migration, "scenario": scenario, "seed": seed, "phases": plan, **summary(outcomes)}
    emit(document, json, lambda console: _show(console, document))


def _show(console: Console, document: dict[str, Any]) -> None:
    phases = document["phases"]
    console.print(
        f"{document['migration']}, scenario {document['scenario']}: {document['runs']} runs, {phases['calibrating']} calibrating "
        f"pairs, then {phases['min_pairs']} to {phases['max_pairs']} counted ones"
    )
    rows = [
        (name.replace("_", " "), *_fraction(v), *_numbers(document["pairs_by_verdict"].get(name, {})))
        for name, v in document["verdicts"].items()
        if v["n"] or name != "aborted"
    ]
    rows.append(("all", "", "", *_numbers(document["pairs"])))
    accepted = document["accepted"]
    rows.append(("accepted in shadow", *_fraction(accepted), *_numbers(document["pairs_to_acceptance"] or {})))
    console.print(table(("verdict", "fraction", "95 % interval", "pairs: mean", "median", "90 % quantile"), rows))
    reasons = (f"{reason} ({v['fraction']:.3f})" for reason, v in document["reasons"].items())
    console.print("reasons: " + ", ".join(reasons))


def _fraction(found: dict[str, float]) -> tuple[str, str]:
    return f"{found['fraction']:.3f}", f"{found['low']:.3f} to {found['high']:.3f}"


def _numbers(pairs: dict[str, float]) -> tuple[str, ...]:
    return tuple(f"{pairs[name]:,.0f}" if pairs else "-" for name in ("mean", "median", "q90"))
