"""The report as one self-contained HTML page that opens with no network."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import plotly.offline

from dualgate.schemas.dimensions import DIMENSIONS
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import DecisionRecord, DimensionEvidence
from dualgate.sinks.report.figures import estimate_figure, evidence_figure, phases_figure
from dualgate.sinks.report.guards import assignment_words, budget_rows, check_rows, monitor_words, strata_rows
from dualgate.sinks.report.story import Story
from dualgate.sinks.report.summary import coverage, covered, verdict_of
from dualgate.sinks.report.words import Measure, measure_of, move_words, sentence, told, unit_words

TONES = {
    "completed": "good",
    "promoted": "good",
    "rejected": "bad",
    "rolled_back": "bad",
    "aborted": "bad",
    "inconclusive": "open",
    "undecided": "open",
    "accepted": "good",
    "worse": "bad",
    "missing": "bad",
    "off": "bad",
}
COVERAGE_WARNING = 0.9


def write_report(story: Story, path: Path) -> None:
    """Write the page in one step; ConfigError where the place cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(render(story), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"report {path}: {error.strerror or error}") from None


def render(story: Story) -> str:
    """Return the page."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    verdict = verdict_of(story.phase)
    return environment.get_template("report.html.j2").render(
        spec=story.config.spec,
        config_hash=story.config.config_hash,
        verdict=verdict.replace("_", " "),
        tone=TONES[verdict],
        sentence=sentence(story),
        tiles=list(_tiles(story)),
        unit=unit_words(story.config.spec),
        warnings=list(_warnings(story)),
        notes=story.notes,
        dimensions=[_dimension(story, name) for name in DIMENSIONS],
        phases=phases_figure(story),
        decisions=[_decision(made) for made in story.decisions if made.kind != "renewal"],
        budgets=budget_rows(story.snapshots),
        guards=_guards(story),
        strata=strata_rows(story.snapshots),
        checks=_checks(story),
        operators=[_command(made) for made in story.commands],
        routers=_routers(story),
        counters=_counters(story),
        scorers=_scorers(story),
        plotlyjs=plotly.offline.get_plotlyjs(),
    )


def _tiles(story: Story) -> Iterator[tuple[str, str]]:
    decision, whole = story.decision, coverage(story)
    units = "pairs" if story.config.spec.unit.by == "query" else "units"
    yield (
        f"{units} until the decision" if decision else f"{units} so far",
        f"{decision.n_pairs if decision else story.seen_pairs:,}",
    )
    yield "pairs in the log", f"{story.total_pairs:,}"
    yield "coverage (the least)", "-" if whole is None else f"{whole:.1%}"
    yield "ends in", story.phase if story.epoch < 2 else f"{story.phase} (epoch {story.epoch})"
    clocks = [s.evidence_clock_ms for s in story.snapshots if s.evidence_clock_ms is not None]
    if clocks:
        yield "evidence spans", f"{(max(clocks) - min(clocks)) / 86_400_000:.1f} days"


def _routers(story: Story) -> list[tuple[str, str]]:
    """Return how far the routers followed when they were last told of; nothing where nobody routed, as in a backtest."""
    told = [s.routers for s in story.snapshots if s.routers is not None]
    if not told or not (told[-1].following or told[-1].silent or told[-1].n_behind):
        return []
    last = told[-1]
    rows = [("follow the last command", f"{last.following}"), ("silent beyond their lease", f"{last.silent}")]
    rows += [(f"{each.router_id} does not follow", f"obeys {each.epoch}/{each.sequence}") for each in last.behind]
    return [*rows, ("rolling back", "yes: a router has not let go of the challenger")] if last.rolling_back else rows


def _warnings(story: Story) -> Iterator[str]:
    """Yield what a reader must not overlook: what was not measured, or not enough of it."""
    on = story.config.spec.dimensions.on
    for name in DIMENSIONS:
        evidence = story.evidence.get(name)
        if name not in on:
            yield f"{name} is off: this verdict says nothing about it."
        elif evidence is None or evidence.n == 0:
            yield f"{name} has no data at all: absence of evidence is not a pass."
        elif (part := covered(evidence)) is not None and part < COVERAGE_WARNING:
            yield f"{name} was scored on only {part:.1%} of the pairs where it could be ({evidence.n_missing:,} missing)."
    if not story.snapshots:
        yield "No evidence snapshot is in the log: the plots are empty."


def _dimension(story: Story, name: str) -> dict[str, Any]:
    measure, evidence = measure_of(story.config.spec, name), story.evidence.get(name)
    if measure is None:
        return {"title": name.capitalize(), "status": "off", "tone": "bad", "rows": [], "off": True}
    if evidence is None:
        return {"title": measure.title, "status": "missing", "tone": "bad", "rows": [], "words": measure.words}
    return {
        "title": measure.title,
        "words": measure.words,
        "status": evidence.status,
        "tone": TONES.get(evidence.status, "open"),
        "rows": list(_rows(measure, evidence)),
        "cells": _cells(measure, evidence),
        "evidence": evidence_figure(story, name),
        "estimate": estimate_figure(story, name, measure),
    }


def _rows(measure: Measure, evidence: DimensionEvidence) -> Iterator[tuple[str, str]]:
    yield "estimate", told(measure, evidence)
    for name in measure.marks:
        yield ("boundary" if name == "null" else "plan"), measure.mark(name)
    yield "good enough", f"log e {evidence.log_e:.2f}, boundary {evidence.threshold:.2f}"
    yield "futile", f"log e {evidence.log_e_futility:.2f}, boundary {evidence.futility_threshold:.2f}"
    yield "worse", f"log e {evidence.log_e_worse:.2f}, boundary {evidence.worse_threshold:.2f}"
    yield "anytime p-value", f"{evidence.p_value:.2g}"
    missing = f"{evidence.n_missing:,} missing, {evidence.n_not_eligible:,} not eligible"
    yield "units", f"{evidence.n:,} scored, {missing}"


def _cells(measure: Measure, evidence: DimensionEvidence) -> list[str]:
    part, decided = covered(evidence), evidence.pairs_to_decision
    return [
        told(measure, evidence),
        f"{evidence.log_e:.2f} / {evidence.threshold:.2f}",
        f"{evidence.p_value:.2g}",
        f"{evidence.n:,}",
        "-" if part is None else f"{part:.1%}",
        "-" if decided is None else f"{decided:,}",
    ]


def _decision(made: DecisionRecord) -> dict[str, Any]:
    command = made.routing_command
    at = made.evidence_clock_ms
    return {
        "sequence": "" if made.sequence is None else made.sequence,
        "kind": made.kind,
        "at": "" if at is None else datetime.fromtimestamp(at / 1e3, UTC).strftime("%Y-%m-%d %H:%M"),
        "pairs": f"{made.n_pairs:,}",
        "move": move_words(made.from_phase, made.to_phase, made.rule),
        "share": "" if command is None else f"{command.live_share:.0%}",
        "reason": made.reason,
        "who": made.actor or "gate",
        "where": f"{made.ledger_partition}/{made.ledger_offset}" + ("" if made.ledger_row is None else f"/{made.ledger_row}"),
    }


def _guards(story: Story) -> list[tuple[str, str]]:
    """Return the monitors as they last stood, or why a dimension has none."""
    told = next((shot.monitors for shot in reversed(story.snapshots) if shot.monitors), {})
    return [(name, monitor_words(each)) for name, each in told.items()]


def _checks(story: Story) -> list[tuple[str, str, str]]:
    """Return the checks of each phase, and why there is none of the assignment."""
    absent = assignment_words(story.config.spec.mode, story.snapshots)
    return check_rows(story.snapshots) + ([("", "assignment", absent)] if absent else [])


def _command(made: DecisionRecord) -> tuple[str, str, int, str, str]:
    """Return when who gave which command in which epoch, and what came of it."""
    when = datetime.fromtimestamp(made.ledger_clock_ms / 1e3, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return when, made.actor or "", made.epoch, f"{made.rule} {made.outcome or ''}", made.reason


def _counters(story: Story) -> list[tuple[str, str]]:
    latest = story.latest
    return [] if latest is None else [(name.replace("_", " "), f"{n:,}") for name, n in sorted(latest.counters.items())]


def _scorers(story: Story) -> dict[str, str]:
    return story.decisions[-1].scorer_versions if story.decisions else {}
