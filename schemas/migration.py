"""The migration file: its model with defaults, and reading it with errors that name key, line, value and what is accepted."""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from dualgate.schemas.dimensions import DIMENSIONS, Dimensions, Part
from dualgate.schemas.duration import DurationMs
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.limits import MIGRATION_ID_BYTES
from dualgate.schemas.scorers import Scoring
from dualgate.schemas.text import read_text
from dualgate.schemas.topics import MIGRATION_ID
from dualgate.schemas.yaml_lines import Document, read_yaml

AutoCount = Literal["auto"] | int
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MOST_OBSERVATIONS = 1_000_000_000


class Errors(Part):
    """The error bounds that the gate keeps, and the corrections it keeps them with."""

    promote: float = Field(0.05, gt=0, lt=1)
    miss: float = Field(0.10, gt=0, lt=1)
    rollback: float = Field(0.04, gt=0, lt=1)
    gate: Literal["holm", "iut", "bonferroni"] = "holm"
    alarms: Literal["holm", "simes"] = "holm"
    boundary: Literal["ville", "wald"] = "ville"

    @field_validator("gate", mode="before")
    @classmethod
    def _no_simes(cls, value: Any) -> Any:
        if value == "simes":
            raise ValueError(
                "simes only says that at least one dimension is good enough, so it would promote a challenger that fails "
                "in the others; use holm, iut or bonferroni (simes is accepted for alarms)"
            )
        return value

    @model_validator(mode="after")
    def _a_test_at_all(self) -> "Errors":
        if self.promote + self.miss >= 1:
            raise ValueError(f"promote={self.promote} and miss={self.miss} must sum to less than 1: a coin is as good a test")
        return self


class Unit(Part):
    """What counts as one observation."""

    by: Literal["query", "first", "drawn", "session"] = "query"


class Calibrating(Part):
    """Pairs that are set aside to plan with."""

    pairs: AutoCount = "auto"


class Shadow(Part):
    """Users see the incumbent only."""

    min_duration_ms: DurationMs = Field(DAY_MS, alias="min_duration")
    min_pairs: AutoCount = "auto"
    max_pairs: AutoCount = "auto"


class Canary(Part):
    """The first users on the challenger."""

    share: float = Field(0.05, gt=0, lt=1)
    observations: int = Field(2000, ge=1, le=MOST_OBSERVATIONS)
    min_duration_ms: DurationMs = Field(DAY_MS, alias="min_duration")


class Rollout(Part):
    """The steps between canary and everyone."""

    steps: tuple[float, ...] = (0.10, 0.25, 0.50)
    observations: int = Field(2000, ge=1, le=MOST_OBSERVATIONS)
    min_duration_ms: DurationMs = Field(DAY_MS, alias="min_duration")
    reset: Literal["carry", "zero", "fir"] = "carry"
    approval: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _rising(self) -> "Rollout":
        shares = (0.0, *self.steps, 1.0)
        if any(a >= b for a, b in pairwise(shares)):
            raise ValueError(f"steps={list(self.steps)} must rise, each above 0 and below 1")
        for share in self.approval:
            if share not in (*self.steps, 1.0):
                raise ValueError(f"approval={share} is not a step; accepted are {[*self.steps, 1.0]}")
        return self


class Tail(Part):
    """Everyone is on the challenger, and the watch goes on."""

    observations: int = Field(4000, ge=1, le=MOST_OBSERVATIONS)
    min_duration_ms: DurationMs = Field(DAY_MS, alias="min_duration")


class Phases(Part):
    """How long each phase lasts at least, in observations and on the evidence clock."""

    calibrating: Calibrating = Calibrating()
    shadow: Shadow = Shadow()
    canary: Canary = Canary()
    rollout: Rollout = Rollout()
    tail: Tail = Tail()

    @model_validator(mode="after")
    def _counts(self) -> "Phases":
        for name, value, least in (
            ("calibrating.pairs", self.calibrating.pairs, 0),
            ("shadow.min_pairs", self.shadow.min_pairs, 1),
            ("shadow.max_pairs", self.shadow.max_pairs, 1),
        ):
            if value != "auto" and value < least:
                raise ValueError(f"{name}={value} must be auto or a whole number from {least} on")
        if self.rollout.steps and self.canary.share >= self.rollout.steps[0]:
            raise ValueError(f"canary.share={self.canary.share} must be below the first step {self.rollout.steps[0]}")
        return self


