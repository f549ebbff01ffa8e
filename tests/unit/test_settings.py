"""Process settings come from DUALGATE_ variables; topics and keys have one place."""

import pytest

from dualgate.schemas.errors import ConfigError, RecordError
from dualgate.schemas.settings import load_settings
from dualgate.schemas.topics import CATALOGUE, INPUTS, split_key, traffic_key


def test_environment_and_override() -> None:
    """An argument wins over the environment, the environment over the default."""
    env = {"DUALGATE_BOOTSTRAP_SERVERS": "broker:1", "DUALGATE_PARTITIONS": "8", "OTHER": "x"}
    settings = load_settings(env, partitions=2, topic_prefix=None)
    assert (settings.bootstrap_servers, settings.partitions, settings.topic_prefix) == ("broker:1", 2, "")


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"DUALGATE_PARTITIONS": "many"}, "DUALGATE_PARTITIONS='many'"),
        ({"DUALGATE_WINDOW_MS": "0"}, "DUALGATE_WINDOW_MS='0'"),
        ({"DUALGATE_WINDOW_MS": "1001"}, "must be multiples of DUALGATE_GRAIN_MS=250"),
        ({"DUALGATE_TOPIC_PREFIX": "a b"}, "DUALGATE_TOPIC_PREFIX='a b'"),
    ],
)
def test_bad_setting(env: dict[str, str], words: str) -> None:
    """A bad setting names its variable, its value and what is accepted."""
    with pytest.raises(ConfigError) as error:
        load_settings(env)
    assert words in str(error.value)


def test_prefix_is_in_every_id() -> None:
    """Two installations on one cluster share no group, transaction or topic."""
    assert load_settings({}, topic_prefix="eu.").name("pairing") == "eu.dualgate-pairing"


def test_inputs_are_co_partitioned() -> None:
    """The topics that are joined are created alike."""
    inputs = [topic for topic in CATALOGUE if topic.name in INPUTS]
    assert len(inputs) == 4
    assert {(t.partitioned, t.key, tuple(t.config.items())) for t in inputs} == {
        (True, inputs[0].key, tuple(inputs[0].config.items()))
    }


@pytest.mark.parametrize("key", [None, b"", b"m", b"m/", b"/q", b"M/q", b"\xff/q"])
def test_bad_key(key: bytes | None) -> None:
    """A key that is not migration_id/query_id is a record error that shows it."""
    with pytest.raises(RecordError, match="key"):
        split_key(key)


def test_key_splits_at_the_first_slash() -> None:
    """A query id may have slashes; a migration id may not."""
    assert split_key(traffic_key("m.1-a", "q/1")) == ("m.1-a", "q/1")
