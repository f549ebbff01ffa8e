"""The loop around sessions: one disposition an error, and a stop that ends after the batch in hand."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, KafkaException

from dualgate.processors.runtime.clients import Linger, check_within, gather, kafka_errors
from dualgate.processors.runtime.dead_letters import MAX_VALUE_BYTES, DeadLetterBudget, dead_letter
from dualgate.processors.runtime.loop import Backoff, Stop, run_sessions, stop_on_signals
from dualgate.schemas.errors import (
    ConfigError,
    DeadLetterBudgetExceeded,
    DualgateError,
    OwnershipLost,
    RecordError,
    StateError,
    TransientError,
)

QUICK = Backoff(first_s=0.0, lives=3)


class Script:
    """Sessions whose steps do as a list says: an error is raised, True is a commit; at its end the worker is stopped."""

    def __init__(self, *steps: Exception | bool) -> None:
        self.steps = list(steps)
        self.lives = self.closed = 0
        self.stop = Stop()

    @contextmanager
    def session(self) -> Iterator["Script"]:
        """One life."""
        self.lives += 1
        try:
            yield self
        finally:
            self.closed += 1

    def step(self) -> bool:
        """The next step of the script."""
        if not self.steps:
            self.stop.set()
            return False
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def run(self) -> "Script":
        """Run to the end."""
        run_sessions(self.session, self.stop, QUICK)
        return self


@pytest.mark.parametrize("error", [TransientError("x"), OwnershipLost("x")])
def test_a_passing_error_begins_a_new_session(error: DualgateError) -> None:
    """The failed session is closed, and the next starts from what is committed."""
    script = Script(True, error, True).run()
    assert (script.lives, script.closed) == (2, 2)


@pytest.mark.parametrize("error", [StateError("x"), ConfigError("x"), ValueError("x")])
def test_any_other_error_ends_the_worker(error: Exception) -> None:
    """Nothing is skipped, and the session is closed."""
    script = Script(error, True)
    with pytest.raises(type(error)):
        script.run()
    assert (script.lives, script.closed) == (1, 1)


def test_errors_without_a_commit_between_end_the_worker() -> None:
    """After as many fruitless lives as the back-off allows, the last error is raised; a commit begins the count anew."""
    script = Script(TransientError("1"), TransientError("2"), True, TransientError("3"), TransientError("4"), TransientError("5"))
    with pytest.raises(TransientError, match="5"):
        script.run()
    assert script.lives == 5


def test_a_long_life_is_no_failure_in_a_row() -> None:
    """A worker with nothing to commit outlives more restarts of its cluster than short lives are allowed."""
    script = Script(*[step for n in range(5) for step in (False, TransientError(str(n)))])
    minutes = iter(range(0, 10_000, 60))
    run_sessions(script.session, script.stop, replace(QUICK, long_s=60.0), clock_s=lambda: float(next(minutes)))
    assert script.lives == 6


def test_short_lives_late_in_a_process_are_failures_in_a_row() -> None:
    """A life is as long as itself, not as the process: a worker of weeks whose lives are short gives up."""
    script = Script(*[step for n in range(5) for step in (False, TransientError(str(n)))])
    seconds = iter(range(1_000_000, 1_001_000))
    with pytest.raises(TransientError, match="2"):
        run_sessions(script.session, script.stop, replace(QUICK, long_s=60.0), clock_s=lambda: float(next(seconds)))
    assert script.lives == 3


def test_the_pause_grows_up_to_a_limit() -> None:
    """Twice as long each time, ten seconds at most."""
    assert [Backoff().wait_s(n) for n in (1, 2, 3, 20)] == [0.25, 0.5, 1.0, 10.0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_flag(number: signal.Signals) -> None:
    """And the handlers of before are there again afterwards."""
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(5)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.UNKNOWN_MEMBER_ID, OwnershipLost),
        (KafkaError.ILLEGAL_GENERATION, OwnershipLost),
        (KafkaError._FENCED, OwnershipLost),
        (KafkaError.FENCED_INSTANCE_ID, StateError),
        (KafkaError._AUTO_OFFSET_RESET, StateError),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, StateError),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ConfigError),
        (KafkaError.MSG_SIZE_TOO_LARGE, RecordError),
        (KafkaError._TRANSPORT, TransientError),
        (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, TransientError),
    ],
)
def test_each_error_of_kafka_has_one_disposition(code: int, kind: type[DualgateError]) -> None:
    """What is not known to be anything else may work when tried again; the message begins with what was done."""
    with pytest.raises(kind, match="reading queries/0"), kafka_errors("reading queries/0"):
        raise KafkaException(KafkaError(code))


@pytest.mark.parametrize("code", [KafkaError._FENCED, KafkaError._FATAL])
def test_a_fenced_process_with_a_slot_gives_way(code: int) -> None:
    """Joining again would fence the process that has the slot now, and so on for ever.

    A fenced producer says so; a consumer calls it a fatal error only.
    """
    with pytest.raises(StateError, match="one live process a slot"), kafka_errors("commit", slot=True):
        raise KafkaException(KafkaError(code))


@pytest.mark.parametrize(("offset", "cause"), [(4, "retention has eaten"), (21, "made anew")])
def test_a_position_outside_of_its_log_is_a_state_error(offset: int, cause: str) -> None:
    """The message names partition, position, log and what may have happened."""
    check_within("queries", 0, 5, 5, 20)
    check_within("queries", 0, 5, 20, 20)
    with pytest.raises(StateError, match=rf"queries/0: position {offset} is outside of the log 5\.\.20: .*{cause}"):
        check_within("queries", 0, 5, offset, 20)


def test_a_dead_letter_of_an_oversized_value_is_cut_and_says_so() -> None:
    """It must itself fit its topic."""
    letter = dead_letter(("t", 0, 1), 5, b"k", b"x" * (MAX_VALUE_BYTES + 1), reason="r", worker="w")
    assert (len(letter.value or b""), letter.truncated) == (MAX_VALUE_BYTES, True)
    assert not dead_letter(("t", 0, 1), 5, b"k", b"x", reason="r", worker="w").truncated


def test_a_migration_over_its_dead_letter_budget_is_named_with_both_numbers() -> None:
    """`least` plus a share of what was read; another migration's budget is its own."""
    budget = DeadLetterBudget(least=2, share=0.1)
    budget.read("m", 10)
    budget.spend("m", 3)
    budget.spend("other", 2)
    with pytest.raises(DeadLetterBudgetExceeded, match="migration m: 4 of 10 records were unusable > 3 allowed"):
        budget.spend("m")


