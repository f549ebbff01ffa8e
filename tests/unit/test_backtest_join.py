"""The offline join: event-time order, the live pairing's rules, clear words where a log does not fit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualgate.lab.backtest.join import Joined, join
from dualgate.schemas.archive import read_archive, write_archive
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import Pair, Query, Response, Unpaired
from dualgate.schemas.settings import PairingTimes

TIMES = PairingTimes(window_ms=10_000, skew_ms=1_000, grain_ms=250)
MIGRATION = "m"
Line = tuple[str, str, int, Any]


def query(query_id: str, at: int, *, migration: str = MIGRATION, rerun: bool = False) -> Line:
    value = Query(query_id=query_id, migration_id=migration, asked_at_ms=at, text="how many?", rerun=rerun)
    return "queries", f"{migration}/{query_id}", at, value


def answer(query_id: str, at: int, arm: Any, topic: str | None = None) -> Line:
    value = Response(query_id=query_id, migration_id=MIGRATION, arm=arm, agent_version=arm, service_ms=5.0, started_at_ms=at)
    return topic or f"responses.{arm}", f"{MIGRATION}/{query_id}", at, value


def whole(query_id: str, at: int) -> Iterator[Line]:
    yield query(query_id, at)
    yield answer(query_id, at + 30, "incumbent")
    yield answer(query_id, at + 40, "challenger")


def pairs_of(found: Joined) -> list[Pair]:
    return [Codec().decode(Pair, value) for _, value, _ in found.pairs]


def unpaired_of(found: Joined) -> list[Unpaired]:
    return [Codec().decode(Unpaired, value) for _, value, _ in found.unpaired]


def joined(tmp_path: Path, *lines: Line, times: PairingTimes = TIMES) -> Joined:
    path = tmp_path / "log.jsonl"
    write_archive(path, lines)
    return join(read_archive(path), MIGRATION, times)


def test_pairs_come_in_the_order_in_which_they_become_whole(tmp_path: Path) -> None:
    """The order of the file does not matter: time does."""
    slow = [query("slow", 0), answer("slow", 10, "incumbent"), answer("slow", 5_000, "challenger")]
    lines = [*whole("late", 9_000), *slow, *whole("quick", 100)]
    assert [pair.query.query_id for pair in pairs_of(joined(tmp_path, *lines))] == ["quick", "slow", "late"]


def test_a_log_without_the_migration_is_called_by_its_name(tmp_path: Path) -> None:
    """An empty file is an error that names it: of several logs one must know which."""
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ConfigError, match=r"^empty\.jsonl holds no query of migration m; it holds no traffic at all$"):
        join(read_archive(tmp_path / "empty.jsonl"), MIGRATION, TIMES, name="empty.jsonl")


def test_what_lacks_an_answer_is_told_with_its_reason(tmp_path: Path) -> None:
    """A silent challenger, a silent incumbent, nobody, and an answer without a query."""
    lines = [
        query("a", 0), answer("a", 10, "incumbent"),
        query("b", 0), answer("b", 10, "challenger"),
        query("c", 0), answer("d", 0, "challenger"),
    ]  # fmt: skip
    reasons = {each.query_id: each.reason for each in unpaired_of(joined(tmp_path, *lines))}
    assert reasons == {"a": "no_challenger", "b": "no_incumbent", "c": "no_answer", "d": "late"}


def test_an_answer_outside_the_window_does_not_pair(tmp_path: Path) -> None:
    """The query's time is over although nothing came after it in the log."""
    lines = [query("a", 0), answer("a", 10, "incumbent"), answer("a", 10_001, "challenger")]
    found = joined(tmp_path, *lines)
    assert found.pairs == []
    assert sorted(each.reason for each in unpaired_of(found)) == ["late", "no_challenger"]


def test_a_rerun_that_is_awaited_becomes_part_of_the_pair(tmp_path: Path) -> None:
    """The pair waits for the incumbent's second answer where the query says so."""
    _, *answers = whole("a", 0)
    lines = [query("a", 0, rerun=True), *answers, answer("a", 300, "incumbent", "responses.rerun")]
    (pair,) = pairs_of(joined(tmp_path, *lines))
    assert pair.rerun is not None
    assert pair.rerun.started_at_ms == 300


def test_a_repeated_query_and_a_second_answer_count_once(tmp_path: Path) -> None:
    """Repeats are dropped and counted."""
    found = joined(tmp_path, *whole("a", 0), *whole("a", 100))
    assert len(found.pairs) == 1
    assert found.counts == {"duplicate_queries": 1, "duplicate_answers": 2}


def test_other_migrations_in_the_log_are_counted_and_left(tmp_path: Path) -> None:
    """One log may hold several migrations; a backtest is of one."""
    found = joined(tmp_path, *whole("a", 0), query("x", 5, migration="other"))
    assert (len(found.pairs), found.others) == (1, {"other": 1})


def test_a_log_without_the_migration_says_what_it_holds(tmp_path: Path) -> None:
    """The message names the migration of the file and those of the log."""
    with pytest.raises(ConfigError, match=r"no query of migration m; it holds other \(1 records\)"):
        joined(tmp_path, query("x", 5, migration="other"))


def test_a_key_that_is_none_names_file_and_line(tmp_path: Path) -> None:
    """The second line's key has no slash."""
    lines = [*whole("a", 0)]
    lines[1] = ("responses.incumbent", "no-slash", 30, lines[1][3])
    with pytest.raises(ConfigError, match=r"log\.jsonl:2: key .* is not migration_id/query_id"):
        joined(tmp_path, *lines)


def test_what_was_composed_is_told(tmp_path: Path) -> None:
    """A log whose latencies and arrival times nobody has recorded says so, and so does what is made of it."""
    topic, key, at, value = query("a", 0)
    lines = [(topic, key, at, replace(value, context={"composed": "arrival,latency"})), *list(whole("a", 0))[1:]]
    assert joined(tmp_path, *lines).composed == {"arrival", "latency"}
