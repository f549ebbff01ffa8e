"""The fold of one group, rule by rule, on logs that a few records long. W = 1,000, S = 250, G = 50 ms; idle 5,000, lead 2,000."""

from collections.abc import Sequence

import pytest

from dualgate.processors.pairing.positions import MAX_METADATA_BYTES, Expired, Position, decode, encode
from dualgate.processors.pairing.records import ROLES, Outputs
from dualgate.schemas.errors import StateError
from dualgate.schemas.records import Pair, Unpaired
from support.pairing_sim import PATIENCE, TIMES, Simulation, compare, make_group
from support.traffic import CHALLENGER, CODEC, INCUMBENT, QUERY, RERUN, Sent, answer, query

T0 = 1_000_000


def play(*records: Sent) -> Simulation:
    """Return a simulation that has handled and committed these records, in this order of reading."""
    sim = Simulation()
    for sent in records:
        sim.publish(sent)
        assert sim.read(sent.role, 1) == 1
    sim.commit()
    return sim


def clock(time: int, *roles: int, migration: str = "m") -> list[Sent]:
    """Return records that move the clocks of roles and belong to nothing else."""
    return [answer(r, f"tick{r}-{time}", time, migration) if r else query(f"tick-{time}", time, migration) for r in roles]


def reasons(sim: Simulation, name: str = "q") -> list[str]:
    """Return what a query's outputs were, in order."""
    found = [("pair", key) for key, _, _ in sim.pairs]
    found += [(CODEC.decode(Unpaired, value).reason, key) for key, value, _ in sim.unpaired]
    return [reason for reason, key in found if key == f"m/{name}".encode()]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_a_pair_needs_all_three_in_any_order(order: Sequence[int]) -> None:
    """The pair is there with the last of three records, whichever that is; its time is the query's."""
    records = [query("q", T0, note="text"), answer(INCUMBENT, "q", T0 + 1, note="i"), answer(CHALLENGER, "q", T0 + 2, note="c")]
    sim = play(*(records[i] for i in order[:2]))
    assert sim.pairs == []
    sim = play(*(records[i] for i in order))
    ((key, value, time),) = sim.pairs
    pair = CODEC.decode(Pair, value)
    assert (key, time) == (b"m/q", T0)
    assert (pair.query.text, pair.incumbent.output, pair.challenger.output, pair.rerun) == ("text", "i", "c", None)


@pytest.mark.parametrize(("after", "belongs"), [(-251, False), (-250, True), (0, True), (1_000, True), (1_001, False)])
def test_an_answer_belongs_by_its_timestamp_alone(after: int, belongs: bool) -> None:
    """-S <= r - t <= W, both ends included, whether the answer is read before or after its query."""
    records = [query("q", T0), answer(INCUMBENT, "q", T0 + after), answer(CHALLENGER, "q", T0)]
    for order in (records, records[::-1]):
        assert reasons(play(*order)) == (["pair"] if belongs else [])


def test_the_first_answer_in_range_makes_the_pair() -> None:
    """A second answer is dropped and counted, whether it waited with the first or comes after the pair."""
    first = [answer(CHALLENGER, "q", T0, note=note) for note in ("first", "second")]
    sim = play(
        *first, query("q", T0), answer(INCUMBENT, "q", T0), answer(INCUMBENT, "q", T0 + 5), answer(CHALLENGER, "q", T0 + 6)
    )
    (value,) = [value for _, value, _ in sim.pairs]
    assert CODEC.decode(Pair, value).challenger.output == "first"
    assert sim.unpaired == []


@pytest.mark.parametrize(
    ("roles", "reason"),
    [((), "no_answer"), ((INCUMBENT,), "no_challenger"), ((CHALLENGER,), "no_incumbent"), ((RERUN,), "no_answer")],
)
def test_a_closed_query_tells_what_is_missing(roles: Sequence[int], reason: str) -> None:
    """Closed when t + W < T and not a grain before; what came goes along with the reason; its time is the query's."""
    given = [answer(role, "q", T0, note=str(role)) for role in roles]
    sim = play(query("q", T0, rerun=True), *given, *clock(T0 + 1_049, *ROLES))
    assert reasons(sim) == []
    for sent in clock(T0 + 1_050, *ROLES):
        sim.publish(sent)
        sim.read(sent.role, 1)
    sim.commit()
    (unpaired,) = [(CODEC.decode(Unpaired, value), time) for key, value, time in sim.unpaired if key == b"m/q"]
    assert (unpaired[0].reason, unpaired[1]) == (reason, T0)
    assert unpaired[0].silent_arm == {"no_challenger": "challenger", "no_incumbent": "incumbent"}.get(reason)
    assert [bool(r) for r in (unpaired[0].incumbent, unpaired[0].challenger, unpaired[0].rerun)] == [
        r in roles for r in (1, 2, 3)
    ]


