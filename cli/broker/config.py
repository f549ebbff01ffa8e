"""The configuration of the local broker: KRaft, one node, loopback only, tuned for fast first polls and small machines."""

import base64
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"

DEFAULTS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # One node holds everything once.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Each internal partition costs files and start time; one node gains nothing from the default of 50.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    # A first poll in a new group takes 3 s otherwise.
    "group.initial.rebalance.delay.ms": "0",
    # Readers of `pairs` wait this long at most, beyond the transaction's own time-out, for a dead worker.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A misspelt topic is an error, never a new topic with the wrong partitions; Faust creates its own explicitly.
    "auto.create.topics.enable": "false",
    # A killed gate's place is free again as soon as its client's session allows.
    "group.min.session.timeout.ms": "1000",
    # After a kill the new process may register once the old one's session is over: 9 s otherwise.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "num.network.threads": "2",
    "num.io.threads": "4",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of one broker: for clients, and for its own controller."""

    client: int
    controller: int


def free_ports(port: int = 0) -> Ports:
    """Return two ports that were free just now; a given client port is kept."""
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.bind((HOST, 0))
        return Ports(port or one.getsockname()[1], two.getsockname()[1])


def server_properties(directory: Path, ports: Ports, overrides: Mapping[str, str]) -> str:
    """Return the text of server.properties: the defaults, then the addresses, then the overrides."""
    client, controller = f"{HOST}:{ports.client}", f"{HOST}:{ports.controller}"
    values = {
        **DEFAULTS,
        "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{client}",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": str(directory / "data"),
        **overrides,
    }
    return "".join(f"{key}={_escaped(value)}\n" for key, value in values.items())


def new_cluster_id(entropy: bytes | None = None) -> str:
    """Return a cluster id in Kafka's form: 16 (random) bytes, URL-safe base64 without padding."""
    text = base64.urlsafe_b64encode(entropy or uuid.uuid4().bytes).rstrip(b"=").decode()
    # Kafka's own ids begin with no dash either: the format command would take it for an option.
    return "A" + text[1:] if text.startswith("-") else text


def _escaped(value: str) -> str:
    """A Java properties file takes a backslash for an escape."""
    return value.replace("\\", "\\\\")
