"""Calls that have no time-out of their own end in time, and closing a client holds nothing up."""

import logging
import threading

import pytest
from confluent_kafka import KafkaException

from dualgate.processors.runtime import bounded
from dualgate.processors.runtime.bounded import Bounded, close_in_time
from dualgate.schemas.errors import TransientError


def test_a_call_that_does_not_return_is_told_in_time() -> None:
    """TransientError says which call; the thread is not used for another one."""
    held = threading.Event()
    calls = Bounded("test")
    with pytest.raises(TransientError, match="committing has not returned in 0 s"):
        calls.call("committing", 0.05, held.wait)
    with pytest.raises(TransientError, match="an earlier call"):
        calls.call("committing", 0.05, int)
    held.set()


def test_a_client_that_does_not_close_is_left_behind(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The caller goes on, and the log names the client; a client that fails to close says nothing."""
    monkeypatch.setattr(bounded, "CLOSE_TIMEOUT_S", 0.05)
    held = threading.Event()

    def fails() -> None:
        raise KafkaException("gone")

    with caplog.at_level(logging.WARNING):
        close_in_time("closing it", fails)
        assert caplog.text == ""
        close_in_time("leaving the group", held.wait)
    assert "left behind: leaving the group" in caplog.text
    held.set()