def test_t_is_the_least_of_the_clocks() -> None:
    """One partition that is far ahead, or an answer stamped far ahead, closes nothing."""
    sim = play(query("q", T0), *clock(T0 + 90_000, QUERY, INCUMBENT), *clock(T0 + 500, CHALLENGER))
    assert sim.group.expired() == {"m": T0 + 500}
    assert reasons(sim) == []


def test_t_moves_between_batches_only() -> None:
    """A record of the batch that closes a query is still in time for it, wherever it stands in the batch."""
    sim = Simulation()
    for sent in (query("q", T0), answer(INCUMBENT, "q", T0), *clock(T0 + 5_000, *ROLES), answer(CHALLENGER, "q", T0 + 9)):
        sim.publish(sent)
        sim.read(sent.role, 1)
    sim.commit()
    assert reasons(sim) == ["pair"]


def test_a_query_that_comes_closed_is_settled_at_once() -> None:
    """With what was there for it, while its id is still remembered: t >= T - 2W - S."""
    sim = play(*clock(T0 + 2_250, *ROLES))
    for sent in (query("q", T0), query("q", T0)):
        sim.publish(sent)
        sim.read(QUERY, 1)
    sim.commit()
    assert reasons(sim) == ["no_answer"]


def test_a_query_older_than_any_id_that_is_remembered_is_told_as_late() -> None:
    """It may have been settled before, so it is told each time, with itself, and never as missing."""
    sim = play(*clock(T0 + 2_300, *ROLES))
    for _ in range(2):
        sim.publish(query("q", T0, note="text"))
        sim.read(QUERY, 1)
    assert sim.out.counts == {"forgotten_queries": 2}
    sim.commit()
    assert reasons(sim) == ["late", "late"]
    unpaired = CODEC.decode(Unpaired, sim.unpaired[-1][1])
    assert unpaired.query is not None
    assert unpaired.query.text == "text"


def test_an_answer_in_range_of_a_query_closed_without_it_is_late_at_once() -> None:
    """And once: its repeat is dropped."""
    sim = play(query("q", T0), answer(INCUMBENT, "q", T0), *clock(T0 + 1_100, *ROLES))
    assert reasons(sim) == ["no_challenger"]
    for sent in (answer(CHALLENGER, "q", T0 + 900), answer(CHALLENGER, "q", T0 + 950)):
        sim.publish(sent)
        sim.read(CHALLENGER, 1)
    sim.commit()
    assert reasons(sim) == ["no_challenger", "late"]


def test_an_answer_with_no_query_waits_and_is_late_once() -> None:
    """It waits until r + W + S < T, since its query may merely be read later; its record carries its own time."""
    sim = play(answer(INCUMBENT, "q", T0), *clock(T0 + 1_299, *ROLES))
    assert reasons(sim) == []
    sim = play(answer(INCUMBENT, "q", T0), *clock(T0 + 1_300, *ROLES))
    assert reasons(sim) == ["late"]
    assert sim.unpaired[0][2] == T0


def test_a_repeated_query_is_dropped_and_counted() -> None:
    """While it waits, after it was paired, and in a batch of its own."""
    sim = Simulation()
    for sent in (
        query("q", T0),
        query("q", T0 + 5),
        answer(INCUMBENT, "q", T0),
        answer(CHALLENGER, "q", T0),
        query("q", T0 + 1_000),
    ):
        sim.publish(sent)
        sim.read(sent.role, 1)
    assert sim.out.counts == {"duplicate_queries": 2}
    sim.commit()
    sim.end()
    assert reasons(sim) == ["pair"]


