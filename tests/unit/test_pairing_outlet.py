"""The transactional producer lets go in time, whatever its client does."""

import threading

import pytest

from dualgate.processors.pairing import outlet
from dualgate.schemas.codec import Codec
from dualgate.schemas.settings import Settings


class Stuck:
    """A client that never returns from closing, as the library's with a transaction open and no broker."""

    forever = threading.Event()

    def __init__(self, _config: object) -> None:
        self.purged = False

    def init_transactions(self, _timeout_s: float) -> None:
        """Return at once."""

    def purge(self) -> None:
        """Forget what is not sent."""
        self.purged = True

    def close(self) -> None:
        """Never return."""
        self.forever.wait()


def test_a_client_that_never_closes_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose broker is gone can begin anew, or stop when it is told to."""
    monkeypatch.setattr(outlet, "Producer", Stuck)
    monkeypatch.setattr(outlet, "ABORT_TIMEOUT_S", 0.05)
    monkeypatch.setattr(outlet, "GRACE_S", 0.05)
    made = outlet.Outlet(Settings(), "id", Codec(), lambda _: None)
    closing = threading.Thread(target=made.close)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
    Stuck.forever.set()
