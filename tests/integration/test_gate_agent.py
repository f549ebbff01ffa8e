"""The gate's process on a real broker: what it publishes, how it starts again, and what makes it refuse."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from dualgate.cli.topic_admin import create_topics
from dualgate.gate.ground import check_ground
from dualgate.gate.table import Row
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import LedgerEntry
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import DECISIONS, EVIDENCE, LEDGER, MIGRATIONS
from support.gate_process import World, without_repeats, world
from support.ledgers import GOOD, Ledger
from support.pairing_kafka import read_all
from support.waiting import WAIT_S, await_true

pytestmark = pytest.mark.kafka

MakeTopics = Callable[..., None]


def _claims(entries: list[LedgerEntry]) -> int:
    return sum(entry.claim is not None for entry in entries)


def _entries(world: World) -> list[LedgerEntry]:
    return [entry for _, entry in world.ledger() if entry is not None]


def _clock(admin: AdminClient, prefix: str) -> str:
    resource = ConfigResource(ResourceType.TOPIC, prefix + LEDGER)
    return str(admin.describe_configs([resource])[resource].result()["message.timestamp.type"].value)


def test_a_started_migration_is_published_and_outlives_a_restart(
    kafka: str, prefix: str, make_topics: MakeTopics, tmp_path: Path
) -> None:
    """Configuration, commands and evidence come from the ledger alone; a restart goes on and tells the present command again."""
    make_topics()
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 100, block=10)
    entries = [entry for _, entry in ledger.entries]
    with world(kafka, prefix, tmp_path) as at:
        first = at.gate()
        at.append(entries[:6])
        await_true(lambda: any(entry.tick is not None for entry in _entries(at)), "a tick of the active migration")
        assert at.stop(first) == 0
        told, accepted = at.published(DECISIONS), at.published(MIGRATIONS)
        assert [record.config for record in without_repeats(accepted)] == [ledger.config.to_json()]
        second = at.gate()
        await_true(lambda: _claims(_entries(at)) == 2, "the second claim")
        at.append(entries[6:])
        at.await_applied(len(at.ledger()) - 1)
        assert at.stop(second) == 0
        expected = at.expected()
        assert at.published(DECISIONS)[len(told)] == told[-1]
        assert without_repeats(at.published(DECISIONS)) == [o.record for o in expected if o.topic == DECISIONS]
        assert at.published(EVIDENCE) == [o.record for o in expected if o.topic == EVIDENCE]
        assert at.published(MIGRATIONS) == [*accepted, accepted[-1]]


def test_a_state_that_it_cannot_read_ends_it_and_skips_nothing(
    kafka: str, prefix: str, make_topics: MakeTopics, tmp_path: Path
) -> None:
    """Exit code 5 as often as it is started, with the version and what to do in words; it claims nothing and applies nothing."""
    make_topics()
    with world(kafka, prefix, tmp_path) as at:
        gate = at.gate()
        at.append(entry for _, entry in Ledger.started().entries)
        at.await_applied(1)
        assert at.stop(gate) == 0
        foreign = Producer({"bootstrap.servers": kafka, "log_level": 0})
        foreign.produce(prefix + "dualgate-gate-state-changelog", Row(0, -1, {"version": 99}).encode(), b"x@another")
        assert foreign.flush(WAIT_S) == 0
        before = at.ledger()
        for _ in range(2):
            assert at.gate().wait(WAIT_S) == 5
        assert at.ledger() == before
        assert "the gate does not start: migration x: state of a migration has version 99" in at.log.read_text()
        assert f"delete topic {prefix}dualgate-gate-state-changelog" in at.log.read_text()


def test_a_table_that_lost_records_ends_it_and_a_whole_fold_repairs_it(
    kafka: str, prefix: str, make_topics: MakeTopics, tmp_path: Path
) -> None:
    """A changelog without the record of a migration that was commanded is refused; without any, the ledger is folded anew."""
    make_topics()
    changelog = prefix + "dualgate-gate-state-changelog"
    ledger = Ledger.started()
    ledger.pairs(*[GOOD] * 100, block=10)
    with world(kafka, prefix, tmp_path) as at:
        gate = at.gate()
        at.append([*(entry for _, entry in ledger.entries), b"not an entry"])
        at.await_applied(len(ledger.entries))
        assert at.stop(gate) == 0
        rows = read_all(kafka, changelog)
        foreign = Producer({"bootstrap.servers": kafka, "log_level": 0})
        for key in {message.key() for message in rows if message.key().startswith(b"m@")}:
            foreign.produce(changelog, None, key)
        assert foreign.flush(WAIT_S) == 0
        assert at.gate().wait(WAIT_S) == 5
        assert "knows nothing of it, but m was given command 1/" in at.log.read_text()
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.delete_topics([changelog])[changelog].result()
        await_true(lambda: changelog not in admin.list_topics(timeout=WAIT_S).topics, "the changelog's end")
        end = len(at.ledger())
        gate = at.gate()
        at.await_applied(end)
        assert at.stop(gate) == 0
        expected = [o.record for o in at.expected() if o.topic == EVIDENCE]
        assert without_repeats(at.published(EVIDENCE)) == expected
        assert at.verify().startswith("EQUAL\n")


def test_a_ledger_that_was_made_anew_ends_it(kafka: str, prefix: str, make_topics: MakeTopics, tmp_path: Path) -> None:
    """A table that has applied more than the ledger holds belongs to another ledger."""
    make_topics()
    with world(kafka, prefix, tmp_path) as at:
        gate = at.gate()
        at.append(entry for _, entry in Ledger.started().entries)
        at.await_applied(1)
        assert at.stop(gate) == 0
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.delete_topics([prefix + LEDGER])[prefix + LEDGER].result()
        await_true(lambda: prefix + LEDGER not in admin.list_topics(timeout=WAIT_S).topics, "the ledger's end")
        create_topics(kafka, prefix, 2)
        assert at.gate().wait(WAIT_S) == 5
        assert "the ledger ends at -1: it was cut or made anew" in at.log.read_text()


def test_missing_topics_are_named(kafka: str, prefix: str) -> None:
    """A gate on a broker without its topics says which, and how they are made."""
    with pytest.raises(ConfigError, match=rf"{prefix}ledger.* do not exist; create them with: dualgate topics create"):
        check_ground(Settings(bootstrap_servers=kafka, topic_prefix=prefix))


def test_a_ledger_with_its_producers_clocks_is_refused(kafka: str, prefix: str, make_topics: MakeTopics) -> None:
    """The ledger clock is the broker's: one producer's wrong clock must not end a phase."""
    make_topics()
    check_ground(Settings(bootstrap_servers=kafka, topic_prefix=prefix))
    clock = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, prefix + LEDGER, incremental_configs=[clock])
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.incremental_alter_configs([resource])[resource].result()
    await_true(lambda: _clock(admin, prefix) == "CreateTime", "the change")
    with pytest.raises(ConfigError, match=r"message.timestamp.type=CreateTime; accepted: LogAppendTime"):
        check_ground(Settings(bootstrap_servers=kafka, topic_prefix=prefix))