@pytest.mark.parametrize("again", [query("q", T0, note="a"), query("q", T0 + 900, note="b")])
def test_a_query_that_was_repeated_is_remembered_as_long_as_its_repeat(again: Sent) -> None:
    """Where F lies between the two, a replay brings the repeat as if it were the first: neither settles anything again."""
    answers = [answer(INCUMBENT, "q", T0), answer(CHALLENGER, "q", T0)]
    once = [query("q", T0, note="a"), query("q", T0 + 900, note="b"), *answers]
    sim = play(*once, *clock(T0 + 2_250 + 450, QUERY, INCUMBENT, CHALLENGER))
    sim.publish(again)
    sim.read(QUERY, 1)
    sim.commit()
    assert [reason for reason in reasons(sim) if reason != "late"] == ["pair"]
    for sent in clock(T0 + 2_250 + 1_000, QUERY, INCUMBENT, CHALLENGER):
        sim.publish(sent)
    sim.drain()
    assert not any(b"m/q" in each for m in sim.group._migrations.values() for each in (m.window._settled, m.window._repeated))


def test_a_query_that_awaits_its_rerun_goes_out_with_it() -> None:
    """The pair waits for the third answer; at closing it goes out without."""
    records = [query("q", T0, rerun=True), answer(INCUMBENT, "q", T0), answer(CHALLENGER, "q", T0)]
    assert reasons(play(*records)) == []
    sim = play(*records, answer(RERUN, "q", T0 + 3, note="again"))
    assert [CODEC.decode(Pair, value).rerun.output for _, value, _ in sim.pairs] == ["again"]  # type: ignore[union-attr]
    sim = play(*records, *clock(T0 + 1_050, *ROLES))
    assert [CODEC.decode(Pair, value).rerun for _, value, _ in sim.pairs] == [None]


def test_reruns_hold_t_only_where_they_are_asked_for() -> None:
    """A migration without re-runs does not wait for a partition that stays empty; one with them does."""
    ticks = clock(T0 + 2_000, QUERY, INCUMBENT, CHALLENGER)
    assert reasons(play(query("q", T0), *ticks)) == ["no_answer"]
    assert reasons(play(query("q", T0, rerun=True), *ticks)) == []


def pass_by(sim: Simulation, ms: int) -> list[str]:
    """Let wall-clock time pass, tell that the ends are still the ends, and end the batch; return what became of q."""
    sim.now_ms += ms
    sim.see_ends()
    sim.commit()
    return reasons(sim)


def hand(sim: Simulation, *records: Sent) -> None:
    """Publish records, read them and end the batch."""
    for sent in records:
        sim.publish(sent)
        sim.read(sent.role, 1)
    sim.commit()


def test_a_silent_partition_follows_its_siblings() -> None:
    """When it was at its end and silent for idle_ms of wall clock, and its end was confirmed twice since they told the time."""
    sim = play(query("q", T0), answer(INCUMBENT, "q", T0), *clock(T0 + 2_000, QUERY, INCUMBENT))
    assert pass_by(sim, PATIENCE.idle_ms - PATIENCE.confirm_ms) == []
    hand(sim, *clock(T0 + 2_040, QUERY, INCUMBENT))
    assert pass_by(sim, PATIENCE.confirm_ms - 1) == []
    assert pass_by(sim, 1) == ["no_challenger"]
    assert sim.group.expired() == {"m": T0 + 2_000}


def test_a_partition_of_which_nothing_is_known_is_not_silent() -> None:
    """Paused or unread: its end was not seen, so nothing follows."""
    sim = play(query("q", T0), answer(INCUMBENT, "q", T0), *clock(T0 + 2_000, QUERY, INCUMBENT))
    sim.now_ms += 9 * PATIENCE.idle_ms
    hand(sim, *clock(T0 + 9_000, QUERY, INCUMBENT))
    assert reasons(sim) == []


def test_traffic_that_comes_back_after_a_pause_expires_nothing_that_was_answered() -> None:
    """The queries of an archive that goes on are read before their answers: far ahead in record time, and not silent for it."""
    sim = play(*clock(T0, *ROLES))
    assert pass_by(sim, PATIENCE.idle_ms) == []
    hand(sim, query("q", T0 + 500), *clock(T0 + 60_000, QUERY))
    assert pass_by(sim, 0) == []
    hand(sim, answer(INCUMBENT, "q", T0 + 500), answer(CHALLENGER, "q", T0 + 500))
    assert reasons(sim) == ["pair"]


