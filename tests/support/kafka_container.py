"""Apache Kafka in a container, for machines with a Docker engine; imported only there."""

import contextlib
from collections.abc import Iterator

from docker.errors import DockerException  # type: ignore[import-untyped]
from requests.exceptions import RequestException
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from dualgate.cli.broker.config import DEFAULTS, HOST, free_ports

IMAGE = "apache/kafka:4.2.2"


def docker_answers() -> bool:
    """Return whether the engine that the environment names (or the socket's) answers a ping."""
    try:
        return bool(DockerClient().client.ping())
    except (DockerException, RequestException):
        return False


def environment(port: int) -> dict[str, str]:
    """Return the local broker's settings as the image takes them, advertised on a port of this machine."""
    addresses = {
        "listeners": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": "1@localhost:9093",
    }
    settings = {**DEFAULTS, **addresses}
    return {"KAFKA_" + key.upper().replace(".", "_"): value for key, value in settings.items()}


@contextlib.contextmanager
def kafka_container() -> Iterator[str]:
    """Run `apache/kafka` until the block ends; yields its bootstrap servers."""
    port = free_ports().client
    container = DockerContainer(IMAGE).with_bind_ports(9092, port)
    for name, value in environment(port).items():
        container = container.with_env(name, value)
    with container.waiting_for(LogMessageWaitStrategy("Kafka Server started")):
        yield f"{HOST}:{port}"
