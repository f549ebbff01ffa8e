"""Comparison of results: what makes two of them the same."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest

from dualgate.processors.scoring.comparison import result_digest, same_result


def test_rows_are_a_multiset_unless_the_reference_orders() -> None:
    """Order counts only where it is asked for; a doubled row always counts."""
    assert same_result([(1,), (2,)], [(2,), (1,)], ordered=False)
    assert not same_result([(1,), (2,)], [(2,), (1,)], ordered=True)
    assert not same_result([(1,), (1,), (2,)], [(1,), (2,), (2,)], ordered=False)


def test_columns_may_stand_in_any_order_but_rows_must_hold_together() -> None:
    """A permutation of columns is the same result; columns sorted each by themselves are not."""
    reference = [(1, "x", 2), (2, "y", 1)]
    assert same_result(reference, [("x", 2, 1), ("y", 1, 2)], ordered=True)
    assert same_result(reference, [("y", 2, 1), ("x", 1, 2)], ordered=False)
    assert not same_result([(1, "x"), (2, "y")], [(1, "y"), (2, "x")], ordered=False)
    assert not same_result([(1, 2)], [(1, 2, 2)], ordered=False)


def test_many_alike_columns_are_matched_by_search() -> None:
    """Columns with the same values are told apart by the rows they form."""
    reference = [(0, 1, 0, 1), (1, 0, 1, 0), (0, 0, 1, 1)]
    shuffled = [(row[2], row[3], row[0], row[1]) for row in reversed(reference)]
    assert same_result(reference, shuffled, ordered=False)
    assert not same_result([(0, 0, 1), (1, 1, 0)], [(0, 1, 0), (1, 0, 0)], ordered=False)
    assert not same_result([(0, 0), (1, 1)], [(0, 1), (1, 0)], ordered=False)


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        (0.1 + 0.2, 0.3, True),
        (1e15, 1e15 + 0.125, True),
        (1.0, 1, True),
        (Decimal("2.50"), 2.5, True),
        (True, 1, True),
        (10_000_000_001, 10_000_000_002, False),
        (33.33, 100 / 3, False),
        (None, 0, False),
        (None, "", False),
        (None, None, True),
        ("5", 5, False),
        ("A", "a", False),
        (dt.date(2024, 5, 1), "2024-05-01", True),
        ("2024-05-01 00:00:00", "2024-05-01", True),
        ("2024-05-01T10:30:00", "2024-05-01 10:30:00", True),
        (dt.datetime(2024, 5, 1, 10, 30), "2024-05-01 10:30:00", True),
        (dt.datetime(2024, 5, 1, 10, 30), "2024-05-01", False),
        (dt.datetime(2024, 5, 1, 10, 30, tzinfo=dt.UTC), "2024-05-01T10:30:00Z", True),
        ("2024-05-01 10:30:00+02:00", "2024-05-01T08:30Z", True),
        ("2024-05-01 10:30:00+02:00", "2024-05-01 10:30:00+03:00", False),
        ("2024-05-01 10:30:00", "2024-05-01T10:30", True),
        ("2024-05-01 10:30:00.5", "2024-05-01T10:30:00.500000", True),
        ("2024-05-01 10:30:00.5", "2024-05-01 10:30:00", False),
        ("2024-05-01 00:00:00.25", "2024-05-01", False),
        ("2024-99-99T10:30:00Z", "2024-99-99T10:30:00Z", True),
        (Decimal(2**53 + 1), 2**53 + 1, True),
        (Decimal(2**53 + 1), 2**53, False),
        (Decimal(2**53 + 1), Decimal(2**53), False),
        (1.5, Decimal("1e400"), False),
        (Decimal("1e400"), Decimal("1e400"), True),
        (UUID(int=7), str(UUID(int=7)), True),
        ({"a": 1, "b": [1, 2]}, {"b": [1.0, 2], "a": 1}, True),
        ([1, 2], [2, 1], False),
        (b"ab", "ab", False),
        (float("nan"), float("nan"), True),
        (float("inf"), float("inf"), True),
    ],
)
def test_cells_are_equal_by_what_they_say(reference: object, answer: object, same: bool) -> None:
    """Numbers have a tolerance, whole ones none; dates count by what they say; NULL equals only NULL."""
    assert same_result([(reference, "k")], [(answer, "k")], ordered=False) is same


def test_the_tolerance_has_no_rounding_boundary() -> None:
    """Neighbours on both sides of any rounding boundary are equal, in every row of a multiset."""
    values = [round(0.5 + i / 7, 9) for i in range(50)]
    moved = [value * (1 + 2e-10) for value in reversed(values)]
    assert same_result([(v, 1) for v in values], [(v, 1) for v in moved], ordered=False)


def test_a_number_between_two_whole_ones_makes_them_not_one() -> None:
    """Within the tolerance of both stands a fraction, such as seconds since 1970; whole numbers stay exact all the same."""
    assert not same_result([(1_700_000_000, 1_700_000_000.5)], [(1_700_000_001, 1_700_000_000.5)], ordered=False)
    assert same_result([(1_700_000_000, 1_700_000_000.5)], [(1_700_000_000, 1_700_000_000.6)], ordered=False)


def test_empty_results_are_the_same_whatever_their_columns() -> None:
    """No row is no row; one that is missing is noticed."""
    assert same_result([], [], ordered=True)
    assert not same_result([], [(None,)], ordered=False)


def test_equal_digests_need_the_same_rows() -> None:
    """A digest ignores the order of rows unless it is asked for, and nothing else."""
    assert result_digest([(1, "a"), (2.0, None)]) == result_digest([(2, None), (1, "a")])
    assert result_digest([(1,), (2,)], ordered=True) != result_digest([(2,), (1,)], ordered=True)
    assert result_digest([(1, "a")]) != result_digest([(1, "b")])
