"""What a replay accepts, and how it keeps time."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from confluent_kafka import KafkaError

from dualgate.producers.replay import checked, pace_of, refusal, replay, speed_of
from dualgate.schemas.archive import read_archive, write_archive
from dualgate.schemas.errors import ConfigError, DualgateError, RecordError, TransientError
from dualgate.schemas.records import Query, Tick
from dualgate.schemas.settings import load_settings

NOBODY = load_settings({}, bootstrap_servers="127.0.0.1:1")


def query(i: int) -> Query:
    return Query(query_id=f"q{i}", migration_id="m", asked_at_ms=i, text="x")


@pytest.mark.parametrize(("text", "speed"), [("max", "max"), ("real", 1.0), ("10", 10.0), ("0.5", 0.5)])
def test_a_speed_is_max_real_or_a_number(text: str, speed: object) -> None:
    """Words and numbers above 0 are speeds."""
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["fast", "0", "-1", "nan", "inf", ""])
def test_no_other_speed_is_accepted(text: str) -> None:
    """Anything else is an error that names the value and what is accepted."""
    with pytest.raises(ConfigError, match=r"speed=.* must be max, real, or a number above 0"):
        speed_of(text)


class Clock:
    """A clock that only idling moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def idle(self, seconds: float) -> None:
        self.now += seconds


def times(speed: float, stamps: list[int]) -> list[float]:
    """Return when each record is let through, in seconds after the first."""
    clock = Clock()
    wait = pace_of(speed, clock)
    found = []
    for stamp in stamps:
        wait(stamp, clock.idle)
        found.append(clock.now - 100.0)
    return found


def test_real_time_keeps_the_distances_of_the_records() -> None:
    """At speed 1 a record comes as long after the first as its time says; one that is late comes at once."""
    assert times(1.0, [5_000, 5_400, 7_000, 6_000, 8_000]) == pytest.approx([0.0, 0.4, 2.0, 2.0, 3.0])


def test_a_speed_divides_the_distances() -> None:
    """Ten times as fast takes a tenth of the time."""
    assert times(10.0, [0, 10_000, 50_000]) == pytest.approx([0.0, 1.0, 5.0])


def test_the_greatest_speed_never_waits() -> None:
    """At max no record is waited for."""
    clock, wait = Clock(), pace_of("max")
    wait(0, clock.idle)
    wait(10**12, clock.idle)
    assert clock.now == 100.0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"topic": "ledger", "key": "m", "value": {}}, "log.jsonl:1: topic ledger is not replayed"),
        ({"topic": "queries", "key": None, "value": {}}, "log.jsonl:1: key is missing"),
        ({"topic": "queries", "key": "q1", "value": {}}, "log.jsonl:1: key b'q1' is not migration_id/query_id"),
        (
            {"topic": "queries", "key": "m/q1", "value": {"migration_id": "m", "query_id": "q2"}},
            "log.jsonl:1: key 'm/q1' does not name the record, which is m/q2",
        ),
        (
            {"topic": "queries", "key": "m/q1", "timestamp_ms": 0, "value": {"migration_id": "m", "query_id": "q1"}},
            "log.jsonl:1: timestamp_ms 0 must be above 0",
        ),
    ],
)
def test_a_line_that_cannot_be_replayed_is_named(tmp_path: Path, line: dict[str, object], words: str) -> None:
    """Topics that are no input, and keys that do not name their record, are errors with file and line."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(orjson.dumps({"timestamp_ms": 1, **line}) + b"\n")
    with pytest.raises(ConfigError) as caught:
        list(checked(read_archive(path)))
    assert words in str(caught.value)


def test_an_archive_without_records_is_refused(tmp_path: Path) -> None:
    """An empty file is no log, and is told before any broker is asked."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="holds no records"):
        replay(path, NOBODY, "max", lambda _n: None)


def test_an_unreachable_broker_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does not answer is an error with its address and what to do."""
    monkeypatch.setattr("dualgate.producers.replay._BROKER_TIMEOUT_S", 0.2)
    write_archive(tmp_path / "log.jsonl", [("queries", "m/q1", 1, query(1))])
    with pytest.raises(TransientError, match=r"no Kafka broker answers at 127\.0\.0\.1:1 .*dualgate broker start"):
        replay(tmp_path / "log.jsonl", NOBODY, "max", lambda _n: None)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (
            KafkaError._MSG_TIMED_OUT,
            TransientError,
            "log.jsonl:7: the broker at 127.0.0.1:1 did not take this record within 30 s",
        ),
        (
            KafkaError.INVALID_TIMESTAMP,
            RecordError,
            "log.jsonl:7: topic queries takes no record stamped more than a minute ahead",
        ),
        (KafkaError.MSG_SIZE_TOO_LARGE, RecordError, "log.jsonl:7: topic queries: "),
    ],
)
def test_a_refused_record_is_named_with_its_cause(code: int, kind: type[DualgateError], words: str) -> None:
    """What the broker does not take is told with its place in the archive and the reason."""
    found = refusal(KafkaError(code), "log.jsonl:7", "queries", NOBODY)
    assert type(found) is kind
    assert words in str(found)


def test_a_record_of_another_kind_is_refused_by_its_topic(tmp_path: Path) -> None:
    """A tick in the log is a line of the ledger, which no replay publishes."""
    write_archive(tmp_path / "log.jsonl", [("ledger", "m", 1, Tick(migration_id="m", issued_at_ms=1))])
    call: Callable[[], object] = lambda: replay(tmp_path / "log.jsonl", NOBODY, "max", lambda _n: None)  # noqa: E731
    with pytest.raises(ConfigError, match="topic ledger is not replayed"):
        call()
