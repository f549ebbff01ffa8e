"""`dualgate topics` against a real broker: what is created is the catalogue, exactly, and repeating it changes nothing."""

import json
import socket
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from dualgate.cli.broker_version import LOSES_ENDS, metadata_level
from dualgate.cli.main import main
from dualgate.cli.topic_admin import connect, create_topics, describe_topics
from dualgate.schemas.errors import ConfigError, TransientError
from dualgate.schemas.topics import CATALOGUE, LEDGER, QUERIES

pytestmark = pytest.mark.kafka


def settings_of(kafka: str, name: str) -> dict[str, str]:
    """What the broker applies to a topic."""
    resource = ConfigResource(ResourceType.TOPIC, name)
    admin = AdminClient({"bootstrap.servers": kafka})
    found = admin.describe_configs([resource])[resource].result(30)
    return {key: entry.value for key, entry in found.items()}


def alter(kafka: str, name: str, key: str, value: str) -> None:
    """Change one setting of a topic as an operator would."""
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.incremental_alter_configs([resource])[resource].result(30)


def test_the_topics_on_the_broker_are_the_catalogue(kafka: str, prefix: str) -> None:
    """Every topic has its partitions and settings: retention by bytes only, append time on the ledger, 60 s ahead at most."""
    assert {report.action for report in create_topics(kafka, prefix, 3)} == {"created"}
    _, present = connect(kafka)
    counts = {t.name: len(present[prefix + t.name].partitions) for t in CATALOGUE}
    assert counts == {t.name: 3 if t.partitioned else 1 for t in CATALOGUE}
    ledger, queries = settings_of(kafka, prefix + LEDGER), settings_of(kafka, prefix + QUERIES)
    assert (ledger["message.timestamp.type"], ledger["retention.ms"]) == ("LogAppendTime", "-1")
    assert (queries["message.timestamp.type"], queries["retention.ms"]) == ("CreateTime", "-1")
    assert queries["message.timestamp.after.max.ms"] == "60000"
    assert not any(report.differences for report in describe_topics(kafka, prefix))


def test_creating_again_changes_nothing(kafka: str, prefix: str) -> None:
    """The second create finds everything as it should be."""
    create_topics(kafka, prefix, 2)
    assert {report.action for report in create_topics(kafka, prefix, 2)} == {"unchanged"}


def test_another_partition_count_is_refused_before_anything_changes(kafka: str, prefix: str) -> None:
    """The error names the topic and both numbers; a topic that was missing is still missing."""
    create_topics(kafka, prefix, 2)
    admin, _ = connect(kafka)
    admin.delete_topics([prefix + LEDGER])[prefix + LEDGER].result(30)
    with pytest.raises(ConfigError, match=f"{prefix}queries has 2 partitions, not 5"):
        create_topics(kafka, prefix, 5)
    assert {r.name for r in describe_topics(kafka, prefix) if r.action == "absent"} == {prefix + LEDGER}


def test_a_setting_that_was_changed_is_shown_and_set_right(kafka: str, prefix: str) -> None:
    """describe names both values, create sets the catalogue's and leaves an operator's other settings alone."""
    create_topics(kafka, prefix, 1)
    alter(kafka, prefix + QUERIES, "retention.ms", "604800000")
    alter(kafka, prefix + QUERIES, "segment.bytes", "1048576")
    differing = {r.name: r.differences for r in describe_topics(kafka, prefix) if r.differences}
    assert differing == {prefix + QUERIES: ("retention.ms=604800000, not -1",)}
    actions = {r.name: r.action for r in create_topics(kafka, prefix, 1)}
    assert [name for name, action in actions.items() if action == "configured"] == [prefix + QUERIES]
    found = settings_of(kafka, prefix + QUERIES)
    assert (found["retention.ms"], found["segment.bytes"]) == ("-1", "1048576")


def test_the_commands_speak_json_and_exit_codes(kafka: str, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    """describe ends with 2 while topics are absent, create with 0, and each prints one document."""
    where = ["--bootstrap-servers", kafka, "--prefix", prefix, "--json"]

    def run(verb: str) -> tuple[int, list[dict[str, object]]]:
        with pytest.raises(SystemExit) as ended:
            main(["topics", verb, *where])
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)["topics"]

    code, topics = run("describe")
    assert (code, {topic["action"] for topic in topics}) == (2, {"absent"})
    assert run("create")[0] == 0
    code, topics = run("describe")
    assert (code, {topic["action"] for topic in topics}) == (0, {"present"})


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody else can open and that accepts no connection."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_broker_that_is_not_there_is_named(closed_port: int) -> None:
    """Where nobody listens the error names the address and how to get a broker."""
    with pytest.raises(TransientError, match=rf"127\.0\.0\.1:{closed_port} within 1 s.*dualgate broker start"):
        connect(f"127.0.0.1:{closed_port}", timeout_s=1)


def test_the_local_broker_is_of_a_release_that_loses_no_end_of_a_transaction(kafka: str) -> None:
    """What a real broker tells of itself is read: 29 is the metadata.version of 4.2."""
    assert (metadata_level(kafka, 10.0), 29 in LOSES_ENDS) == (29, False)
