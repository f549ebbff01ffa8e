"""What the demo sees of the run: a fold of the ledger and of the evidence, and the consumer that feeds it."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from dualgate.schemas import records
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import (
    DeadLetter,
    DecisionRecord,
    EvidenceRecord,
    EvidenceSnapshot,
    LedgerEntry,
    QualityBlock,
    RoutingAck,
)
from dualgate.schemas.topics import BY_NAME, DEAD_LETTERS, EVIDENCE, LEDGER, PAIRS, UNPAIRED
from dualgate.sinks.report import verdict_of

WATCHED = (LEDGER, EVIDENCE, DEAD_LETTERS)
COUNTED = (PAIRS, UNPAIRED)


@dataclass(slots=True)
class Seen:
    """What has been seen so far; offsets of pairs are counted once although blocks may overlap.

    Once a migration is over its further pairs are not scored, so `n_paired` may end above `n_scored`.
    """

    scored: dict[int, int] = field(default_factory=dict)
    n_paired: int = 0
    n_unpaired: int = 0
    n_scored: int = 0
    n_dead: int = 0
    dead_reason: str = ""
    ack: RoutingAck | None = None
    snapshot: EvidenceSnapshot | None = None
    decisions: list[DecisionRecord] = field(default_factory=list)
    n_evidence: int = 0

    def take(self, record: LedgerEntry | EvidenceRecord | DeadLetter) -> None:
        """Take in one record."""
        if isinstance(record, LedgerEntry):
            self._ledger(record)
        elif isinstance(record, DeadLetter):
            self.n_dead += 1
            self.dead_reason = record.reason
        else:
            self.n_evidence += 1
            self.snapshot = record.snapshot or self.snapshot
            if record.decision is not None and record.decision.kind != "renewal":
                self.decisions.append(record.decision)

    def _ledger(self, entry: LedgerEntry) -> None:
        if entry.quality is not None:
            self._block(entry.quality)
        elif entry.ack is not None:
            self.ack = entry.ack

    def _block(self, block: QualityBlock) -> None:
        reached = self.scored.get(block.partition, 0)
        self.n_scored += sum(offset >= reached for offset in block.offset)
        self.scored[block.partition] = max(reached, block.to_offset)

    @property
    def phase(self) -> str:
        """Return the present phase."""
        moves = [d.to_phase for d in self.decisions if d.to_phase]
        return moves[-1] if moves else "starting"

    @property
    def sequence(self) -> int | None:
        """Return the sequence of the newest routing command."""
        commands = [d.routing_command.sequence for d in self.decisions if d.routing_command]
        return commands[-1] if commands else None

    @property
    def final(self) -> bool:
        """Tell whether the migration is over."""
        return verdict_of(self.phase) not in ("undecided", "promoted")

    @property
    def obeyed(self) -> bool:
        """Tell whether the router has acknowledged the newest command."""
        return self.ack is not None and self.ack.sequence == self.sequence


class Watch:
    """Reads the watched topics from their start into `seen`; in no group, commits nothing."""

    def __init__(self, bootstrap_servers: str, partitions: int) -> None:
        self.seen = Seen()
        self._codec = Codec()
        config: dict[str, Any] = {"bootstrap.servers": bootstrap_servers, "group.id": "dualgate-demo", "log_level": 2}
        self._consumer = Consumer(config | {"enable.auto.commit": False, "fetch.wait.max.ms": 50})
        counted = [(topic, partition) for topic in COUNTED for partition in range(partitions)]
        places = [*((topic, 0) for topic in WATCHED), *counted]
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in places])

    def poll(self, timeout_s: float) -> Seen:
        """Take in what has arrived."""
        for message in self._consumer.consume(2_000, timeout_s):
            if message.error() is None and message.value() is not None:
                self._take(message)
        return self.seen

    def _take(self, message: Any) -> None:
        if message.topic() == PAIRS:
            self.seen.n_paired += 1
            return
        if message.topic() == UNPAIRED:
            self.seen.n_unpaired += 1
            return
        try:
            self.seen.take(self._codec.decode(getattr(records, BY_NAME[message.topic()].value), message.value()))
        except RecordError as error:
            self.seen.n_dead += 1
            self.seen.dead_reason = str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()
