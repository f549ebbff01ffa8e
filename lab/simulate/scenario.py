"""What a simulated pair is like: rates of both arms, how they hang together, and how they change with time."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from dualgate.schemas.dimensions import Part
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationSpec, accepted_keys
from dualgate.schemas.text import read_text
from dualgate.schemas.yaml_lines import read_yaml

SCENARIOS = ("good", "design", "equal", "worse", "null")


class Binary(Part):
    """Rates of one outcome in both arms; discordance is P(the arms differ), independent arms unless given."""

    incumbent: float = Field(ge=0, le=1)
    challenger: float = Field(ge=0, le=1)
    discordance: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="after")
    def _possible(self) -> "Binary":
        a, b, d = self.incumbent, self.challenger, self.discordance
        if d is not None and not abs(a - b) <= d <= min(a + b, 2 - a - b):
            raise ValueError(
                f"discordance={d} is impossible with rates {a} and {b}: {abs(a - b):.6g} to {min(a + b, 2 - a - b):.6g}"
            )
        return self


class Scores(Part):
    """Means of the semantic scores where both are correct; agreement is the correlation of the arms' latent scores."""

    incumbent: float = Field(0.91, gt=0, lt=1)
    challenger: float = Field(0.88, gt=0, lt=1)
    sd: float = Field(0.2, gt=0, lt=0.5)
    agreement: float = Field(0.5, ge=0, lt=1)


class Bursts(Part):
    """Times when the challenger's violations come in bursts: rate inside, share of time, mean length in pairs."""

    share: float = Field(gt=0, lt=1)
    mean_length: float = Field(gt=1)
    rate: float = Field(gt=0, le=1)


class Drift(Part):
    """A change of the challenger's correctness by `by`, from pair `after` on, over `over` pairs (0: at once)."""

    by: float = Field(gt=-1, lt=1)
    after: int = Field(0, ge=0)
    over: int = Field(0, ge=0)


class Season(Part):
    """A swing of both arms' correctness by +- amplitude with a period in pairs."""

    amplitude: float = Field(gt=0, lt=1)
    period: int = Field(gt=1)


class Sessions(Part):
    """Sessions of geometric size; agreement is the correlation of latent outcomes within one."""

    mean_size: float = Field(ge=1)
    agreement: float = Field(0.5, ge=0, le=1)


class Stratum(Part):
    """A share of traffic, and by how much the challenger's correctness differs in it."""

    share: float = Field(gt=0, le=1)
    shift: float = Field(0.0, gt=-1, lt=1)


class Scenario(Part):
    """A law of pairs."""

    correctness: Binary = Binary(incumbent=0.842, challenger=0.896, discordance=0.15)
    slow: Binary = Binary(incumbent=0.0075, challenger=0.0075)
    semantic: Scores = Scores()
    violation: Binary = Binary(incumbent=0.004, challenger=0.003)
    classes: dict[str, float] = Field(default_factory=lambda: {"authorization": 0.0002})
    correlation: float = Field(0.0, ge=0, lt=1, description="of the challenger's latent outcomes across dimensions")
    bursts: Bursts | None = None
    drift: Drift | None = None
    season: Season | None = None
    sessions: Sessions | None = None
    strata: dict[str, Stratum] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> "Scenario":
        for name, rate in self.classes.items():
            if not 0 <= rate <= max(self.violation.challenger, 1e-12):
                raise ValueError(
                    f"classes.{name}={rate} must be at most the challenger's violation rate {self.violation.challenger}"
                )
        if self.strata and abs(sum(s.share for s in self.strata.values()) - 1) > 1e-6:
            raise ValueError("the shares of strata must sum to 1")
        return self