class Rebalancing:
    """A consumer whose assignment changes inside its second call."""

    def __init__(self, changes: bool) -> None:
        self.tenure, self._changes = 0, changes

    def poll(self, _timeout: float) -> str:
        """Return a message of the assignment so far."""
        return "first"

    def consume(self, n: int, _timeout: float) -> list[str]:
        """Return messages after the callback, if there is one."""
        self.tenure += self._changes
        return ["second"] * n


@pytest.mark.parametrize(("changes", "gathered"), [(False, ["first", "second"]), (True, ["second"])])
def test_a_message_of_an_assignment_that_is_gone_is_left_out(changes: bool, gathered: list[str]) -> None:
    """Its partition is read again from the committed position, by whoever owns it now: else it would come out of its order."""
    consumer = Rebalancing(changes)
    assert gather(consumer, 2, 0.0, Linger(0.0), lambda: consumer.tenure) == gathered


class Backlog(Rebalancing):
    """A consumer that has so many messages, notes how long it was to wait, and whose assignment may change in its last call."""

    def __init__(self, changes: bool, *counts: int) -> None:
        super().__init__(changes)
        self.counts, self.waited_s = list(counts), list[float]()

    def consume(self, n: int, timeout_s: float) -> list[str]:
        """Return the messages of this call."""
        self.waited_s.append(timeout_s)
        self.tenure += self._changes and len(self.counts) == 1
        return [f"call {len(self.waited_s)}"] * min(n, self.counts.pop(0))


@pytest.mark.parametrize(
    ("counts", "waited_s", "n"),
    [((3, 9), [0.03], 4), ((4, 9), [0.03, 0.17], 14), ((4, 99), [0.03, 0.17], 20), ((99,), [0.03], 20)],
)
def test_only_a_backlog_is_waited_for_longer(counts: tuple[int, ...], waited_s: list[float], n: int) -> None:
    """Where many came in the short time large batches carry the rate; a live message waits the short time and no more."""
    consumer = Backlog(False, *counts)
    assert len(gather(consumer, 20, 0.0, Linger(0.03, many=5, longer_s=0.17))) == n
    assert consumer.waited_s == waited_s


def test_of_a_backlog_too_only_the_new_assignment_stays() -> None:
    """All that came before the change is of partitions that may be another's by now."""
    consumer = Backlog(True, 6, 2)
    assert gather(consumer, 20, 0.0, Linger(0.0, many=5, longer_s=0.1), lambda: consumer.tenure) == ["call 2"] * 2
