"""Partitions take turns: archives are scored nearly in the order of their queries, and nothing waits for ever or is lost."""

import random

import pytest

from dualgate.processors.scoring.fold import Raw
from dualgate.processors.scoring.turns import ARCHIVED_MS, PATIENCE_S, Place, Turns

PLACES: list[Place] = [("pairs", number) for number in range(4)]
NOW_S = 1_800_000_000.0
LONG_AGO_MS = 1_741_570_445_384


def raw(offset: int, at_ms: int = LONG_AGO_MS) -> Raw:
    return Raw(offset, at_ms, b"m/q", b"")


def offsets(taken: dict[Place, list[Raw]]) -> dict[int, list[int]]:
    return {place[1]: [each.offset for each in records] for place, records in taken.items()}


def test_all_partitions_give_the_same_number() -> None:
    """The shortest decides; what is left keeps its place for the next turn."""
    turns = Turns.of(PLACES)
    for place, n in zip(PLACES, (5, 2, 3, 9), strict=True):
        for offset in range(n):
            turns.add(place, raw(offset), NOW_S)
    assert offsets(turns.take(100, NOW_S)) == {0: [0, 1], 1: [0, 1], 2: [0, 1], 3: [0, 1]}
    turns.add(PLACES[1], raw(2), NOW_S)
    assert offsets(turns.take(100, NOW_S)) == {0: [2], 1: [2], 2: [2], 3: [2]}


def test_an_archive_waits_for_a_partition_that_gives_nothing_and_not_for_longer() -> None:
    """Records of an archive go on by themselves when their patience is over, each by its own clock."""
    turns = Turns.of(PLACES)
    turns.add(PLACES[0], raw(0), NOW_S)
    turns.add(PLACES[0], raw(1), NOW_S + 0.5)
    assert turns.take(100, NOW_S + 0.9 * PATIENCE_S) == {}
    assert turns.waiting()
    assert offsets(turns.take(100, NOW_S + PATIENCE_S)) == {0: [0]}
    assert offsets(turns.take(100, NOW_S + 0.5 + PATIENCE_S)) == {0: [1]}
    assert not turns.waiting()


def test_live_records_never_wait() -> None:
    """A record of a moment ago is scored at once, whatever the other partitions do."""
    turns = Turns.of(PLACES)
    turns.add(PLACES[2], raw(7, int(NOW_S * 1e3) - ARCHIVED_MS), NOW_S)
    assert offsets(turns.take(100, NOW_S)) == {2: [7]}


def test_live_records_go_beyond_their_turn() -> None:
    """Where all partitions have some, what a longer one has more does not wait for the next batch; an archive's does, and what
    comes after it in its partition."""
    live_ms = int(NOW_S * 1e3)
    turns = Turns.of(PLACES[:3])
    for offset, at_ms in enumerate((live_ms, live_ms, live_ms, LONG_AGO_MS, live_ms)):
        turns.add(PLACES[0], raw(offset, at_ms), NOW_S)
    for offset in range(3):
        turns.add(PLACES[1], raw(offset), NOW_S)
    turns.add(PLACES[2], raw(0, live_ms), NOW_S)
    assert offsets(turns.take(100, NOW_S)) == {0: [0, 1, 2], 1: [0], 2: [0]}


def test_an_archive_keeps_its_turns_however_long_they_take() -> None:
    """A slow scorer does not let one partition run ahead: patience is for partitions that give nothing."""
    turns = Turns.of(PLACES[:2])
    for offset in range(3):
        turns.add(PLACES[0], raw(offset), NOW_S)
    turns.add(PLACES[1], raw(0), NOW_S)
    assert offsets(turns.take(100, NOW_S + 2 * PATIENCE_S)) == {0: [0], 1: [0]}


def test_what_did_not_become_a_pair_waits_beside_the_turns() -> None:
    """Unanswered queries of an archive are not counted before what was read with them, and no pair waits for them."""
    turns = Turns.of(PLACES[:2], beside=[("unpaired", 0), ("unpaired", 1)])
    turns.add(("unpaired", 0), raw(3), NOW_S)
    for place in PLACES[:2]:
        turns.add(place, raw(0), NOW_S)
    assert set(turns.take(100, NOW_S)) == set(PLACES[:2])
    assert set(turns.take(100, NOW_S + PATIENCE_S)) == {("unpaired", 0)}
    assert not turns.waiting()


def test_no_more_is_taken_than_is_asked_for_and_the_rest_is_told() -> None:
    """A backlog is scored in batches, and its partition is read no further ahead."""
    turns = Turns.of(PLACES[:1])
    for offset in range(5):
        turns.add(PLACES[0], raw(offset), NOW_S)
    assert turns.full(4) == {PLACES[0]}
    assert offsets(turns.take(3, NOW_S)) == {0: [0, 1, 2]}
    assert turns.full(4) == set()


def test_without_partitions_there_is_nothing_to_take() -> None:
    """Between two assignments nothing is scored."""
    assert Turns().take(100, NOW_S) == {}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_of_reading_each_record_is_taken_once_and_in_its_partitions_order(seed: int) -> None:
    """Any mixture of fetches, pauses and batch sizes gives every record exactly once, in the order of offsets."""
    rng = random.Random(seed)
    turns, now_s = Turns.of(PLACES), NOW_S
    read, got = dict.fromkeys(PLACES, 0), {place: list[int]() for place in PLACES}
    for _ in range(200):
        place = rng.choice(PLACES)
        for _ in range(rng.randrange(20)):
            at_ms = rng.choice((LONG_AGO_MS, int(now_s * 1e3)))
            turns.add(place, raw(read[place], at_ms), now_s)
            read[place] += 1
        now_s += rng.random() * PATIENCE_S
        for at, records in turns.take(rng.randrange(1, 30), now_s).items():
            got[at] += [each.offset for each in records]
    while turns.waiting():
        now_s += PATIENCE_S
        for at, records in turns.take(30, now_s).items():
            got[at] += [each.offset for each in records]
    assert got == {place: list(range(n)) for place, n in read.items()}
