"""Process settings from the environment, one prefix: ``DUALGATE_``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dualgate.schemas.errors import ConfigError

PREFIX = "DUALGATE_"
_ACCEPTED = {
    "topic_prefix": "letters, digits, '.', '_' and '-', beginning with a letter or a digit",
    "slot": "letters, digits, '.', '_' and '-'",
    "metrics": "[HOST:]PORT, such as 9465 or 0.0.0.0:9465",
}
"""What a pattern means, in words."""


class Settings(BaseModel):
    """Where the broker is, how topics are named, the times that pairing works with, and where a worker's metrics are served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap_servers: str = Field("127.0.0.1:9092", min_length=1)
    topic_prefix: str = Field("", pattern=r"^([a-zA-Z0-9][a-zA-Z0-9._-]*)?$")
    partitions: int = Field(4, ge=1, le=1024)
    window_ms: int = Field(300_000, ge=1_000)
    skew_ms: int = Field(60_000, ge=0)
    grain_ms: int = Field(250, ge=1)
    idle_ms: int = Field(30_000, ge=1_000)
    slot: str | None = Field(None, pattern=r"^[a-zA-Z0-9._-]+$")
    schema_registry_url: str | None = None
    metrics: str | None = Field(None, pattern=r"^([^\s/]+:)?[0-9]{1,5}$")

    def name(self, *parts: str) -> str:
        """Return a group, transactional or app id that carries the topic prefix."""
        return self.topic_prefix + "-".join(("dualgate", *parts))


def load_settings(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings from the environment; an override that is None leaves the environment's value.

    Raises ConfigError naming the variable, its value and what is accepted.
    """
    env = os.environ if environ is None else environ
    given: dict[str, object] = {n: env[PREFIX + n.upper()] for n in Settings.model_fields if PREFIX + n.upper() in env}
    if "SCHEMA_REGISTRY_URL" in env:
        given.setdefault("schema_registry_url", env["SCHEMA_REGISTRY_URL"])
    given |= {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        accepted = f"accepted: {_ACCEPTED[name]}" if first["type"] == "string_pattern_mismatch" else first["msg"]
        raise ConfigError(f"setting {PREFIX}{name.upper()}={first['input']!r}: {accepted}") from None
    if settings.window_ms % settings.grain_ms or settings.skew_ms % settings.grain_ms:
        raise ConfigError(
            f"settings {PREFIX}WINDOW_MS={settings.window_ms} and {PREFIX}SKEW_MS={settings.skew_ms} "
            f"must be multiples of {PREFIX}GRAIN_MS={settings.grain_ms}"
        )
    return settings


@dataclass(frozen=True, slots=True)
class PairingTimes:
    """The times of pairing in milliseconds of record time; window and skew are multiples of the grain."""

    window_ms: int
    skew_ms: int
    grain_ms: int

    @classmethod
    def of(cls, settings: Settings) -> "PairingTimes":
        """Take the times out of the process settings."""
        return cls(settings.window_ms, settings.skew_ms, settings.grain_ms)
