"""The file of golden answers: what a line may say, and that every fault names its place."""

import pytest

from dualgate.processors.scoring.golden import read_golden
from dualgate.schemas.errors import ConfigError


def test_a_line_is_a_query_a_result_or_a_refusal() -> None:
    """Empty lines are passed over; the order of rows counts where the line says so, and is left open where it says nothing."""
    lines = [
        '{"golden_id": "a", "sql": "SELECT 1"}',
        "",
        '{"golden_id": "b", "result": {"columns": ["n"], "rows": [[1], [2]]}, "ordered": true}',
        '{"golden_id": "c", "refuse": true}',
    ]
    found = read_golden(lines, "g")
    assert (found["a"].sql, found["a"].ordered, found["a"].refuse) == ("SELECT 1", None, False)
    assert found["b"].reference is not None
    assert (list(found["b"].reference.rows), found["b"].ordered) == ([[1], [2]], True)
    assert found["c"].refuse


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "g:2: not JSON"),
        ("[1]", "g:2: a line is an object with golden_id"),
        ('{"golden_id": 5, "sql": "x"}', "g:2: golden_id=5 must be a string"),
        ('{"golden_id": "a"}', "g:2: golden_id='a' has neither sql nor result nor refuse"),
        ('{"golden_id": "a", "sql": 5}', "g:2: sql=5 must be a query"),
        ('{"golden_id": "a", "sql": " "}', "g:2: sql=' ' must be a query"),
        ('{"golden_id": "a", "sql": "x", "ordered": "false"}', "g:2: ordered='false' must be true or false"),
        ('{"golden_id": "a", "refuse": "no"}', "g:2: refuse='no' must be true or false"),
        ('{"golden_id": "a", "sql": "x", "refuse": true}', "g:2: golden_id='a' has an answer and says that it must be refused"),
        ('{"golden_id": "a", "result": {"rows": [[1], [1, 2]]}}', "g:2: result must be"),
        ('{"golden_id": "a", "result": {"rows": [[1]], "truncated": true}}', "g:2: result is truncated"),
        ('{"golden_id": "first", "sql": "x"}', "g:2: golden_id='first' is given twice"),
    ],
)
def test_a_fault_names_its_line_and_what_is_accepted(line: str, words: str) -> None:
    """A word that only looks like a truth value is none: "no" would make every answer wrong."""
    with pytest.raises(ConfigError) as caught:
        read_golden(['{"golden_id": "first", "sql": "SELECT 1"}', line], "g")
    assert words in str(caught.value)
