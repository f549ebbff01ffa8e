"""`dualgate lint` finds faults before anything starts."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from dualgate.cli.lint import editor_schema
from dualgate.cli.main import main

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


def test_what_is_not_applied_is_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that has no effect yet is not passed over in silence."""
    file = tmp_path / "m.yaml"
    file.write_text(GOOD + "error_budget: {semantic: 0.02}\n", encoding="utf-8")
    assert _lint(str(file)) == 0
    assert "error_budget.semantic: no paired difference counts its bad answers" in capsys.readouterr().out


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