def test_an_agent_that_recovers_loses_no_answer() -> None:
    """Its partition was silent for long and its siblings went on; what they are read with is answered in the next batch."""
    sim = play(*clock(T0, *ROLES))
    pass_by(sim, PATIENCE.idle_ms)
    hand(sim, *clock(T0 + 9_000, QUERY, INCUMBENT))
    for _ in range(2):
        pass_by(sim, PATIENCE.confirm_ms)
    assert sim.group.expired() == {"m": T0 + 9_000}
    hand(sim, query("q", T0 + 9_000), answer(INCUMBENT, "q", T0 + 9_000), *clock(T0 + 30_000, QUERY, INCUMBENT))
    hand(sim, answer(CHALLENGER, "q", T0 + 9_001))
    assert reasons(sim) == ["pair"]


def test_silence_is_the_migrations_own() -> None:
    """A partition that is busy with another migration is silent for this one; another's silence closes nothing here."""
    sim = play(query("q", T0), answer(INCUMBENT, "q", T0), *clock(T0 + 2_000, QUERY, INCUMBENT))
    sim.now_ms += PATIENCE.idle_ms
    sim.see_ends()
    hand(sim, *clock(T0 + 9_000, *ROLES, migration="n"), *clock(T0 + 2_050, QUERY, INCUMBENT))
    assert pass_by(sim, PATIENCE.confirm_ms) == ["no_challenger"]
    assert sim.group.expired() == {"m": T0 + 2_000, "n": T0 + 9_000}


@pytest.mark.parametrize("committed", [False, True])
def test_a_window_that_ends_while_the_group_changes_hands_is_told_once(committed: bool) -> None:
    """By whoever commits the T that passes it: the old owner's expiry counts if it was committed, else the new owner's."""
    sim = play(query("q", T0), answer(INCUMBENT, "q", T0))
    for sent in clock(T0 + 1_050, *ROLES):
        sim.publish(sent)
        sim.read(sent.role, 1)
    sim.group.advance(sim.out)
    assert [reason for reason in sim.out.counts if reason == "no_challenger"] == ["no_challenger"]
    if committed:
        sim.commit()
    sim.crash()
    hand(sim, answer(CHALLENGER, "q", T0 + 900))
    sim.drain()
    assert reasons(sim) == (["no_challenger", "late"] if committed else ["pair"])
    compare_settled(sim)


def compare_settled(sim: Simulation) -> None:
    """Fail where a query came out more than once."""
    _, times_settled = sim.found()
    assert set(times_settled.values()) == {1}


@pytest.mark.parametrize(
    ("ahead_ms", "outcome"), [(-251, "no_challenger"), (-250, "pair"), (0, "pair"), (990, "pair"), (1_001, "no_challenger")]
)
def test_clocks_of_producers_may_differ_by_the_skew(ahead_ms: int, outcome: str) -> None:
    """A challenger's host that is S behind or W ahead pairs as any other; one beyond loses no answer: each is told as late."""
    sim = Simulation()
    for i in range(40):
        at = T0 + 100 * i
        for sent in (query(f"q{i}", at), answer(INCUMBENT, f"q{i}", at + 5), answer(CHALLENGER, f"q{i}", at + ahead_ms)):
            sim.publish(sent)
            sim.read(sent.role, 1)
        sim.commit()
        if i % 13 == 12:
            sim.crash()
            sim.drain()
    sim.end()
    found = [reasons(sim, f"q{i}") for i in range(40)]
    assert sorted(found[0]) == (["pair"] if outcome == "pair" else sorted([outcome, "late"]))
    assert all(sorted(each) == sorted(found[0]) for each in found)


def test_a_migration_that_ends_is_settled_whole() -> None:
    """All partitions at their end and silent for W + idle: T passes everything, and no offset is held back for ever."""
    sim = play(query("q", T0), answer(INCUMBENT, "q", T0 + 400), answer(CHALLENGER, "o", T0 + 700))
    sim.now_ms += TIMES.window_ms + PATIENCE.idle_ms - 1
    sim.see_ends()
    sim.commit()
    assert reasons(sim) == []
    sim.now_ms += 1
    sim.see_ends()
    sim.commit()
    assert reasons(sim) == ["no_challenger"]
    assert reasons(sim, "o") == ["late"]
    sim.now_ms += 2 * TIMES.window_ms
    sim.see_ends()
    sim.commit()
    assert sim.group.sizes() == (0, 0, 0)
    assert [position.offset for position in sim.group.positions()] == [len(log) for log in sim.logs]


