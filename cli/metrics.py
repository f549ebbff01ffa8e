"""`dualgate metrics`: the state of all migrations for Prometheus."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from dualgate.cli.cluster import Prefix, Servers, cluster_settings
from dualgate.cli.output import Json, emit, say

POLL_S, ASK_S = 0.5, 5.0


def register(root: typer.Typer) -> None:
    """Add the command to the root."""
    root.command("metrics")(run)


def run(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="The port to listen on; 0 takes a free one.")] = 9_464,
    bootstrap_servers: Servers = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Serve /metrics (OpenMetrics, Prometheus text) until stopped: phases, shares, evidence, routers, leases of all migrations.

    It reads the gate's topics from their start and keeps nothing. Names and alert rules: docs/metrics.md.

    Example: `dualgate metrics --port 9464`
    """
    from dualgate.cli.operate.watching import Follower
    from dualgate.processors.runtime.loop import stop_on_signals
    from dualgate.sinks.metrics import Endpoint

    settings = cluster_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    with stop_on_signals() as stop, Follower(settings) as follower:
        follower.catch_up()
        watched = Watched(follower)
        with Endpoint(watched.read, host, port) as endpoint:
            say(f"metrics of {settings.bootstrap_servers} on {endpoint.address}")
            while not stop.is_set():
                follower.poll(POLL_S)
                watched.look()
    emit({"stopped": True}, json, lambda console: console.print("metrics has stopped"))


class Watched:
    """What scrapes read: documents are made anew after each poll, so a scrape never meets a view in the middle of a change."""

    def __init__(self, follower: Any) -> None:
        self._follower = follower
        self._asked_s = -ASK_S
        self._dead: int | None = None
        self._documents: list[dict[str, Any]] = []
        self.look()

    def look(self) -> None:
        """Take in the present state of the views; ask the broker now and then."""
        from dualgate.cli.operate.watching import now_ms

        self._documents = [view.document(now_ms()) for _, view in sorted(self._follower.views.items()) if view.phase]
        if time.monotonic() - self._asked_s >= ASK_S:
            self._dead = self._follower.dead_letters()
            self._asked_s = time.monotonic()

    def read(self) -> Iterator[Any]:
        """Return the metric families of this moment."""
        from dualgate.sinks.metrics import families

        return families(self._documents, self._dead)
