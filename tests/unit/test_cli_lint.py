"""`dualgate lint` finds faults before anything starts."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from dualgate.cli.lint import editor_schema
from dualgate.cli.main import main
from dualgate.schemas.migration import MigrationConfig, load_migration

GOOD = "migration: m\nincumbent: a:1\nchallenger: a:2\n"


def _lint(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["lint", *arguments])
    return int(end.value.code or 0)


def test_a_valid_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file is said to be valid, with what is allowed and yet surprising; exit code 0."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + "dimensions: {semantic: off}\n", encoding="utf-8")
    assert _lint(str(file), "--json") == 0
    report = json.loads(capsys.readouterr().out)["files"][0]
    assert (report["migration"], report["errors"]) == ("m", [])
    assert any("semantic is off" in remark for remark in report["remarks"])


def test_what_the_gate_would_refuse_is_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is valid and yet cannot be started says so before anybody starts it."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + "unit: {by: session}\n", encoding="utf-8")
    assert _lint(str(file)) == 0
    assert "the gate refuses to start this: unit.by=session" in capsys.readouterr().out


def test_a_budget_that_may_count_nothing_is_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that has no effect unless queries ask for it is told with its value and what is accepted."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + "error_budget: {semantic: 0.02}\n", encoding="utf-8")
    assert _lint(str(file)) == 0
    told = capsys.readouterr().out
    assert (
        "error_budget.semantic=0.02 counts only where queries ask the incumbent twice; accepted where they do not: null" in told
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dimensions: {safety: off}\nerror_budget:\n  safety: 0.02\n", "dimensions.safety is off"),
        ("dimensions: {correctness: off}\nerror_budget:\n  correctness: 0.01\n", "dimensions.correctness is off"),
        ("dimensions: {latency: {measure: relative}}\nerror_budget:\n  latency: 0.03\n", "measure=relative"),
        ("unit: {by: session}\nerror_budget:\n  correctness: 0.03\n", "unit.by=session"),
    ],
)
def test_a_budget_that_can_never_count_is_a_fault(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would look like a guard and be none; the fault names line, key, value and what is accepted."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + text, encoding="utf-8")
    assert _lint(str(file)) == 2
    told = " ".join(capsys.readouterr().out.split())
    assert "m.yaml:6: migration file: error_budget." in told
    assert "can never be used up" in told
    assert words in told
    assert told.endswith("accepted: null")


def test_a_budget_below_what_is_tolerated_is_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both numbers are told: such a budget holds a challenger that the file calls good enough."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + "error_budget: {latency: 0.005}\n", encoding="utf-8")
    assert _lint(str(file)) == 0
    assert "error_budget.latency=0.005 is below dimensions.latency.worse_by=0.0075" in " ".join(capsys.readouterr().out.split())


def test_a_budget_that_the_file_does_not_give_is_none_where_a_dimension_is_off(tmp_path: Path) -> None:
    """The default budget of correctness is no fault of a file that has it off."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + "dimensions: {correctness: off}\n", encoding="utf-8")
    config = load_migration(file)
    assert config.spec.error_budget.correctness is None
    assert MigrationConfig.from_json(config.to_json()).config_hash == config.config_hash


def test_a_fault_is_told_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One bad file among good ones is enough; its faults are named."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD, encoding="utf-8")
    bad.write_text(GOOD + "dimensions: {safty: off}\n", encoding="utf-8")
    assert _lint(str(good), str(bad)) == 2
    assert "bad.yaml:4: dimensions.safty is not a key here (did you mean safety?)" in capsys.readouterr().out


