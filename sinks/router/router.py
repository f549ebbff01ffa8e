"""The router that an agent service holds: a table that requests read, and a thread that keeps it up to date."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self
from uuid import uuid4

from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.limits import router_id_fault
from dualgate.schemas.records import Arm, RoutingCommand
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings, load_settings
from dualgate.sinks.router.acks import AckBook
from dualgate.sinks.router.follower import DecisionFollower
from dualgate.sinks.router.table import RouterState, RoutingTable

log = logging.getLogger(__name__)
POLL_S = 0.2
BACK_OFF_S = 2.0


class Router:
    """Tells which arm serves a query: sticky by key, growing with the share, the incumbent on doubt.

    ``with Router("sql-agent-v7") as router: arm = router.route(user_id)``. `route` and `shadow` may be called from any
    thread, take about a microsecond and never raise or block: without a broker, a command or a valid lease they answer
    incumbent and not mirrored. Call `shadow` once for each query, with the key that was routed: it also counts the
    query for the acknowledgements by which the gate sees what was really routed. ConfigError for a `router_id` that the
    gate would refuse.
    """

    def __init__(
        self,
        migration_id: str,
        *,
        settings: Settings | None = None,
        router_id: str | None = None,
        on_change: Callable[[RouterState], None] | None = None,
    ) -> None:
        self.router_id = router_id or f"{socket.gethostname()}-{uuid4().hex[:8]}"
        if fault := router_id_fault(self.router_id):
            raise ConfigError(f"{fault}; the gate would hear nothing of it")
        self._table = RoutingTable(migration_id)
        self.book = AckBook(migration_id, self.router_id)
        self._settings, self._on_change = settings, on_change
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: tuple[object, ...] = ()

    def route(self, key: str) -> Arm:
        """Return the arm that serves this key."""
        try:
            return self._table.route(key, time.monotonic() * 1e3)
        except Exception:  # a key that is no string, say: a wrong argument must not cost a user the answer
            return "incumbent"

    def shadow(self, key: str, stratum: str = "all") -> float | None:
        """Return the probability with which this query is to be mirrored, or None where it was not drawn."""
        try:
            table, mono_ms = self._table, time.monotonic() * 1e3
            probability = table.shadow(key, stratum, mono_ms)
            self.book.count(table.order, stratum, table.route(key, mono_ms), probability is not None)
            return probability
        except Exception:
            return None

    @property
    def state(self) -> RouterState:
        """Return the phase, the share, epoch and sequence, and the age of the lease."""
        return self._table.state(_now_ms(), time.monotonic() * 1e3)

    def obey(self, command: RoutingCommand) -> bool:
        """Take in one command; False where it is stale, foreign or a repeat. The background thread calls this."""
        before = self._table
        self._table = before.apply(command, _now_ms(), time.monotonic() * 1e3)
        return self._table is not before

    def start(self) -> Self:
        """Begin to follow the commands in a background thread; ConfigError where the settings are wrong."""
        settings = self._settings or load_settings()
        codec = codec_for(settings.schema_registry_url)
        self._stop.clear()
        self._thread = threading.Thread(target=self._follow, args=(settings, codec), name="dualgate-router", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Send what was counted and stop following; routing goes on until the lease runs out."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _follow(self, settings: Settings, codec: Codec) -> None:
        """Follow until closed; whatever goes wrong is logged and tried again, since requests depend on this thread."""
        while not self._stop.is_set():
            try:
                self._follow_once(DecisionFollower(self._table.migration_id, settings, codec, self.book))
            except Exception:
                log.exception("router %s lost its connection and starts again", self.router_id)
                self._stop.wait(BACK_OFF_S)

    def _follow_once(self, follower: DecisionFollower) -> None:
        try:
            while not self._stop.is_set():
                for command in follower.poll(POLL_S):
                    self.obey(command)
                self._report(follower)
            if self._table.command is not None:
                follower.send(self.book.taken(self._table.command, _now_ms()))
        finally:
            follower.close()

    def _report(self, follower: DecisionFollower) -> None:
        """Acknowledge where that is due, and tell a change of command or the end of a lease."""
        follower.send(self.book.due(self._table.command, _now_ms(), time.monotonic() * 1e3))
        state = self.state
        seen = (state.epoch, state.sequence, state.valid)
        if seen != self._seen and state.epoch is not None:
            self._seen = seen
            if self._on_change is not None:
                self._on_change(state)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
