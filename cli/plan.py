"""`dualgate plan`: expected pairs, time, cost and thresholds of a migration before it starts."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.output import Json, emit, progress, table
from dualgate.schemas.errors import ConfigError


def register(root: typer.Typer) -> None:
    """Add the verb to the root."""
    root.command()(plan)


def plan(
    file: Annotated[Path, typer.Argument(help="The migration file.", show_default=False)],
    queries_per_hour: Annotated[
        float | None, typer.Option("--queries-per-hour", help="Traffic; with it, time and the share worth mirroring are told.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Simulated migrations a scenario, for the chance to promote.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same numbers.")] = 1,
    json: Json = False,
) -> None:
    """Tell what a migration will need: pairs, time, cost, thresholds, and its chance to promote by simulation.

    Pairs are sampled ones. The chance is that of a challenger exactly on the design in every dimension, and that of one as good
    as the published study's, where every dimension is scored; what the file gives nothing to score by is told before it.

    Example: `dualgate plan migration.yaml --queries-per-hour 300`
    """
    from dualgate.lab.simulate.planning import plan_document
    from dualgate.lab.simulate.runs import job_of, run_many
    from dualgate.lab.simulate.scenario import built_in
    from dualgate.schemas.migration import load_migration

    if queries_per_hour is not None and not 0 < queries_per_hour < float("inf"):
        raise ConfigError(f"--queries-per-hour {queries_per_hour:g}, accepted: a number above 0")
    spec = load_migration(file).spec
    simulated = {}
    with progress() as bar:
        for name in ("design", "good"):
            job = job_of(spec, built_in(name, spec), None)
            task, outcomes = bar.add_task(f"simulating {name}", total=runs), []
            for outcome in run_many(job, runs, seed):
                outcomes.append(outcome)
                bar.advance(task)
            simulated[name] = outcomes
    document = plan_document(spec, job, queries_per_hour, simulated)
    emit(document, json, lambda console: _show(console, document))


def _show(console: Console, document: dict[str, Any]) -> None:
    pairs, cost = document["pairs"], document["cost"]
    expected = pairs["expected"]
    console.print(f"[bold]{document['migration']}[/bold]")
    console.print(
        f"pairs: {pairs['calibrating']} calibrating, then {pairs['min_pairs']:,} to {pairs['max_pairs']:,}; a challenger on its "
        f"design is decided after {expected['median']:,.0f} (median), {expected['q90']:,.0f} (nine in ten)"
    )
    for name, why in document["unscored"].items():
        console.print(
            f"{name} will have no data, since {why}: no challenger passes. The numbers here are for a file that gives it",
            style="bold",
            markup=False,
        )
    for name, chance in document["promote"].items():
        console.print(f"chance to promote, {name}: {chance['fraction']:.3f} ({chance['low']:.3f} to {chance['high']:.3f})")
    if document["time_hours"]:
        hours = document["time_hours"]
        console.print(f"time: {hours['median']:,.1f} h (median), at most {hours['at_most']:,.1f} h")
    console.print(f"cost: {cost['expected']:,.2f} {cost['currency']} expected, at most {cost['at_most']:,.2f}")
    if labels := document["labels"]:
        steps = ", ".join(f"{name} {n:,}" for name, n in labels["live"].items())
        console.print(
            f"pairs that people label (both answers): {labels['median']:,} (median), at most {labels['at_most']:,}; then {steps}"
        )
    if document["suggested_shadow_share"] is not None:
        console.print(f"share of queries worth mirroring: {document['suggested_shadow_share']:.3f}")
    rows = [
        (
            h["name"],
            h["null"],
            h["design"],
            f"{h['n_fixed']:,}",
            f"{h['wald_n_h1']:,.0f}",
            f"{h['n_mixture']:,}",
            f"{h['pairs']:,}",
        )
        for h in document["hypotheses"]
    ]
    columns = ("hypothesis", "null", "design", "fixed test", "Wald bound", "mixture", "in pairs")
    console.print(
        "observations of each hypothesis; mixture: enough with probability 1 - miss, and in pairs where not all observe it"
    )
    console.print(table(columns, rows))
    live = [
        (p["phase"], f"{p['share']:g}", f"{p['observations']:,}", ", ".join(f"{d} {n:g}" for d, n in p["bad_answers"].items()))
        for p in document["live"]
    ]
    console.print(table(("live phase", "share", "observations", "extra bad answers allowed"), live))
    for name, why in document["unwatched"].items():
        console.print(f"no monitor can watch {name}: {why}", markup=False)
    limits = document["thresholds"]
    ranks = ", ".join(f"{t:.3f}" for t in limits["accept_by_rank"])
    console.print(f"thresholds (log e): accept {ranks}; futility {limits['futility']:.3f}; worse {limits['worse']:.3f}")
