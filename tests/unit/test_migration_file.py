"""The migration file: every default of the interface, and every fault named with its line, value and what is accepted."""

from pathlib import Path

import pytest

from dualgate.schemas.duration import format_duration, parse_duration
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.migration import MigrationConfig, load_migration, parse_migration

HEAD = "migration: m\nincumbent: a:1\nchallenger: a:2\n"


def test_three_keys_are_enough() -> None:
    """Everything but the names has a default, that of the interface."""
    spec = parse_migration(HEAD)
    assert spec.mode == "live"
    assert (spec.errors.promote, spec.errors.miss, spec.errors.rollback, spec.errors.gate) == (0.05, 0.10, 0.04, "holm")
    assert spec.dimensions.on == ("correctness", "latency", "semantic", "safety")
    assert spec.dimensions.safety is not None
    assert spec.dimensions.safety.classes["authorization"].null == 0.005
    assert spec.phases.rollout.steps == (0.10, 0.25, 0.50)
    assert (spec.phases.canary.share, spec.phases.tail.observations, spec.lease_ms) == (0.05, 4000, 60_000)
    assert spec.missing.retreat_after_ms == 6 * 3_600_000


@pytest.mark.parametrize("off", ["off", "false", "'off'"])
def test_a_dimension_may_be_off(off: str) -> None:
    """Off is off, whether or not a YAML reader makes a boolean of it."""
    spec = parse_migration(HEAD + f"dimensions:\n  latency: {off}\n")
    assert spec.dimensions.latency is None
    assert spec.dimensions.on == ("correctness", "semantic", "safety")


def test_null_is_a_key() -> None:
    """The key ``null`` is a word, although a YAML value null is nothing."""
    spec = parse_migration(HEAD + "dimensions:\n  correctness: {null: -0.02, design: 0.0}\n")
    assert spec.dimensions.correctness is not None
    assert spec.dimensions.correctness.null == -0.02


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "f.yaml:1: a migration file is a mapping"),
        ("migration: m\n", "incumbent is missing"),
        (HEAD + "challenger: b\n", "f.yaml:4: challenger is given twice (first in line 3)"),
        (HEAD + "a: [\n", "not YAML"),
        ("migration: M 1\nincumbent: a\nchallenger: b\n", "f.yaml:1: migration='M 1': must match pattern"),
        ("migration: m\nincumbent: a\nchallenger: a\n", "incumbent and challenger are both 'a'"),
        (
            HEAD + "dimensions:\n  corectness: {null: 0}\n",
            "f.yaml:5: dimensions.corectness is not a key here (did you mean correctness?); "
            "accepted are correctness, latency, semantic, safety",
        ),
        (HEAD + "errors: {gate: simes}\n", "f.yaml:4: errors.gate='simes': simes only says that at least one"),
        (HEAD + "errors: {gate: fisher}\n", "errors.gate='fisher': must be 'holm', 'iut' or 'bonferroni'"),
        (HEAD + "errors: {promote: 1.5}\n", "errors.promote=1.5: must be less than 1"),
        (HEAD + "errors: {promote: .nan}\n", "errors.promote"),
        (HEAD + "scoring: {rater: gpt}\n", "f.yaml:4: scoring.rater='gpt': must be a valid dictionary"),
        (HEAD + "scoring:\n  rater: {url: 'http://h/v1'}\n", "scoring.rater.model is missing"),
        (HEAD + "scoring:\n  rater: {url: h, model: m}\n", "f.yaml:5: scoring.rater.url='h': must be an http or https address"),
        (
            HEAD + "scoring:\n  rater: {url: 'https://user:pw@h/v1', model: m}\n",
            "must be an http or https address without a user",
        ),
        (
            HEAD + "scoring:\n  rater:\n    url: http://h/v1\n    model: m\n    api_key: sk-1\n",
            "f.yaml:8: scoring.rater.api_key is not a key here (did you mean api_key_env?)",
        ),
        (
            HEAD + "scoring:\n  rater: {url: 'http://h', model: m, label_probability: 0}\n",
            "scoring.rater.label_probability=0: must be greater than or equal to 0.04",
        ),
        (
            HEAD + "scoring:\n  rater: {url: 'http://h', model: m}\nerror_budget: {correctness: 0.01}\n",
            "error_budget.correctness=0.01 can never be used up: scoring.rater tells correctness with people's labels",
        ),
        (HEAD + "scoring:\n  rater: {url: 'http://h', model: m, concurrency: 0}\n", "scoring.rater.concurrency=0"),
        (HEAD + "scoring:\n  rater: {url: 'http://h', model: m, timeout: 5}\n", "scoring.rater.timeout=5: a duration is"),
        (HEAD + "scoring: {scorers: {speed: {use: a}}}\n", "must be 'correctness', 'latency', 'semantic' or 'safety'"),
        (HEAD + "scoring: {scorers: {semantic: {}}}\n", "scoring.scorers.semantic.use is missing"),
        (
            HEAD + "dimensions:\n  latency:\n    sla_ms: fast\n",
            "f.yaml:6: dimensions.latency.sla_ms='fast': must be a valid number",
        ),
        (HEAD + "dimensions:\n  latency: {design: 0.03}\n", "design=0.03 must be below null=0.02"),
        (HEAD + "errors: {promote: 0.5, miss: 0.5}\n", "promote=0.5 and miss=0.5 must sum to less than 1"),
        (HEAD + "dimensions:\n  latency: {design: 0}\n", "f.yaml:5: dimensions.latency.design=0: must be greater than 0"),
        (HEAD + "dimensions:\n  safety: {design: 0}\n", "must be rates above 0"),
        (HEAD + "dimensions:\n  correctness: {null: 0.03}\n", "null=0.03 must be below design=0.03"),
        (HEAD + "dimensions: {correctness: off, latency: off, semantic: off, safety: off}\n", "all four dimensions are off"),
        (
            HEAD + "phases:\n  canary: {min_duration: 24}\n",
            "phases.canary.min_duration=24: a duration is a whole number with a unit",
        ),
        (HEAD + "phases:\n  rollout: {steps: [0.5, 0.2]}\n", "steps=[0.5, 0.2] must rise"),
        (HEAD + "phases:\n  rollout: {approval: [0.3]}\n", "approval=0.3 is not a step"),
        (HEAD + "phases:\n  canary: {share: 0.2}\n", "canary.share=0.2 must be below the first step 0.1"),
        (HEAD + "phases:\n  shadow: {min_pairs: many}\n", "phases.shadow.min_pairs='many': must be"),
        (HEAD + "shadow_sampling: {all: 0}\n", "shadow_sampling.all=0.0 must be above 0"),
        (HEAD + "lease: 10ms\n", "lease"),
        (HEAD + "unit: query\n", "unit='query': must be a"),
    ],
)
def test_faults_are_named(text: str, fault: str) -> None:
    """A fault is told with the file, the line, the key, the value and what is accepted."""
    with pytest.raises(ConfigError) as error:
        parse_migration(text, "f.yaml")
    assert fault in str(error.value)
    assert str(error.value).startswith("f.yaml:")


