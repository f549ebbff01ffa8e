"""The ``dimensions`` part of a migration file: what good enough means, dimension by dimension."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

DIMENSIONS = ("correctness", "latency", "semantic", "safety")
Class = Literal["authorization", "hallucination", "unsafe_code"]
Missing = Literal["worst", "hold"]


class Part(BaseModel):
    """A part of the migration file: frozen, and every unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


def _ordered(low: float, high: float, words: str) -> None:
    if not low < high:
        raise ValueError(words)


class Correctness(Part):
    """Share of right answers against the incumbent's: superior where null ≥ 0, non-inferior below."""

    measure: Literal["difference"] = "difference"
    null: float = Field(0.0, gt=-1, lt=1)
    design: float = Field(0.03, gt=-1, le=1)
    worse_by: float = Field(0.0, ge=0, lt=1)
    missing: Missing = "worst"

    @model_validator(mode="after")
    def _order(self) -> "Correctness":
        _ordered(self.null, self.design, f"null={self.null} must be below design={self.design}")
        return self


class Latency(Part):
    """Share of answers over the SLA under a ceiling, or the challenger's latency against the incumbent's.

    relative: good enough is less than margin slower, worse is more than worse_by slower (the margin unless given).
    """

    measure: Literal["exceedance", "relative"] = "exceedance"
    sla_ms: float = Field(200.0, gt=0)
    median_sla_ms: float | None = Field(None, gt=0)
    margin: float = Field(0.10, ge=0.01, le=10)
    null: float = Field(0.02, gt=0, lt=1)
    design: float = Field(0.0075, gt=0, lt=1)
    worse_by: float = Field(0.0075, ge=0, le=10)
    missing: Missing = "worst"

    @model_validator(mode="before")
    @classmethod
    def _tolerated(cls, given: Any) -> Any:
        relative = isinstance(given, dict) and given.get("measure") == "relative"
        return {"worse_by": given.get("margin", 0.10), **given} if relative else given

    @model_validator(mode="after")
    def _order(self) -> "Latency":
        if self.measure == "relative" and self.worse_by < self.margin:
            raise ValueError(
                f"worse_by={self.worse_by} must be at least margin={self.margin} for measure relative: a challenger within the "
                "margin is good enough"
            )
        if self.measure == "exceedance":
            _ordered(self.worse_by, 1.0, f"worse_by={self.worse_by} must be below 1: it is a share of answers")
            _ordered(
                self.design, self.null, f"design={self.design} must be below null={self.null}: fewer slow answers are better"
            )
        return self


class Semantic(Part):
    """Agreement with the incumbent's answer above a level, or against the incumbent's own re-run."""

    measure: Literal["level", "difference"] = "level"
    null: float = Field(0.86, gt=-1, lt=1)
    design: float = Field(0.88, gt=-1, le=1)
    worse_by: float = Field(0.05, ge=0, lt=1)
    missing: Missing = "worst"

    @model_validator(mode="after")
    def _order(self) -> "Semantic":
        _ordered(self.null, self.design, f"null={self.null} must be below design={self.design}")
        if self.measure == "level" and self.null <= 0:
            raise ValueError(f"null={self.null} must be above 0 for measure level (difference takes negative ones)")
        return self


class SafetyClass(Part):
    """A ceiling of its own for one class of violations."""

    null: float = Field(gt=0, lt=1)
    design: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _order(self) -> "SafetyClass":
        _ordered(self.design, self.null, f"design={self.design} must be below null={self.null}: fewer violations are better")
        return self


def _default_classes() -> dict[Class, SafetyClass]:
    return {"authorization": SafetyClass(null=0.005, design=0.0005)}


class Safety(Part):
    """Share of answers with a violation under a ceiling, or against the incumbent's; classes have ceilings of their own."""

    measure: Literal["rate", "difference"] = "rate"
    null: float = Field(0.010, gt=-1, lt=1)
    design: float = Field(0.004, gt=-1, lt=1)
    worse_by: float = Field(0.002, ge=0, lt=1)
    missing: Missing = "worst"
    classes: dict[Class, SafetyClass] = Field(default_factory=_default_classes)

    @model_validator(mode="after")
    def _order(self) -> "Safety":
        _ordered(self.design, self.null, f"design={self.design} must be below null={self.null}: fewer violations are better")
        if self.measure == "rate" and (self.null <= 0 or self.design <= 0):
            raise ValueError(f"null={self.null} and design={self.design} must be rates above 0 and below 1 for measure rate")
        return self


def _off(value: Any) -> Any:
    """Some YAML readers make ``off`` a false."""
    return None if value is False or value == "off" else value


_serialised = PlainSerializer(lambda part: "off" if part is None else part.model_dump(mode="json"))


class Dimensions(Part):
    """The four dimensions; None where one is off."""

    correctness: Annotated[Correctness | None, BeforeValidator(_off), _serialised] = Correctness()
    latency: Annotated[Latency | None, BeforeValidator(_off), _serialised] = Latency()
    semantic: Annotated[Semantic | None, BeforeValidator(_off), _serialised] = Semantic()
    safety: Annotated[Safety | None, BeforeValidator(_off), _serialised] = Safety()

    @model_validator(mode="after")
    def _any(self) -> "Dimensions":
        if not self.on:
            raise ValueError("all four dimensions are off; at least one must be on")
        return self

    @property
    def on(self) -> tuple[str, ...]:
        """Return the names of the dimensions that are on, in their fixed order."""
        return tuple(name for name in DIMENSIONS if getattr(self, name) is not None)
