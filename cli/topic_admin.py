"""The topics of a broker held to the catalogue: create, configure, compare."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourceType,
    TopicMetadata,
)
from confluent_kafka.cimpl import NewTopic

from dualgate.schemas.errors import ConfigError, TransientError
from dualgate.schemas.topics import CATALOGUE, Topic

REACH_TIMEOUT_S = 6.0
VISIBLE_TIMEOUT_S = 30.0
_BROKER_DEFAULT_REPLICATION = -1


@dataclass(frozen=True, slots=True)
class TopicReport:
    """One topic of the catalogue on a broker: what it has, what was done to it, where it differs.

    `action` is created, configured or unchanged after `create_topics`; present or absent after `describe_topics`.
    """

    name: str
    partitions: int | None
    action: str
    config: Mapping[str, str]
    differences: tuple[str, ...] = ()


def connect(bootstrap_servers: str, timeout_s: float = REACH_TIMEOUT_S) -> tuple[AdminClient, dict[str, TopicMetadata]]:
    """Return an admin client and the broker's topics; TransientError naming the address where none answers in time."""
    # The client's own log lines would say "connection refused" three times a second; the error says it once.
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0, "socket.connection.setup.timeout.ms": 5000})
    try:
        return admin, dict(admin.list_topics(timeout=timeout_s).topics)
    except KafkaException as error:
        raise TransientError(
            f"no Kafka broker answers at {bootstrap_servers} within {timeout_s:.0f} s ({error.args[0].name()}): "
            "start one with 'dualgate broker start', or name yours in DUALGATE_BOOTSTRAP_SERVERS or --bootstrap-servers"
        ) from None


def create_topics(bootstrap_servers: str, prefix: str, partitions: int) -> list[TopicReport]:
    """Create what the catalogue has and the broker has not, and set each topic's configuration exactly; idempotent.

    Raises ConfigError, before anything is changed, where a topic has another number of partitions.
    """
    admin, present = connect(bootstrap_servers)
    for topic in CATALOGUE:
        _check_partitions(topic, prefix, partitions, present)
    new = [topic for topic in CATALOGUE if prefix + topic.name not in present]
    _create(admin, new, prefix, partitions)
    old = [topic for topic in CATALOGUE if topic not in new]
    configured = _configure(admin, old, prefix)
    _wait_until_visible(admin, {prefix + topic.name: topic.partitions(partitions) for topic in new})
    action = {topic.name: "created" for topic in new} | dict.fromkeys(configured, "configured")
    return [TopicReport(prefix + t.name, t.partitions(partitions), action.get(t.name, "unchanged"), t.config) for t in CATALOGUE]


def describe_topics(bootstrap_servers: str, prefix: str) -> list[TopicReport]:
    """Compare each topic of the catalogue with the broker's, and the traffic topics' partition counts with each other."""
    admin, present = connect(bootstrap_servers)
    actual = _configs(admin, [prefix + topic.name for topic in CATALOGUE if prefix + topic.name in present])
    counts = {t.name: len(present[prefix + t.name].partitions) for t in CATALOGUE if prefix + t.name in present}
    expected = next((counts[t.name] for t in CATALOGUE if t.partitioned and t.name in counts), 1)
    return [_compare(topic, prefix, counts.get(topic.name), actual, topic.partitions(expected)) for topic in CATALOGUE]


def _compare(topic: Topic, prefix: str, count: int | None, actual: Mapping[str, Mapping[str, str]], expected: int) -> TopicReport:
    name = prefix + topic.name
    if count is None:
        return TopicReport(name, None, "absent", {}, ("absent: run 'dualgate topics create'",))
    found = [f"{count} partitions, not {expected}"] if count != expected else []
    wrong = config_differences(topic.config, actual[name])
    found += [f"{key}={actual[name].get(key)}, not {wanted}" for key, wanted in wrong.items()]
    shown = {key: actual[name].get(key, "") for key in topic.config}
    return TopicReport(name, count, "present", shown, tuple(found))


def config_differences(wanted: Mapping[str, str], actual: Mapping[str, str]) -> dict[str, str]:
    """Return the wanted settings that a topic has not."""
    return {key: value for key, value in wanted.items() if actual.get(key) != value}


def _check_partitions(topic: Topic, prefix: str, partitions: int, present: Mapping[str, TopicMetadata]) -> None:
    there = present.get(prefix + topic.name)
    wanted = topic.partitions(partitions)
    if there is not None and len(there.partitions) != wanted:
        raise ConfigError(
            f"topic {prefix + topic.name} has {len(there.partitions)} partitions, not {wanted}: partition counts are fixed "
            f"at creation, since adding partitions breaks joins. Use --partitions {len(there.partitions)}, or another --prefix."
        )


def _create(admin: AdminClient, topics: Iterable[Topic], prefix: str, partitions: int) -> None:
    new = [
        NewTopic(prefix + t.name, t.partitions(partitions), _BROKER_DEFAULT_REPLICATION, config=dict(t.config)) for t in topics
    ]
    if not new:
        return
    for name, future in admin.create_topics(new, operation_timeout=VISIBLE_TIMEOUT_S).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # another `create` at the same time
                raise TransientError(f"topic {name} could not be created: {error.args[0].str()}") from None


def _configure(admin: AdminClient, topics: Iterable[Topic], prefix: str) -> list[str]:
    """Set what differs, one key at a time, so that an operator's other settings stay; returns the changed topics."""
    topics = list(topics)
    actual = _configs(admin, [prefix + topic.name for topic in topics])
    wrong = {t.name: config_differences(t.config, actual[prefix + t.name]) for t in topics}
    resources = [_alteration(prefix + name, values) for name, values in wrong.items() if values]
    if resources:
        for future in admin.incremental_alter_configs(resources).values():
            future.result()
    return [name for name, values in wrong.items() if values]


def _alteration(name: str, values: Mapping[str, str]) -> ConfigResource:
    entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in values.items()]
    return ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)


def _configs(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Return every setting of the topics as the broker applies it."""
    if not names:
        return {}
    futures = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    return {r.name: {key: entry.value for key, entry in f.result().items()} for r, f in futures.items()}


def _wait_until_visible(admin: AdminClient, expected: Mapping[str, int]) -> None:
    """A topic is created when the controller says so; clients may use it when its leaders answer as such.

    Metadata names a leader a moment before that broker takes itself for one, and refuses with "not leader" until then.
    """
    deadline = time.monotonic() + VISIBLE_TIMEOUT_S
    while waiting := [name for name, count in expected.items() if not _has_leaders(admin, name, count)]:
        if time.monotonic() > deadline:
            raise TransientError(f"topics {', '.join(waiting)} have no leaders {VISIBLE_TIMEOUT_S:.0f} s after creation")
        time.sleep(0.05)


def _has_leaders(admin: AdminClient, name: str, count: int) -> bool:
    found = admin.list_topics(name, timeout=REACH_TIMEOUT_S).topics[name].partitions
    led = len(found) == count and all(partition.leader >= 0 for partition in found.values())
    return led and _leaders_answer(admin, name, count)


def _leaders_answer(admin: AdminClient, name: str, count: int) -> bool:
    latest: Any = OffsetSpec.latest  # untyped in the client library
    wanted = {TopicPartition(name, i): latest() for i in range(count)}
    try:
        for future in admin.list_offsets(wanted, request_timeout=REACH_TIMEOUT_S).values():
            future.result()
    except KafkaException:
        return False
    return True
