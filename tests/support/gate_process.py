"""Gate processes against a real broker: start, end on purpose, and hold what they published to the fold of the ledger."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from dualgate.gate.fold import At, Output, fold_ledger
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import DeadLetter, EvidenceRecord, LedgerEntry, Migration, RoutingCommand
from dualgate.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE, LEDGER, MIGRATIONS
from support.pairing_kafka import read_all
from support.waiting import WAIT_S, await_true

CODEC = Codec()
RECORDS: dict[str, type[Any]] = {
    DECISIONS: RoutingCommand,
    EVIDENCE: EvidenceRecord,
    MIGRATIONS: Migration,
    DEAD_LETTERS: DeadLetter,
}
LOOKED_AT = 50
CLI = [sys.executable, "-c", "from dualgate.cli.main import main; main()"]
COMMAND = [*CLI, "worker", "gate"]


class World:
    """One prefix of topics on a broker, the gates on it, and what is to be read there."""

    def __init__(self, servers: str, prefix: str, log: Path) -> None:
        self.servers, self.prefix, self.log = servers, prefix, log
        self._gates: list[subprocess.Popen[bytes]] = []
        self._producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random", "log_level": 0})

    def gate(self, fault: str = "") -> "subprocess.Popen[bytes]":
        """Start a gate; fault is `point:n`."""
        given = {"BOOTSTRAP_SERVERS": self.servers, "TOPIC_PREFIX": self.prefix, "FAULT": f"gate:{fault}" if fault else ""}
        environment = {**os.environ, **{f"DUALGATE_{name}": value for name, value in given.items()}}
        with self.log.open("ab") as log:
            self._gates.append(subprocess.Popen(COMMAND, env=environment, stdout=log, stderr=log, start_new_session=True))
        return self._gates[-1]

    def append(self, entries: Iterable[LedgerEntry | bytes]) -> None:
        """Write entries to the ledger, bytes as they are."""
        for entry in entries:
            value = entry if isinstance(entry, bytes) else CODEC.encode(entry)
            self._producer.produce(self.prefix + LEDGER, value, b"m")
        assert self._producer.flush(WAIT_S) == 0

    def ledger(self) -> list[tuple[At, LedgerEntry | None]]:
        """Return the ledger as it is now; None is what cannot be decoded."""
        found: list[tuple[At, LedgerEntry | None]] = []
        for message in read_all(self.servers, self.prefix + LEDGER):
            at = At(0, message.offset(), message.timestamp()[1])
            try:
                found.append((at, CODEC.decode(LedgerEntry, message.value())))
            except RecordError:
                found.append((at, None))
        return found

    def applied(self) -> int:
        """Return the greatest ledger offset that a record of the table has applied: a gate appends them in their order.

        A zombie adds one old record at most, so the last few tell; looking at all of them would keep the broker busy.
        """
        rows = [json.loads(row) for row in self._rows(LOOKED_AT) if row is not None]
        return max((int(row["off"]) for row in rows), default=-1)

    def _rows(self, last: int | None = None) -> list[bytes | None]:
        changelog = self.prefix + "dualgate-gate-state-changelog"
        consumer_sees = self._producer.list_topics(timeout=WAIT_S).topics
        return [message.value() for message in read_all(self.servers, changelog, last=last)] if changelog in consumer_sees else []

    def kept(self) -> int:
        """Return how many records the table's changelog holds, superseded ones too."""
        return len(self._rows())

    def await_applied(self, offset: int, timeout_s: float = WAIT_S) -> None:
        """Return once a gate has applied the ledger up to an offset."""
        await_true(lambda: self.applied() >= offset, f"ledger offset {offset}", timeout_s)

    def published(self, topic: str) -> list[Any]:
        """Return the records of an output topic, repeated ones too."""
        return [CODEC.decode(RECORDS[topic], message.value()) for message in read_all(self.servers, self.prefix + topic)]

    def expected(self) -> list[Output]:
        """Return what the undisturbed fold publishes over the ledger as far as it was applied."""
        applied = self.applied()
        return list(fold_ledger((at, entry) for at, entry in self.ledger() if entry is not None and at.offset <= applied))

    def verify(self) -> str:
        """Run `dualgate verify` on the migration as anybody would; return its words, AssertionError unless all is equal."""
        given = ["verify", "m", "--bootstrap-servers", self.servers, "--prefix", self.prefix]
        found = subprocess.run([*CLI, *given], capture_output=True, text=True, check=False, timeout=WAIT_S)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    def stop(self, gate: "subprocess.Popen[bytes]") -> int:
        """Ask a gate to stop; return its exit code."""
        gate.terminate()
        return gate.wait(WAIT_S)

    def end(self) -> None:
        """End what still runs."""
        for gate in self._gates:
            if gate.poll() is None:
                gate.send_signal(signal.SIGCONT)
                gate.kill()
                gate.wait()


@contextmanager
def world(servers: str, prefix: str, folder: Path) -> Iterator[World]:
    """A world for the time of the block; no process outlives it."""
    made = World(servers, prefix, folder / "gate.log")
    try:
        yield made
    finally:
        made.end()


def without_repeats(records: Iterable[Any]) -> list[Any]:
    """Return records in the order in which each was first published; a repetition is the same in every field."""
    return list({repr(record): record for record in records}.values())
