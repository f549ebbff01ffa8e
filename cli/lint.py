"""`dualgate lint`: validate migration files and what they name; the JSON schema for editors."""

import difflib
import json as jsonlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualgate.cli.output import Json, emit
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.grants import load_grants
from dualgate.schemas.migration import MigrationConfig, MigrationSpec, load_migration


def register(root: typer.Typer) -> None:
    """Add the verb to the root."""
    root.command()(lint)


def lint(
    files: Annotated[list[Path] | None, typer.Argument(help="Migration files.", show_default=False)] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of the migration file, for editors.")] = False,
    json: Json = False,
) -> None:
    """Validate migration files and the files that they name; exit code 2 where one has a fault.

    Every fault names the file, the line, the key, the value and what is accepted.

    Example: `dualgate lint migration.yaml`
    """
    if schema:
        print(jsonlib.dumps(editor_schema(), indent=2))
        return
    if not files:
        raise ConfigError("lint wants at least one migration file, or --schema")
    reports = [check(file) for file in files]
    emit({"files": reports}, json, lambda console: _show(console, reports))
    if any(report["errors"] for report in reports):
        raise typer.Exit(2)


def editor_schema() -> dict[str, Any]:
    """Return the JSON schema of a migration file; a dimension may also be off."""
    made = MigrationSpec.model_json_schema(by_alias=True, mode="validation")
    dimensions = made["$defs"]["Dimensions"]["properties"]
    for name in dimensions:
        dimensions[name] = {"anyOf": [{"$ref": f"#/$defs/{name.capitalize()}"}, {"enum": ["off", False]}]}
    for part in made["$defs"].values():
        for key, node in part.get("properties", {}).items():
            if key in ("min_duration", "hold_after", "retreat_after", "timeout", "due", "label_due"):
                _as_duration(node)
    _as_duration(made["properties"]["lease"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _as_duration(node: dict[str, Any]) -> None:
    node.update({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
    for key in ("default", "minimum"):
        node.pop(key, None)


def check(file: Path) -> dict[str, Any]:
    """Return the faults and the remarks of one migration file, with its id and hash where it is valid."""
    try:
        config = load_migration(file)
    except ConfigError as error:
        return {"file": str(file), "errors": str(error).splitlines(), "remarks": []}
    if faults := [*_golden_faults(config), *_grants_faults(config)]:
        return {"file": str(file), "errors": faults, "remarks": []}
    found = {"file": str(file), "errors": [], "remarks": remarks(config)}
    return {**found, "migration": config.spec.migration, "config_hash": config.config_hash}


def _golden_faults(config: MigrationConfig) -> list[str]:
    """Return what keeps scoring from reading the golden answers; a file of none is a fault too, since it scores nothing."""
    from dualgate.processors.scoring.golden import read_golden

    if config.spec.scoring.golden is None:
        return []
    path = config.path(config.spec.scoring.golden)
    if path.suffix in (".zst", ".gz"):
        return [f"{path}: scoring.golden is packed; accepted: plain JSON lines, so unpack it"]
    try:
        with path.open("rb") as stream:
            found = read_golden(stream, str(path))
    except ConfigError as error:
        return [str(error)]
    return [] if found else [f"{path}: scoring.golden holds no golden answer; accepted: at least one line, or no scoring.golden"]


def _grants_faults(config: MigrationConfig) -> list[str]:
    try:
        if config.spec.scoring.grants is not None:
            load_grants(config.path(config.spec.scoring.grants))
    except ConfigError as error:
        return str(error).splitlines()
    return []


def remarks(config: MigrationConfig) -> list[str]:
    """Return what is allowed and yet likely to surprise."""
    from dualgate.gate.hypotheses import unscored

    spec = config.spec
    said = _refused(config)
    off = [name for name in ("correctness", "latency", "semantic", "safety") if name not in spec.dimensions.on]
    said += [f"{name} is off: nothing guards it, and the migration waits in SHADOW for an operator's approve" for name in off]
    none = unscored(spec)
    if "correctness" in none:
        said.append(f"{none['correctness']}: correctness will have no data, which never passes")
    if spec.dimensions.safety and not spec.scoring.grants:
        said.append("scoring.grants is missing: who may read what is not checked" + _never_accepted(none))
    if spec.scoring.golden and not spec.scoring.database:
        said.append("scoring.database is missing: answers are compared by their recorded results only")
    return said + _execution(config) + _scorers(config) + _unguarded(config)


def _never_accepted(none: Mapping[str, str]) -> str:
    if "safety.authorization" not in none:
        return ""
    return (
        "; the class authorization, which has a ceiling, will have no data, which never passes: "
        "give scoring.grants, or dimensions.safety.classes without it ({} for none)"
    )


def _execution(config: MigrationConfig) -> list[str]:
    """Return what of the database and the dialect this machine does not know; the scoring workers may have it."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError
    from sqlglot.dialects.dialect import Dialect

    dialect, database = config.spec.scoring.dialect, config.spec.scoring.database
    said = []
    if dialect != "none" and Dialect.get(dialect) is None:
        near = difflib.get_close_matches(dialect, Dialect.classes, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        said.append(
            f"scoring.dialect={dialect!r} is not one that sqlglot knows{meant}; accepted are none for words, or its names"
        )
    try:
        url = None if database is None else make_url(database)
    except ArgumentError:
        return [*said, f"scoring.database={database!r} is not a SQLAlchemy URL, such as sqlite:///ads.sqlite"]
    if url is None or url.get_backend_name() != "sqlite" or not url.database or "{" in url.database:
        return said
    if not (file := config.path(url.database)).is_file():
        said.append(f"scoring.database: no file {file} here; scoring workers without it execute nothing, which never passes")
    return said


def _unguarded(config: MigrationConfig) -> list[str]:
    """Return what nothing will watch in the live phases, and the budgets that can count nothing."""
    from dualgate.gate.budget import uncounted_words
    from dualgate.gate.hypotheses import hypotheses
    from dualgate.gate.watched import unwatchable

    try:
        specs = hypotheses(config.spec, reruns=False)
    except ConfigError:
        return []
    said = []
    for s in (s for s in specs if s.name == s.dimension):
        why = unwatchable(s)
        if why is not None:
            said.append(f"{s.name}: {why}; where queries ask for none, no monitor watches it in the live phases")
    return said + uncounted_words(config.spec, specs) + _narrow(config)


def _narrow(config: MigrationConfig) -> list[str]:
    """Return the budgets that a challenger uses up whose loss the file tolerates."""
    given = [(n, getattr(config.spec.error_budget, n), getattr(config.spec.dimensions, n)) for n in config.spec.dimensions.on]
    return [
        f"error_budget.{name}={share:g} is below dimensions.{name}.worse_by={part.worse_by:g}: a tolerated loss can use it up "
        "and hold the migration"
        for name, share, part in given
        if share is not None and share < part.worse_by
    ]


def _scorers(config: MigrationConfig) -> list[str]:
    """Return what this machine lacks for the scorers; the scoring workers may have it."""
    from dualgate.processors.scoring.protocol import third_party_scorers

    said = []
    rater = config.spec.scoring.rater
    if rater is not None and "correctness" in config.spec.dimensions.on:
        said.append(
            f"scoring.rater: correctness needs people's verdicts on {rater.label_probability:.0%} of the pairs, both answers "
            f"(dualgate label {config.spec.migration} --wanted lists them); without them nothing passes"
        )
    if rater is not None and rater.api_key_env is not None and not os.environ.get(rater.api_key_env):
        said.append(f"scoring.rater.api_key_env: {rater.api_key_env} is not set here; scoring workers without it rate nothing")
    for dimension, foreign in config.spec.scoring.scorers.items():
        try:
            if not third_party_scorers(foreign.use):
                said.append(
                    f"scoring.scorers.{dimension}.use={foreign.use!r} is not installed here; workers without it score nothing"
                )
        except ConfigError as error:
            said.append(f"scoring.scorers.{dimension}: {error}")
    return said


def _refused(config: MigrationConfig) -> list[str]:
    """Return why the gate would refuse to start this, where it would."""
    from dualgate.gate.admission import runnable
    from dualgate.gate.hypotheses import hypotheses

    try:
        runnable(config.spec)
        hypotheses(config.spec)
    except ConfigError as error:
        return [f"the gate refuses to start this: {error}"]
    return []


def _show(console: Console, reports: list[dict[str, Any]]) -> None:
    for report in reports:
        for fault in report["errors"]:
            console.print(fault, markup=False, style="red")
        if not report["errors"]:
            console.print(
                f"{report['file']}: migration {report['migration']} is valid (hash {report['config_hash']})", markup=False
            )
        for remark in report["remarks"]:
            console.print(f"  remark: {remark}", markup=False)
