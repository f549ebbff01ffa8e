"""What pairing commits: the metadata and the book of offsets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualgate.processors.pairing.positions import MAX_METADATA_BYTES, Book, Expired, Position, decode, encode, fits, greatest
from dualgate.schemas.errors import StateError

IDS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,30}", fullmatch=True)


@given(
    offset=st.integers(0, 2**62),
    handled=st.integers(0, 2**62),
    lineage=st.text("abcXYZ019-_", max_size=24),
    expired=st.dictionaries(IDS, st.builds(Expired, st.integers(0, 2**50), st.integers(0, 2**50)), max_size=20),
)
def test_metadata_round_trip(offset: int, handled: int, lineage: str, expired: dict[str, Expired]) -> None:
    """What is committed is what a new owner reads."""
    position = Position(offset, handled, lineage, expired)
    assert decode(offset, encode(position)) == position


@pytest.mark.parametrize("metadata", [None, "", "1;5;", "2;x;;", "2;5;;m", "2;5;;m:x", "2;5;;m:1:2:3", "hello"])
def test_foreign_metadata_is_refused(metadata: str | None) -> None:
    """Metadata that pairing did not write is never guessed at."""
    with pytest.raises(StateError, match="is not pairing's"):
        decode(0, metadata)


def test_too_many_migrations_are_said_clearly() -> None:
    """What the broker would refuse is refused before, with both numbers."""
    expired = {f"migration-{i:04d}": Expired(1_700_000_000_000) for i in range(200)}
    assert not fits(expired)
    with pytest.raises(StateError, match=f"200 migrations and .* bytes > {MAX_METADATA_BYTES}"):
        encode(Position(1, 1, "", expired))


def test_greatest_t_counts() -> None:
    """T and F never fall, so of several partitions the greatest are the present ones."""
    one = Position(0, 0, "", {"a": Expired(5, 3), "b": Expired(1)})
    assert greatest([one, Position(0, 0, "", {"a": Expired(7)})]) == {"a": (7, 3), "b": (1, 0)}


@given(batches=st.lists(st.lists(st.integers(0, 500), min_size=1, max_size=5), max_size=20), bounds=st.lists(st.integers(0, 600)))
def test_no_record_at_or_above_the_bound_lies_below_the_first_offset(batches: list[list[int]], bounds: list[int]) -> None:
    """Reading again from the book's offset misses nothing whose timestamp reaches the bound, however disordered."""
    book = Book(50)
    log: list[int] = []
    for batch in batches:
        book.add(len(log), max(batch))
        log += batch
    for bound in sorted(bounds):
        first = book.first(bound)
        assert all(time < bound for time in log[:first])


def test_a_book_in_time_order_is_exact_to_a_batch() -> None:
    """Of batches in time order, the first that reaches the bound is where reading begins; none reaches: nothing is held."""
    book = Book(50)
    for offset, time in ((0, 100), (10, 200), (20, 300)):
        book.add(offset, time)
    assert [book.first(bound) for bound in (None, 100, 101, 300, 301)] == [0, 0, 10, 20, None]


def test_batches_of_one_grain_are_one_entry() -> None:
    """Many small batches take no more room than the grains of a window."""
    book = Book(50)
    for offset in range(1_000):
        book.add(offset, 100 + offset // 100)
    assert book.first(109) == 0
    assert book.first(110) is None