class ErrorBudget(Part):
    """Net extra bad answers against the incumbent, as a share of a phase's planned observations."""

    correctness: float | None = Field(0.01, gt=0, lt=1)
    latency: float | None = Field(None, gt=0, lt=1)
    semantic: float | None = Field(None, gt=0, lt=1)
    safety: float | None = Field(None, gt=0, lt=1)
    on_exhausted: Literal["hold", "rollback_with_alarm"] = "hold"


class MissingData(Part):
    """What happens where evidence stays away."""

    hold_after_ms: DurationMs = Field(HOUR_MS // 2, alias="hold_after")
    retreat_after_ms: DurationMs = Field(6 * HOUR_MS, alias="retreat_after")
    coverage_floor: float = Field(0.9, ge=0, le=1)


class Cost(Part):
    """Prices for planning."""

    per_query: float = Field(0.01, ge=0)
    currency: str = "USD"
    regression_probability: float = Field(0.1, gt=0, lt=1)
    regression_impact: float = Field(5000.0, ge=0)


class MigrationSpec(Part):
    """A whole migration file with its defaults filled in."""

    migration: str = Field(pattern=rf"^{MIGRATION_ID.pattern}$", max_length=MIGRATION_ID_BYTES)
    incumbent: str = Field(min_length=1)
    challenger: str = Field(min_length=1)
    mode: Literal["live", "replay"] = "live"
    errors: Errors = Errors()
    unit: Unit = Unit()
    dimensions: Dimensions = Dimensions()
    scoring: Scoring = Scoring()
    phases: Phases = Phases()
    error_budget: ErrorBudget = ErrorBudget.model_validate({})
    missing: MissingData = MissingData()
    shadow_sampling: dict[str, float] = Field(default_factory=lambda: {"all": 1.0})
    cost: Cost = Cost()
    lease_ms: DurationMs = Field(60_000, alias="lease", ge=1_000)

    @model_validator(mode="after")
    def _whole(self) -> "MigrationSpec":
        if self.incumbent == self.challenger:
            raise ValueError(f"incumbent and challenger are both {self.incumbent!r}; they must be two versions")
        for stratum, probability in self.shadow_sampling.items():
            if not 0 < probability <= 1:
                raise ValueError(f"shadow_sampling.{stratum}={probability} must be above 0 and at most 1")
        return self

    @model_validator(mode="after")
    def _budgets_that_count(self) -> "MigrationSpec":
        """Refuse a budget that nothing could ever use up; one that the file does not give is none there."""
        given = {
            name: why for name in DIMENSIONS if getattr(self.error_budget, name) is not None and (why := self._uncounted(name))
        }
        for name in self.error_budget.model_fields_set & set(given):
            raise ValueError(
                f"error_budget.{name}={getattr(self.error_budget, name)} can never be used up: {given[name]}; accepted: null"
            )
        if given:
            object.__setattr__(self, "error_budget", self.error_budget.model_copy(update=dict.fromkeys(given)))
        return self

    def _uncounted(self, name: str) -> str:
        """Return why a dimension has no bad answers to count, nothing where it has."""
        if name not in self.dimensions.on:
            return f"dimensions.{name} is off"
        if self.unit.by == "session":
            return "unit.by=session observes means of sessions, not answers"
        if name == "latency" and self.dimensions.latency and self.dimensions.latency.measure == "relative":
            return "dimensions.latency.measure=relative compares how fast two answers are and calls none of them bad"
        if name == "correctness" and self.scoring.rater is not None:
            return "scoring.rater tells correctness with people's labels on a sample, too few to count bad answers by"
        return ""


@dataclass(frozen=True, slots=True)
class MigrationConfig:
    """A migration as it runs: the specification, the folder its paths start from, and the sha256 of each file it names."""

    spec: MigrationSpec
    base: str
    files: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the whole configuration; `from_json` reads it back."""
        return json.dumps(
            {"spec": self.spec.model_dump(mode="json", by_alias=True), "base": self.base, "files": dict(self.files)},
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> "MigrationConfig":
        """Read what `to_json` wrote; ConfigError where it is something else."""
        try:
            given = json.loads(text)
            return cls(MigrationSpec.model_validate(given["spec"]), given["base"], given["files"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(f"not a migration's configuration: {error}") from None

    @property
    def config_hash(self) -> str:
        """Return 16 hex digits over the specification and the files; the folder does not count, so machines agree."""
        spec = self.spec.model_dump(mode="json", by_alias=True)
        return hashlib.sha256(json.dumps([spec, dict(self.files)], sort_keys=True).encode()).hexdigest()[:16]

    def path(self, name: str) -> FilePath:
        """Return where a file that the specification names is."""
        return FilePath(self.base) / name


def load_migration(path: str | FilePath) -> MigrationConfig:
    """Read a migration file and hash the files it names; ConfigError names every fault, one a line."""
    file = FilePath(path)
    spec = parse_migration(read_text(file, "migration file", "YAML"), str(file))
    base = file.resolve().parent
    named = {key: name for key in ("golden", "grants") if (name := getattr(spec.scoring, key)) is not None}
    return MigrationConfig(spec, str(base), _hashes(file, {key: (name, base / name) for key, name in named.items()}))


def _hashes(origin: FilePath, named: dict[str, tuple[str, FilePath]]) -> dict[str, str]:
    """Return the sha256 of each file that a migration file names; ConfigError tells each that cannot be read, and its key."""
    found, faults = {}, []
    for key, (name, path) in named.items():
        try:
            found[name] = sha256_of(path)
        except ConfigError as error:
            faults.append(f"{origin}: scoring.{key} names a {error}; paths start at the migration file's folder")
    if faults:
        raise ConfigError("\n".join(faults))
    return found


def parse_migration(text: str, origin: str = "migration file") -> MigrationSpec:
    """Read the text of a migration file; ConfigError names every fault, one a line."""
    document = read_yaml(text, origin)
    if not isinstance(document.value, dict):
        raise ConfigError(f"{origin}:1: a migration file is a mapping that begins with migration, incumbent and challenger")
    try:
        return MigrationSpec.model_validate(document.value)
    except ValidationError as error:
        faults = sorted((_fault(origin, document, e) for e in error.errors()), key=lambda fault: fault[0])
        raise ConfigError("\n".join(words for _, words in faults)) from None


def sha256_of(path: FilePath) -> str:
    """Return the sha256 of a file in hex; ConfigError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"file {path}: {error.strerror or error}") from None