def built_in(name: str, spec: MigrationSpec) -> Scenario:
    """Return a scenario by name: good (the published study's challenger), equal, worse (4 points fewer correct), design, null.

    design and null put the challenger exactly on the file's design or null in every dimension. ConfigError for another name.
    """
    match name:
        case "good":
            return Scenario()
        case "equal":
            return _equal()
        case "worse":
            return Scenario(
                correctness=Binary(incumbent=0.842, challenger=0.802, discordance=0.15),
                violation=Binary(incumbent=0.004, challenger=0.004),
            )
        case "design" | "null":
            return _at(name, spec)
    raise ConfigError(f"scenario {name!r} is not known; accepted: {', '.join(SCENARIOS)}, or a name in --scenario-file")


def _equal() -> Scenario:
    return Scenario(
        correctness=Binary(incumbent=0.842, challenger=0.842, discordance=0.15),
        semantic=Scores(challenger=0.91),
        violation=Binary(incumbent=0.004, challenger=0.004),
    )


def _at(name: str, spec: MigrationSpec) -> Scenario:
    """Return the scenario at the design or the null of each dimension that is on, good elsewhere."""
    dims, good = spec.dimensions, Scenario()
    given: dict[str, Any] = {}
    if dims.correctness:
        gain = getattr(dims.correctness, name)
        challenger = min(0.999, max(0.001, 0.842 + gain))
        incumbent = challenger - gain
        discordance = min(max(0.15, 1.5 * abs(gain)), incumbent + challenger, 2 - incumbent - challenger)  # what rates allow
        given["correctness"] = Binary(incumbent=incumbent, challenger=challenger, discordance=discordance)
    if dims.latency and dims.latency.measure == "exceedance":
        given["slow"] = Binary(incumbent=0.0075, challenger=getattr(dims.latency, name))
    if dims.semantic:
        level = getattr(dims.semantic, name) + (0.91 if dims.semantic.measure == "difference" else 0.0)
        given["semantic"] = Scores(challenger=level)
    if dims.safety:
        rate = getattr(dims.safety, name) + (0.004 if dims.safety.measure == "difference" else 0.0)
        given["violation"] = Binary(incumbent=0.004, challenger=rate)
        given["classes"] = {k: min(getattr(c, name), rate) for k, c in dims.safety.classes.items()}
    return good.model_copy(update=given)


def load_scenario(name: str, spec: MigrationSpec, file: Path | None) -> Scenario:
    """Return a named scenario, from the file's `scenarios` where it is there, else a built-in one.

    ConfigError names the file, the line and the key of whatever is wrong in it.
    """
    if file is None:
        return built_in(name, spec)
    document = read_yaml(read_text(file, "scenario file", "YAML"), str(file))
    known = document.value.get("scenarios") if isinstance(document.value, dict) else None
    if not isinstance(known, dict):
        raise ConfigError(f"{file}:1: a scenario file is a mapping with the key scenarios")
    if name not in known:
        if name in SCENARIOS:
            return built_in(name, spec)
        accepted = dict.fromkeys([*map(str, known), *SCENARIOS])
        raise ConfigError(f"{file}: scenario {name!r} is not there; accepted: {', '.join(accepted)}")
    try:
        return Scenario.model_validate(known[name])
    except ValidationError as error:
        faults = [(document.line(("scenarios", name, *fault["loc"])), fault) for fault in error.errors()]
        told = [f"{file}:{line}: {_complaint(name, fault)}" for line, fault in sorted(faults, key=lambda item: item[0])]
        raise ConfigError("\n".join(told)) from None


def _complaint(name: str, fault: Any) -> str:
    """Return a fault as its key, the value that was given, and what is wrong or accepted."""
    key = ".".join(map(str, ("scenarios", name, *fault["loc"])))
    given = "" if isinstance(fault["input"], dict) else f"={fault['input']!r}"
    if fault["type"] == "extra_forbidden":
        return f"{key}{given} is not a key here; accepted are {', '.join(accepted_keys(Scenario, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"{key} is missing"
    return f"{key}{given}: {fault['msg'].removeprefix('Value error, ').replace('Input should', 'must')}"
