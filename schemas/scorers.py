"""The ``scoring`` part of a migration file: where the truth and the rules come from, and who rates what has no golden answer.

.. code-block:: yaml

    scoring:
      rater:
        url: https://models.example.org/v1   # an endpoint that speaks OpenAI's chat completions
        model: judge-large
        version: "2026-10"                   # raise it whenever the model behind the name may have changed
        api_key_env: JUDGE_KEY               # the environment variable of the scoring workers that holds the key
        label_probability: 0.1               # share of the rated pairs that people are asked to label
        labels_waiting: 500                  # pairs that may wait for labels; while so many do, further pairs are not taken
        label_due: 3d                        # a label that is not there by then holds the migration until it comes
      scorers:
        semantic: {use: acme}                # an entry point of the group dualgate.scorers instead of the built-in scorer
"""

import re
from typing import Literal

from pydantic import Field, field_validator

from dualgate.schemas.dimensions import Part
from dualgate.schemas.duration import DurationMs

_URL = re.compile(r"https?://[^\s/@]+(/\S*)?")


class Rater(Part):
    """An automated rater of correctness, for pairs without a golden answer; people label a sample beside it."""

    url: str
    model: str = Field(min_length=1, max_length=200)
    version: str = Field("1", min_length=1, max_length=100)
    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    timeout_ms: DurationMs = Field(30_000, alias="timeout", ge=100)
    due_ms: DurationMs = Field(120_000, alias="due", ge=1_000)
    retries: int = Field(4, ge=0, le=20)
    concurrency: int = Field(8, ge=1, le=256)
    label_probability: float = Field(0.1, ge=0.04, le=1)
    labels_waiting: int = Field(500, ge=1, le=2_000)
    label_due_ms: DurationMs = Field(3 * 86_400_000, alias="label_due", ge=1_000)
    input_price: float = Field(0.0, ge=0)
    output_price: float = Field(0.0, ge=0)
    cache: str | None = None

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if not _URL.fullmatch(value):
            raise ValueError("must be an http or https address without a user, such as https://models.example.org/v1")
        return value

    @field_validator("label_probability")
    @classmethod
    def _thousandths(cls, value: float) -> float:
        return round(value, 3)


class ThirdParty(Part):
    """A scorer that an installed distribution offers; it runs in a process of its own, within time and memory."""

    use: str = Field(min_length=1)
    timeout_ms: DurationMs = Field(30_000, alias="timeout", ge=100)
    memory_mb: int = Field(1024, ge=64)


class Scoring(Part):
    """Where the truth and the rules come from; paths are relative to the migration file."""

    dialect: str = "sqlite"
    database: str | None = None
    golden: str | None = None
    grants: str | None = None
    rater: Rater | None = None
    scorers: dict[Literal["correctness", "latency", "semantic", "safety"], ThirdParty] = Field(default_factory=dict)