def test_a_bad_grants_file_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the file names is read too."""
    (tmp_path / "g.yaml").write_text("callers: 7\n", encoding="utf-8")
    (tmp_path / "m.yaml").write_text(GOOD + "scoring: {grants: g.yaml}\n", encoding="utf-8")
    assert _lint(str(tmp_path / "m.yaml")) == 2
    assert "g.yaml" in capsys.readouterr().out


def test_every_file_that_is_missing_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever mends the first should not have to ask for the second."""
    (tmp_path / "m.yaml").write_text(GOOD + "scoring: {golden: g.jsonl, grants: g.yaml}\n", encoding="utf-8")
    assert _lint(str(tmp_path / "m.yaml")) == 2
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" names a file ")[0].split(": ")[1] for line in told] == ["scoring.golden", "scoring.grants"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("g.jsonl", b"", "g.jsonl: scoring.golden holds no golden answer; accepted: at least one line, or no scoring.golden"),
        ("g.jsonl", b"\n{}\n", "g.jsonl:2: golden_id=None must be a string"),
        ("g.jsonl.zst", b"garbage", "g.jsonl.zst: scoring.golden is packed; accepted: plain JSON lines"),
    ],
)
def test_golden_answers_that_scoring_cannot_read_are_a_fault(
    name: str, content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would leave correctness without data for the whole migration, in silence."""
    (tmp_path / name).write_bytes(content)
    (tmp_path / "m.yaml").write_text(GOOD + f"scoring: {{golden: {name}}}\n", encoding="utf-8")
    assert _lint(str(tmp_path / "m.yaml")) == 2
    assert words in capsys.readouterr().out


def test_a_file_that_is_no_text_is_told_without_a_codec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive given for a migration file is named, with what is accepted."""
    (tmp_path / "m.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    assert _lint(str(tmp_path / "m.zst")) == 2
    assert "m.zst: byte 1 is no text in UTF-8; accepted: YAML" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["/nonexistent/m.yaml"]])
def test_nothing_to_lint(arguments: list[str]) -> None:
    """No file, or one that is not there, is bad input."""
    assert _lint(*arguments) == 2


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (GOOD, True),
        (GOOD + "dimensions: {latency: 'off', correctness: {'null': 0.0, design: 0.05}}\nlease: 90s\n", True),
        (GOOD + "phases: {shadow: {min_duration: 24h, min_pairs: auto}}\n", True),
        (GOOD + "scoring: {rater: {url: 'http://h/v1', model: m, timeout: 5s, due: 2m, label_due: 3d}}\n", True),
        (GOOD + "scoring: {rater: {url: 'http://h/v1', model: m, label_due: 3}}\n", False),
        (GOOD + "phases: {shadow: {min_duration: 24}}\n", False),
        (GOOD + "dimensions: {latncy: 'off'}\n", False),
        (GOOD + "errors: {gate: simes}\n", False),
        ("migration: m\n", False),
    ],
)
def test_editor_schema(text: str, valid: bool) -> None:
    """An editor with the JSON schema accepts what lint accepts."""
    validator = jsonschema.Draft202012Validator(editor_schema())
    assert validator.is_valid(yaml.safe_load(text)) is valid


def test_a_rater_is_said_to_need_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with a rater is valid, and lint says what share of the pairs people label and how they are found."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + "scoring: {rater: {url: 'http://h/v1', model: m, label_probability: 0.25}}\n", encoding="utf-8")
    assert _lint(str(file)) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "correctness needs people's verdicts on 25% of the pairs" in told
    assert "refuses" not in told


@pytest.mark.parametrize(
    ("scoring", "words"),
    [
        ("{database: 'sqlite:///none.sqlite'}", "scoring.database: no file {folder}/none.sqlite here"),
        ("{database: 'none.sqlite'}", "scoring.database='none.sqlite' is not a SQLAlchemy URL"),
        ("{dialect: sqlitee}", "scoring.dialect='sqlitee' is not one that sqlglot knows (did you mean sqlite?)"),
        ("{}", "the class authorization, which has a ceiling, will have no data, which never passes: give scoring.grants"),
    ],
)
def test_what_would_leave_a_dimension_without_data_is_remarked(
    scoring: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file by which scoring will score nothing is told with its value before anybody waits for pairs."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + f"scoring: {scoring}\n", encoding="utf-8")
    assert _lint(str(file), "--json") == 0
    remarks = json.loads(capsys.readouterr().out)["files"][0]["remarks"]
    assert any(words.replace("{folder}", str(tmp_path)) in remark for remark in remarks), remarks


def test_without_a_ceiling_for_authorization_no_grants_are_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no class has a ceiling, missing grants leave no dimension without data, and lint does not say so."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + "dimensions: {safety: {classes: {}}}\n", encoding="utf-8")
    assert _lint(str(file)) == 0
    assert "never passes: give" not in " ".join(capsys.readouterr().out.split())