def test_all_faults_at_once() -> None:
    """Two faults are two lines, in the order of the file."""
    with pytest.raises(ConfigError) as error:
        parse_migration(HEAD + "errors: {promote: 2}\nunits: {}\n", "f.yaml")
    first, second = str(error.value).splitlines()
    assert first.startswith("f.yaml:4: errors.promote=2")
    assert second.startswith("f.yaml:5: units is not a key here (did you mean unit?)")


def test_the_configuration_travels_whole(tmp_path: Path) -> None:
    """What the ledger carries is the file with its defaults; reading it back gives the same hash on any machine."""
    (tmp_path / "golden.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / "m.yaml").write_text(
        HEAD + "scoring: {golden: golden.jsonl}\nphases: {shadow: {min_duration: 36h}}\n", encoding="utf-8"
    )
    config = load_migration(tmp_path / "m.yaml")
    again = MigrationConfig.from_json(config.to_json())
    assert again == config
    moved = MigrationConfig(config.spec, "/elsewhere", config.files)
    assert moved.config_hash == config.config_hash
    (tmp_path / "golden.jsonl").write_text("{ }\n", encoding="utf-8")
    assert load_migration(tmp_path / "m.yaml").config_hash != config.config_hash


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Both the migration file itself and a file that it names."""
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load_migration(tmp_path / "none.yaml")
    (tmp_path / "m.yaml").write_text(HEAD + "scoring: {golden: gone.jsonl}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"m\.yaml: scoring\.golden names a file .*gone\.jsonl: No such file"):
        load_migration(tmp_path / "m.yaml")


def test_not_a_configuration() -> None:
    """Anything else than what `to_json` wrote is refused."""
    for text in ("", "{}", '{"spec": {}, "base": "", "files": {}}', "[]"):
        with pytest.raises(ConfigError, match="not a migration's configuration"):
            MigrationConfig.from_json(text)


@pytest.mark.parametrize(
    ("text", "ms"), [("90s", 90_000), ("30m", 1_800_000), ("24h", 86_400_000), ("7d", 604_800_000), ("5ms", 5)]
)
def test_durations(text: str, ms: int) -> None:
    """A duration is read in its unit and written to a text of the same length of time."""
    assert parse_duration(text) == ms
    assert parse_duration(format_duration(ms)) == ms
