"""The grants file is read whole, and every fault names its place."""

from pathlib import Path

import pytest

from dualgate.schemas.errors import ConfigError
from dualgate.schemas.grants import RowFilter, load_grants, parse_grants

FILE = """
callers:
  account-7:
    tables:
      Campaigns: "*"
      accounts: [account_id, Name]
    row_filter:
      campaigns: {column: account_id, value: 7}
  analyst: {tables: "*"}
"""


def test_a_caller_reads_the_tables_and_columns_of_its_grant_only() -> None:
    """A table outside the grant, or a column outside the table's list, may not be read; names have no case."""
    grant = parse_grants(FILE)["account-7"]
    assert grant.may_read("campaigns", "anything")
    assert grant.may_read("ACCOUNTS", "name")
    assert not grant.may_read("accounts", "email")
    assert not grant.may_read_table("spend")
    assert not grant.may_read("spend", "amount")


def test_a_row_filter_belongs_to_its_table() -> None:
    """Only tables that are listed carry a filter."""
    grant = parse_grants(FILE)["account-7"]
    assert grant.filter_of("Campaigns") == RowFilter("account_id", 7)
    assert grant.filter_of("accounts") is None


def test_a_star_stands_for_everything() -> None:
    """A caller whose tables are a star reads every column of every table, with no filter."""
    grant = parse_grants(FILE)["analyst"]
    assert grant.may_read("spend", "amount")
    assert grant.filter_of("spend") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("caller: {}", "g:1: caller is not a key here; accepted are callers"),
        ("callers:\n  a: {tables: 5}", "g:2: callers.a.tables is 5"),
        ("callers:\n  a: {}", "g:2: callers.a lacks tables"),
        ("callers:\n  a:\n    tables: {t: c}", "g:3: callers.a.tables.t is 'c'; it must be a list of column names"),
        ("callers:\n  a:\n    tables: '*'\n    row_filter: {t: {column: x}}", "g:4: callers.a.row_filter.t is {'column': 'x'}"),
        ("callers:\n  a:\n    tables: {Ads: '*', ads: [id]}", "g:3: callers.a.tables.ads is given twice"),
        (
            "callers:\n  a:\n    tables: '*'\n    row_filter: {T: {column: x, value: 1}, t: {column: x, value: 2}}",
            "g:4: callers.a.row_filter.t is given twice; names are compared without regard to case",
        ),
        ("callers: [", "g:1: not YAML"),
        ("", "g:1: the file is None"),
    ],
)
def test_a_fault_names_file_line_key_and_what_is_accepted(text: str, words: str) -> None:
    """Every fault is a ConfigError that leads to its place."""
    with pytest.raises(ConfigError) as caught:
        parse_grants(text, "g")
    assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is a ConfigError with its path."""
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load_grants(tmp_path / "none.yaml")
