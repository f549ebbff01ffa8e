"""A worker that hears nothing asks whether it could: only a client that is alone in its deafness is given up."""

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaException

from dualgate.processors.runtime import hearing
from dualgate.processors.runtime.hearing import Hearing
from dualgate.schemas.errors import TransientError
from dualgate.schemas.settings import Settings


class Client:
    """Finds its broker or not, answer by answer; the last answer is repeated."""

    def __init__(self, *answers: bool | int) -> None:
        self.answers, self.asked = list(answers), 0

    def list_topics(self, _topic: str, **_: float) -> SimpleNamespace:
        """Return so many brokers; False raises."""
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is False:
            raise KafkaException("no broker")
        return SimpleNamespace(brokers=dict.fromkeys(range(answer)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands unless it is moved."""
    now = [100.0]
    monkeypatch.setattr(hearing, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def ticks(clock: list[float], client: Client, other: Client, heard: bool = False) -> None:
    """Let more than the quiet time pass, with nothing heard unless told."""
    watch = Hearing(Settings(), client, "pairs", lambda _: other)
    clock[0] += hearing.QUIET_S + 0.1
    watch.tick(heard)


@pytest.mark.parametrize("deaf", [False, 0])
def test_a_client_that_alone_finds_no_broker_is_given_up(clock: list[float], deaf: bool | int) -> None:
    """TransientError names the address, where a new client finds what this one does not, also when asked again."""
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9092"):
        ticks(clock, Client(deaf), Client(1))


def test_an_outage_is_waited_for(clock: list[float]) -> None:
    """Where a new client finds no broker either, nothing is given up; nor where this one finds it by now."""
    ticks(clock, Client(False), Client(False))
    ticks(clock, Client(False), Client(0))
    ticks(clock, Client(False, 1), Client(1))


def test_who_hears_is_not_asked(clock: list[float]) -> None:
    """Nothing is asked while records come, nor before the quiet time is over, and then once in that time."""
    client = Client(1)
    ticks(clock, client, Client(1), heard=True)
    watch = Hearing(Settings(), client, "pairs", lambda _: Client(1))
    clock[0] += hearing.QUIET_S - 0.1
    watch.tick(False)
    assert client.asked == 0
    clock[0] += 0.2
    watch.tick(False)
    watch.tick(False)
    assert client.asked == 1


def test_a_topic_that_is_silent_by_nature_is_asked_after_its_own_time(clock: list[float]) -> None:
    """The question waits behind an open fetch, so where silence means nothing it is asked seldom."""
    client = Client(1)
    watch = Hearing(Settings(), client, "migrations", lambda _: Client(1), quiet_s=300.0)
    clock[0] += 299.0
    watch.tick(False)
    assert client.asked == 0
    clock[0] += 1.1
    watch.tick(False)
    assert client.asked == 1