def _fault(origin: str, document: Document, error: Any) -> tuple[int, str]:
    """Return one fault as its line and ``file:line: key: what is wrong and what is accepted``."""
    path = tuple(part for part in error["loc"] if part == 0 or _in_document(document.value, error["loc"], part))
    line, name = document.line(path or _told(error["msg"])), ".".join(map(str, path))
    return line, f"{origin}:{line}: {_complaint(path, name, error)}"


def _told(message: str) -> tuple[str, ...]:
    """Return the path of the key with which a complaint about the whole file begins; the empty one where it names none."""
    key, given, _ = message.removeprefix("Value error, ").partition("=")
    return tuple(key.split(".")) if given and " " not in key else ()


def _complaint(path: tuple[Any, ...], name: str, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        accepted = list(accepted_keys(MigrationSpec, path[:-1]))
        near = difflib.get_close_matches(str(path[-1]), accepted, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"{name} is not a key here{hint}; accepted are {', '.join(accepted)}"
    if error["type"] == "missing":
        return f"{'.'.join(map(str, error['loc']))} is missing; a migration file names migration, incumbent and challenger"
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")
    given = "" if isinstance(error["input"], dict | BaseModel) else f"={error['input']!r}"
    return f"{name or 'migration file'}{given}: {message}"


def _in_document(value: Any, loc: tuple[Any, ...], part: Any) -> bool:
    """Tell whether a part of pydantic's location is a place in the file and not the name of a union's branch."""
    return isinstance(part, int) or any(part == p for p in _walked(value, loc))


def _walked(value: Any, loc: tuple[Any, ...]) -> Iterator[Any]:
    for part in loc:
        if isinstance(value, dict) and part in value:
            value = value[part]
            yield part


def accepted_keys(model: Any, path: tuple[Any, ...]) -> Iterator[str]:
    """Yield the keys that a model accepts at a path; below a mapping any name leads to what is in it."""
    of_any_name = False
    for part in path:
        if of_any_name:
            of_any_name = False
            continue
        fields = getattr(model, "model_fields", {})
        found = next((f for n, f in fields.items() if part in (n, f.alias)), None)
        model = _model_of(found.annotation) if found else None
        of_any_name = getattr(found and found.annotation, "__origin__", None) is dict
    for name, info in getattr(model, "model_fields", {}).items():
        yield info.alias or name


def _model_of(annotation: Any) -> Any:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
