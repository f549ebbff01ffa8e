"""What every test may ask for: a real Apache Kafka, a topic prefix of its own, and the topics of the catalogue."""

import contextlib
import os
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator

import pytest

# A script that starts the suite in the background leaves SIGINT ignored, and every process that a test starts would inherit
# that: the tests of Ctrl-C would wait for an end that cannot come. A handled signal is the default again in a child.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def temporary_files() -> Iterator[None]:
    """One folder for the temporary files of all processes of the run: a process that a test kills cannot remove its own."""
    with tempfile.TemporaryDirectory(prefix="dualgate-tests-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", folder)
            patch.setattr(tempfile, "tempdir", folder)
            yield


def _docker_answers() -> bool:
    """Return whether a Docker engine answers; the client library is imported only where a socket or address is there."""
    if not (os.environ.get("DOCKER_HOST") or os.path.exists("/var/run/docker.sock")):
        return False
    from support.kafka_container import docker_answers

    return docker_answers()


@contextlib.contextmanager
def _testcontainers_kafka() -> Iterator[str]:
    """Run `apache/kafka` in Docker with the settings of the local broker."""
    from support.kafka_container import kafka_container

    with kafka_container() as address:
        yield address


@contextlib.contextmanager
def _local_kafka() -> Iterator[str]:
    """Run the local Apache Kafka of the project."""
    from dualgate.cli.broker import LocalBroker

    with LocalBroker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers: DUALGATE_BOOTSTRAP_SERVERS, else Testcontainers where Docker answers, else a local broker."""
    if given := os.environ.get("DUALGATE_BOOTSTRAP_SERVERS"):
        yield given
        return
    with _testcontainers_kafka() if _docker_answers() else _local_kafka() as address:
        yield address


@pytest.fixture
def prefix() -> str:
    """A topic prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def make_topics(kafka: str, prefix: str) -> Callable[..., None]:
    """Create the topics of the catalogue under the test's prefix: `make_topics(partitions=2)`."""
    from dualgate.cli.topic_admin import create_topics

    def create(partitions: int = 2) -> None:
        create_topics(kafka, prefix, partitions)

    return create