def test_a_new_owner_knows_what_an_ended_migration_forgot() -> None:
    """Ids of its last window, forgotten early, are no new queries to the next owner either: F is committed with T."""
    whole = [query("q", T0), answer(INCUMBENT, "q", T0), answer(CHALLENGER, "q", T0)]
    sim = play(*whole)
    for _ in range(2):
        sim.now_ms += 2 * TIMES.window_ms + TIMES.skew_ms + PATIENCE.idle_ms
        sim.see_ends()
        sim.commit()
    sim.crash()
    for sent in whole:
        sim.publish(sent)
        sim.read(sent.role, 1)
    sim.commit()
    assert reasons(sim) == ["pair", "late", "late", "late"]


def test_a_partition_too_far_ahead_is_paused() -> None:
    """More than the lead ahead of T: not read on until its siblings have come nearer."""
    sim = play(*clock(T0, *ROLES[:RERUN]), *clock(T0 + 2_000, QUERY))
    assert sim.group.paused() == set()
    sim = play(*clock(T0, *ROLES[:RERUN]), *clock(T0 + 2_001, QUERY))
    assert sim.group.paused() == {QUERY}
    for sent in clock(T0 + 1_000, INCUMBENT, CHALLENGER):
        sim.publish(sent)
        sim.read(sent.role, 1)
    sim.commit()
    assert sim.group.paused() == set()


def test_two_migrations_that_wait_for_each_others_partition_go_on() -> None:
    """What any migration waits for is read, though another is far ahead in it."""
    sim = play(
        *clock(T0, *ROLES),
        *clock(T0, *ROLES, migration="n"),
        *clock(T0 + 5_000, QUERY),
        *clock(T0 + 5_000, INCUMBENT, migration="n"),
    )
    assert sim.group.paused() == set()


def test_while_a_group_is_rebuilt_what_is_beyond_waits() -> None:
    """A partition that has reached its H is paused until all have; then what was read beyond is handled, nothing twice."""
    sim = play(query("q", T0), answer(INCUMBENT, "q", T0), *clock(T0 + 500, QUERY))
    sim.publish(answer(INCUMBENT, "x", T0 + 600))
    sim.publish(answer(CHALLENGER, "q", T0 + 600))
    sim.crash()
    assert sim.group.rebuilding
    sim.read(INCUMBENT, 9)
    assert INCUMBENT in sim.group.paused()
    sim.commit()
    assert not sim.pairs
    sim.read(QUERY, 9)
    assert not sim.group.rebuilding
    sim.end()
    assert reasons(sim) == ["pair"]
    compare(sim.expected(), *sim.found())


def test_a_rebuild_ends_at_the_end_of_a_log_with_holes() -> None:
    """Where the last offsets below H hold no records (transaction markers), the end of the partition tells that H is reached."""
    start = [Position(0, 5, "", {"m": Expired(T0)}), *[Position(0, 0)] * 3]
    group = make_group(start, 0)
    assert group.rebuilding
    group.at_end(QUERY, 5, 0, Outputs())
    assert not group.rebuilding
    assert group.expired() == {"m": T0}


def test_an_offset_that_comes_again_stops_the_worker() -> None:
    """Reading backwards would double: StateError."""
    sim = play(query("q", T0), query("r", T0))
    sim.next[QUERY] = 1
    with pytest.raises(StateError, match="comes again"):
        sim.read(QUERY, 1)


def test_all_partitions_of_a_group_are_committed_together() -> None:
    """T is the same in all four, H each one's own."""
    sim = play(*clock(T0, *ROLES), *clock(T0 + 60, *ROLES))
    stored = [decode(offset, text) for offset, text in sim.committed]
    assert [position.handled for position in stored] == [2, 2, 2, 2]
    assert {tuple(position.expired.items()) for position in stored} == {(("m", (T0 + 50, 0)),)}


def test_ended_migrations_make_room_in_the_metadata() -> None:
    """Where T of all migrations does not fit, those that are over are left out; too many live ones are a StateError."""
    sim = Simulation()
    for i in range(200):
        for sent in clock(T0, *ROLES, migration=f"migration-{i:04d}"):
            sim.publish(sent)
            sim.read(sent.role, 1)
    with pytest.raises(StateError, match="200 migrations"):
        sim.commit()
    for _ in range(2):
        sim.now_ms += 2 * TIMES.window_ms + TIMES.skew_ms + PATIENCE.idle_ms
        sim.see_ends()
        sim.group.advance(sim.out)
    assert max(len(encode(position)) for position in sim.group.positions()) < MAX_METADATA_BYTES
