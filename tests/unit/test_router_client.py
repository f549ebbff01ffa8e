"""The router without a broker: what the request path sees."""

import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dualgate.cli.router import unknown
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import RoutingAck
from dualgate.schemas.settings import load_settings
from dualgate.sinks.router import Router
from dualgate.sinks.router.follower import Outage
from support.routing import MIGRATION, command
from support.waiting import WAIT_S


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize("key", [None, 7, b"bytes", "\ud800"])
def test_a_strange_key_never_raises(key: Any) -> None:
    """Whatever is passed as a key, an answer comes: the request path must not fail."""
    router = Router(MIGRATION)
    router.obey(command(live_share=0.5, issued_at_ms=now_ms()))
    assert router.route(key) in ("incumbent", "challenger")
    assert router.shadow(key, "all") in (None, 1.0)


def test_obeying_tells_whether_anything_changed() -> None:
    """A command is taken once; its repeat is not."""
    router = Router(MIGRATION)
    issued = command(live_share=1.0, issued_at_ms=now_ms())
    assert router.obey(issued)
    assert not router.obey(issued)
    assert router.route("user") == "challenger"
    assert router.state.phase == "CANARY"


def test_an_unreachable_broker_costs_nothing_but_mirrors() -> None:
    """A router whose broker is not there starts, answers incumbent, and closes."""
    settings = load_settings({}, bootstrap_servers="127.0.0.1:1")
    with Router(MIGRATION, settings=settings) as router:
        assert router.route("user") == "incumbent"
        assert router.shadow("user") is None
        assert not router.state.valid


def test_threads_route_and_count_while_commands_change() -> None:
    """No call fails, every answer is an arm, and no query is lost or counted twice among the acknowledgements."""
    router, n_threads, n = Router(MIGRATION), 4, 5_000
    router.obey(command(1, 0.5, issued_at_ms=now_ms()))

    def serve(number: int) -> Counter[str]:
        arms: Counter[str] = Counter(router.route(f"{number}/{i}") for i in range(n))
        for i in range(n):
            router.shadow(f"{number}/{i}")
        return arms

    with ThreadPoolExecutor(n_threads) as pool:
        serving = [pool.submit(serve, number) for number in range(n_threads)]
        acks: list[RoutingAck] = []
        for sequence in range(2, 60):
            changed = command(sequence, sequence % 2 / 2, issued_at_ms=now_ms())
            assert router.obey(changed)
            acks += router.book.taken(changed, 0)
        arms = sum((each.result() for each in serving), Counter[str]())
    acks += router.book.taken(command(59, 0.5), 0)
    assert set(arms) == {"incumbent", "challenger"}
    assert sum(cell.count for ack in acks for cell in ack.counts) == n_threads * n


def test_a_name_that_the_gate_would_refuse_is_an_error_at_once() -> None:
    """It is told where the router is made, not by acknowledgements that become dead letters."""
    with pytest.raises(ConfigError, match=r"router_id=.*accepted: 1 to 100 bytes"):
        Router(MIGRATION, router_id="r" * 101)


def test_a_broker_that_is_away_is_logged_once_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """A service's log is not filled by a broker that is away: one line in ten seconds, which says how many it stands for."""
    now = [100.0]
    outage = Outage(lambda: now[0])
    for now[0] in [100.0 + tenth / 10 for tenth in range(101)]:
        outage("_TRANSPORT")
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(";")[0] for line in lines] == [
        "broker: _TRANSPORT (0 more since the last such line)",
        "broker: _TRANSPORT (99 more since the last such line)",
    ]


AWAY = """
import logging, sys, threading, time
from dualgate.sinks.router import Router
told = threading.Event()
logging.basicConfig(stream=sys.stdout)
logging.getLogger().handlers[0].addFilter(lambda record: "refused" not in record.getMessage() or told.set() or True)
router = Router("m").start()
assert told.wait(60)
time.sleep(1)  # in which the client fails again and again, and more lines could come
assert router.route("u") == "incumbent"
"""


def test_a_router_writes_nothing_past_the_services_own_logging() -> None:
    """A router whose broker is away writes nothing to stderr by itself: what it says goes through logging, once."""
    away = {**os.environ, "DUALGATE_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    ended = subprocess.run([sys.executable, "-c", AWAY], env=away, capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert ended.stderr == ""
    assert ended.stdout.count("Connection refused") == 1, ended.stdout


def test_a_migration_without_a_command_is_told_of() -> None:
    """`dualgate router` says that no command is known, and nothing of the kind once one is."""
    router = Router(MIGRATION)
    assert f"no command of {MIGRATION} is known yet" in unknown(router.state)
    router.obey(command(1, 0.5, issued_at_ms=now_ms()))
    assert unknown(router.state) == ""
