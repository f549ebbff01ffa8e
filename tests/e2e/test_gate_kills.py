"""Gates that are killed or replaced: what they publish is what the undisturbed fold of the ledger publishes."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from dualgate.cli.broker import LocalBroker
from dualgate.cli.topic_admin import create_topics
from dualgate.schemas.settings import load_settings
from dualgate.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE, MIGRATIONS
from dualgate.sinks.router import Router
from support.gate_process import World, without_repeats, world
from support.ledgers import BETTER, GOOD, HEAD, Ledger
from support.waiting import WAIT_S, await_true

pytestmark = pytest.mark.kafka

POINTS = ("recovered", "claimed", "stepped", "published", "written", "delivered", "acknowledged")
SLOW = """
phases:
  calibrating: {pairs: 20}
  shadow: {min_duration: 1m, min_pairs: 50, max_pairs: 2000}
  canary: {share: 0.05, observations: 400, min_duration: 1m}
  rollout: {steps: [0.25, 0.5], observations: 400, min_duration: 1m}
  tail: {observations: 400000, min_duration: 1m}
"""
EASY = """
dimensions:
  correctness: {null: -0.5, design: 0.2, worse_by: 0.0}
  latency: {null: 0.5, design: 0.05, worse_by: 0.01}
  semantic: {null: 0.3, design: 0.8, worse_by: 0.05}
  safety: {null: 0.5, design: 0.05, worse_by: 0.01, classes: {}}
"""


def _ledger(n_blocks: int) -> Ledger:
    ledger = Ledger.started(HEAD + SLOW + EASY)
    for _ in range(n_blocks):
        ledger.pairs(GOOD, BETTER, GOOD, GOOD, GOOD, GOOD, GOOD)
    return ledger


def _hold_to_the_fold(world: World) -> None:
    """Every output of the fold was published, none else, in its order, repeated the same in every field; `verify` says so too."""
    expected = world.expected()
    decisions = {o.record.decision.decision_id for o in expected if o.topic == EVIDENCE and o.record.decision}
    words = world.verify()
    assert words.startswith("EQUAL\n")
    assert f"m: {len(decisions)} decisions compared" in words
    assert without_repeats(world.published(EVIDENCE)) == [o.record for o in expected if o.topic == EVIDENCE]
    for compacted in (DECISIONS, MIGRATIONS):
        told, records = without_repeats(world.published(compacted)), [o.record for o in expected if o.topic == compacted]
        assert told == [record for record in records if record in told]
        assert told[-1] == records[-1]


def test_killed_at_each_step_nothing_is_lost_or_counted_twice(
    kafka: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path
) -> None:
    """kill -9 in recovery, around outputs, table, changelog and acknowledgement: decisions and evidence are the fold's."""
    make_topics()
    ledger = _ledger(240)
    entries = [entry for _, entry in ledger.entries]
    with world(kafka, prefix, tmp_path) as at:
        at.append([*entries[:40], b"not an entry", *entries[40:]])
        for point in POINTS:
            n = 1 if point in ("recovered", "claimed") else 40
            assert at.gate(fault=f"{point}:{n}").wait(WAIT_S) == -signal.SIGKILL, point
        last = at.gate()
        at.await_applied(len(entries))
        assert at.stop(last) == 0
        assert at.applied() >= len(entries)
        _hold_to_the_fold(at)
        (dead,) = without_repeats(at.published(DEAD_LETTERS))
        assert (dead.offset, dead.value) == (40, b"not an entry")


def test_a_broker_that_is_killed_costs_gate_and_router_nothing_but_time(tmp_path: Path) -> None:
    """kill -9 of Kafka in mid-stream: the same gate goes on and decides as the fold, the same router hears the next command."""
    entries = [entry for _, entry in _ledger(40).entries]
    with LocalBroker(tmp_path / "kafka") as broker, world(broker.bootstrap_servers, "", tmp_path) as at:
        create_topics(broker.bootstrap_servers, "", 1)
        gate = at.gate()
        with Router("m", settings=load_settings({}, bootstrap_servers=broker.bootstrap_servers)) as router:
            at.append(entries[:20])
            at.await_applied(20)
            await_true(lambda: router.state.sequence is not None, "the first command")
            broker.kill()
            assert router.route("user") in ("incumbent", "challenger")
            broker.start()
            at.append(entries[20:])
            at.await_applied(len(at.ledger()) - 1)
            last = at.published(DECISIONS)[-1]
            await_true(lambda: router.state.sequence == last.sequence, "the last command")
        assert last.phase != "CALIBRATING"
        assert at.stop(gate) == 0
        _hold_to_the_fold(at)


def test_a_second_gate_supersedes_the_first(kafka: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path) -> None:
    """The first ends itself with exit code 4 as soon as it sees the claim; the second goes on where it was."""
    make_topics()
    entries = [entry for _, entry in _ledger(40).entries]
    with world(kafka, prefix, tmp_path) as at:
        first = at.gate()
        at.append(entries[:20])
        await_true(lambda: any(entry is not None and entry.claim is not None for _, entry in at.ledger()), "the first claim")
        at.await_applied(20)
        second = at.gate()
        assert first.wait(WAIT_S) == 4
        at.append(entries[20:])
        at.await_applied(len(at.ledger()) - 1)
        assert at.stop(second) == 0
        _hold_to_the_fold(at)


def test_a_gate_that_wakes_after_it_was_replaced_ends_itself(
    kafka: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path
) -> None:
    """Stopped between its outputs and its table while another takes over: on waking it publishes nothing new and exits with 4."""
    make_topics()
    entries = [entry for _, entry in _ledger(60).entries]
    with world(kafka, prefix, tmp_path) as at:
        at.append(entries[:20])
        sleeper = at.gate(fault="published:30:stop")
        await_true(lambda: any(entry is not None and entry.claim is not None for _, entry in at.ledger()), "the first claim")
        at.append(entries[20:40])
        await_true(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED, "the sleep")
        second = at.gate()
        at.append(entries[40:])
        at.await_applied(len(entries))
        sleeper.send_signal(signal.SIGCONT)
        assert sleeper.wait(WAIT_S) == 4
        assert at.stop(second) == 0
        _hold_to_the_fold(at)
