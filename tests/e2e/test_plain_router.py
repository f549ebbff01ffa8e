"""Routers that use none of our code: a Kafka client and the rules of docs/guide/router.md, beside a real gate."""

import ast
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from dualgate.schemas.codec import Codec
from dualgate.schemas.records import Command, LedgerEntry, RoutingAck
from dualgate.schemas.topics import EVIDENCE
from dualgate.sinks.router import RoutingTable
from support.gate_process import World, world
from support.ledgers import BETTER, EASY, GOOD, HEAD, SHORT, Ledger
from support.routing import MIGRATION, command
from support.waiting import WAIT_S, await_true

ROOT = Path(__file__).parents[2]
PLAIN = ROOT / "docs" / "guide" / "plain_router.py"
SCHEMA = ROOT / "schemas" / "avsc" / "RoutingCommand.avsc"
KEYS = [f"user-{i}" for i in range(500)] + ["Zoë", "", "a/b"]


class PlainRouter:
    """The script as a process that answers keys."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in: IO[str] = process.stdin
        self._out: IO[str] = process.stdout

    def route(self, key: str) -> tuple[str, int]:
        """Return the arm and the sequence that it obeys."""
        return self.answer(key)[:2]

    def answer(self, key: str) -> tuple[str, int, float]:
        """Return the arm, the sequence that it obeys, and the probability of a mirror (0: not drawn)."""
        self._in.write(key + "\n")
        self._in.flush()
        arm, sequence, mirrored = self._out.readline().split()
        return arm, int(sequence), float(mirrored)


@pytest.fixture
def plain(kafka: str, prefix: str, make_topics: Callable[..., None]) -> Iterator[PlainRouter]:
    make_topics()
    words = [sys.executable, str(PLAIN), kafka, prefix, "m", "plain", str(SCHEMA)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        yield PlainRouter(process)
        process.kill()


def order() -> LedgerEntry:
    told = Command(command_id="c", migration_id="m", kind="rollback", actor="ann", reason="because", issued_at_ms=0)
    return LedgerEntry(command=told)


def followed(at: World) -> list[str]:
    found = [record.decision for record in at.published(EVIDENCE) if record.decision is not None]
    return [decision.reason for decision in found if decision.rule == "followed"]


def _acks(at: World) -> list[RoutingAck]:
    return [entry.ack for _, entry in at.ledger() if entry is not None and entry.ack is not None]


def test_it_imports_nothing_of_ours() -> None:
    """The point of the example."""
    tree = ast.walk(ast.parse(PLAIN.read_text(encoding="utf-8")))
    names = {n.name for i in tree if isinstance(i, ast.Import) for n in i.names}
    assert not any("dualgate" in name for name in names)
    assert "dualgate." not in PLAIN.read_text(encoding="utf-8")


@pytest.mark.kafka
def test_a_rollback_waits_for_a_router_that_uses_none_of_our_code(
    kafka: str, prefix: str, plain: PlainRouter, tmp_path: Path
) -> None:
    """It serves the users of a canary, mirrors a share, acknowledges with its counts in JSON, lets go, and the gate says so."""
    sampled = "shadow_sampling: {all: 0.5}\n"
    ledger = Ledger.started(HEAD + SHORT.replace("observations: 40", "observations: 100000") + EASY + sampled)
    ledger.pairs(*[GOOD, BETTER] * 50)
    with world(kafka, prefix, tmp_path) as at:
        gate = at.gate()
        at.append(entry for _, entry in ledger.entries)
        await_true(lambda: plain.route("x")[1] == 3, "the command of the canary")
        state = ledger.state
        assert state is not None
        held = RoutingTable("m").apply(ledger.commands[-1], ledger.time_ms, 0.0)
        for key in KEYS:
            assert plain.answer(key) == (held.route(key, 0.0), 3, held.shadow(key, "all", 0.0) or 0.0), key
        canary = ("plain", 1, 3)
        await_true(lambda: canary in {(ack.router_id, ack.epoch, ack.sequence) for ack in _acks(at)}, "the acknowledgement")
        at.append([order()])
        await_true(lambda: bool(followed(at)), "the rollback to be followed")
        assert "1 of 1 routers follow command 1/4" in followed(at)[0]
        assert {plain.route(key)[0] for key in KEYS} == {"incumbent"}
        counted = [cell for ack in _acks(at) for cell in ack.counts if ack.sequence == 3]
        asked = ["x", *KEYS]
        assert sum(cell.count for cell in counted) == len(asked)
        assert sum(cell.count for cell in counted if cell.arm == "challenger") == sum(
            held.route(key, 0.0) == "challenger" for key in asked
        )
        assert sum(cell.count for cell in counted if cell.sampled) == sum(
            held.shadow(key, "all", 0.0) is not None for key in asked
        )
        assert at.stop(gate) == 0


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: the JavaScript example is not run")
def test_javascript_reads_commands_and_routes_as_we_do() -> None:
    """Bytes of Avro and of JSON, and the same arm for every key."""
    made = command(7, 0.3, reason="é ≥ 3", lease_ms=None, issued_at_ms=time.time_ns() // 1_000_000)
    held = RoutingTable(MIGRATION).apply(made, 0, 0.0)
    given = {"bytes": Codec().encode(made).hex(), "keys": KEYS}
    script = (
        f"import {{ decode, route }} from {json.dumps(str(PLAIN.with_suffix('.mjs')))}; const given = {json.dumps(given)};"
        "const command = decode(Buffer.from(given.bytes, 'hex'));"
        "const again = decode(Buffer.from(JSON.stringify(command)));"
        "console.log(JSON.stringify({ command, same: JSON.stringify(again) === JSON.stringify(command),"
        " arms: given.keys.map(key => route(command, key)) }))"
    )
    words = ["node", "--input-type=module", "-e", script]
    told = json.loads(subprocess.run(words, capture_output=True, text=True, check=True, timeout=WAIT_S).stdout)
    assert told["command"]["reason"] == "é ≥ 3"
    assert (told["command"]["sequence"], told["command"]["lease_ms"], told["command"]["shadow_share"]) == (7, None, {"all": 1.0})
    assert told["same"] is True
    assert told["arms"] == [held.route(key, 0.0) for key in KEYS]
