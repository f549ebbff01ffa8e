"""One JSON document, also where numbers are not JSON's."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from dualgate.cli.output import emit, json_text, say, table


@dataclass(frozen=True, slots=True)
class Row:
    """A record as verbs print them."""

    name: str
    value: float


def test_numbers_that_json_does_not_have_become_null() -> None:
    """NaN and infinities are null: every JSON reader takes the document."""
    assert json.loads(json_text({"a": math.nan, "b": -math.inf, "c": 1.5})) == {"a": None, "b": None, "c": 1.5}


def test_records_arrays_and_numpy_numbers_are_plain() -> None:
    """What the folds return is printed without being taken apart first."""
    document = {"rows": [Row("x", 0.5)], "array": np.array([1, 2]), "flag": np.bool_(True), 3: {"b", "a"}}
    assert json.loads(json_text(document)) == {
        "rows": [{"name": "x", "value": 0.5}],
        "array": [1, 2],
        "flag": True,
        "3": ["a", "b"],
    }


def test_json_goes_to_stdout_and_remarks_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json nothing but the document is on stdout, and square brackets in remarks are not markup."""
    say("reading [bold]topic[/bold]")
    emit({"a": 1}, True, lambda console: console.print("words"))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": 1}
    assert captured.err == "reading [bold]topic[/bold]\n"


def test_without_json_the_words_are_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """For people there is a table, an absent value a dash."""
    emit({}, False, lambda console: console.print(table(("topic", "is"), [("pairs", None)])))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["topic", "is"], ["pairs", "-"]]
