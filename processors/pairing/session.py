"""One life of a pairing worker: one transaction a batch, holding the output and the positions of every group it touched.

The session's memory is never ahead of what it will commit next: whatever fails, the session is dropped and a new one is
built from the committed positions. The consumer's group metadata, taken when the assignment was made, fences a zombie.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from confluent_kafka import TopicPartition

from dualgate.processors.pairing.assignment import check_lineage, group_numbers, group_start
from dualgate.processors.pairing.intake import Batch, Place, sort_out
from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.outlet import Outlet
from dualgate.processors.pairing.positions import encode
from dualgate.processors.pairing.records import ROLES, Outputs
from dualgate.processors.runtime import clients
from dualgate.processors.runtime.bounded import close_in_time
from dualgate.processors.runtime.clients import kafka_errors
from dualgate.processors.runtime.hearing import Hearing
from dualgate.schemas.errors import TransientError
from dualgate.schemas.topics import INPUTS

if TYPE_CHECKING:
    from dualgate.processors.pairing.worker import PairingWorker

WAIT_S = 0.2
# A pair waits for the others of its transaction, and after them for each block of their scores. Where two thousand records come
# in that time it is no live traffic, and larger transactions carry the rate.
LINGER = clients.Linger(0.03, many=2_000, longer_s=0.17)


def now_ms() -> int:
    """Return the wall clock in milliseconds."""
    return time.time_ns() // 1_000_000


class PairingSession:
    """One life of a worker in the consumer group, from the committed state on."""

    def __init__(self, worker: "PairingWorker") -> None:
        self._worker = worker
        self._roles = {topic: role for role, topic in enumerate(worker.topics)}
        self._groups: dict[int, GroupLogic] = {}
        self._at_end: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._tenure = 0
        self._lineages: Mapping[str, str] = {}
        self._metadata: Any = None
        self._asked_ms = 0
        self._deaf = False

    def __enter__(self) -> "PairingSession":
        worker = self._worker
        self._outlet = Outlet(worker.settings, worker.transactional_id, worker.codec, worker.at)
        self._consumer = clients.make_consumer(clients.consumer_config(worker.settings, worker.group, worker.instance))
        with kafka_errors("joining the group"):
            self._consumer.subscribe(
                list(worker.topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
        self._hearing = Hearing(worker.settings, self._consumer, worker.topics[0])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._groups.clear()
        self._worker.reporter.look({}, [], ())
        self._outlet.close()
        close_in_time("leaving the group of pairing", self._consumer.close)

    def step(self) -> bool:
        """Consume, fold and commit one batch."""
        with kafka_errors("reading"):
            messages = clients.gather(self._consumer, self._worker.batch, WAIT_S, LINGER, lambda: self._tenure)
        self._hearing.tick(bool(messages))
        batch = sort_out(messages, self._roles, self._worker.instance is not None)
        self._worker.at("consumed")
        outs = self._fold(batch, now_ms())
        self._worker.at("handled")
        committed = self._commit(outs)
        self._pause()
        self._worker.reporter.tick(self._lag, list(self._groups.values()), self._paused)
        return committed

    def _fold(self, batch: Batch, now_ms: int) -> dict[int, Outputs]:
        outs = {number: Outputs() for number in self._groups}
        for place in batch.read:
            self._at_end.pop(place, None)
        self._at_end |= batch.ends
        for number, logic_run in batch.runs:
            self._groups[number].handle(logic_run, now_ms, outs[number])
        for (topic, number), offset in [*batch.ends.items(), *self._still_at_end(now_ms)]:
            self._groups[number].at_end(self._roles[topic], offset, now_ms, outs[number])
        for number, group in self._groups.items():
            group.advance(outs[number])
        return outs

    def _still_at_end(self, now_ms: int) -> list[tuple[Place, int]]:
        """Ask the broker now and then which partitions are still at the end that was read.

        The consumer tells of an end once. That nothing came since says something only if the leader, asked, agrees: a
        worker that cannot reach it would take its own deafness for silence, and expire what has long been answered.
        """
        if now_ms - self._asked_ms < self._worker.patience.confirm_ms:
            return []
        self._asked_ms = now_ms
        try:
            for topic, lineage in self._worker.lineages().items():
                check_lineage(topic, self._lineages.get(topic, lineage), lineage)
            ends = clients.end_offsets(self._worker.admin, self._at_end)
        except TransientError:
            self._deaf = True
            # An old client goes on asking with the leader epoch from before the broker's restart, and is refused.
            self._worker.admin = clients.make_admin(self._worker.settings)
            return []
        if self._deaf:
            self._deaf = False
            for group in self._groups.values():
                group.was_deaf(now_ms)
        return [(place, offset) for place, offset in self._at_end.items() if ends[place] <= offset]

    def _commit(self, outs: dict[int, Outputs]) -> bool:
        changed = [number for number, group in self._groups.items() if group.has_changed()]
        if not changed:
            return False
        offsets = [
            TopicPartition(self._worker.topics[role], number, position.offset, encode(position))
            for number in changed
            for role, position in zip(ROLES, self._groups[number].positions(), strict=True)
        ]
        with self._worker.reporter.transaction([outs[number] for number in changed]):
            self._outlet.commit([(number, outs[number]) for number in changed], offsets, self._metadata)
        self._worker.at("committed")
        return True

    def _pause(self) -> None:
        """Pause what is too far ahead of its siblings, and read on what no longer is."""
        wanted = {(self._worker.topics[role], number) for number, group in self._groups.items() for role in group.paused()}
        if wanted == self._paused:
            return
        with kafka_errors("pausing"):
            self._consumer.pause([TopicPartition(*place) for place in wanted - self._paused])
            self._consumer.resume([TopicPartition(*place) for place in self._paused - wanted])
        self._paused = wanted

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        """Begin with a new assignment: called from inside consume(), between batches."""
        self._drop()
        worker = self._worker
        numbers = group_numbers(partitions, worker.topics, worker.partitions)
        self._lineages = worker.lineages()
        starts = {(p.topic, p.partition): p for p in clients.start_positions(consumer, partitions)}
        for number in numbers:
            places = [starts[topic, number] for topic in worker.topics]
            self._groups[number] = worker.make_group(number, group_start(consumer, number, places, self._lineages))
        with kafka_errors("taking the assignment"):
            consumer.assign([TopicPartition(p.topic, p.partition, p.offset) for p in starts.values()])
            consumer.resume(partitions)  # a pause outlives its assignment inside the client
            self._metadata = consumer.consumer_group_metadata()
        worker.reporter.assigned(numbers)
        worker.at("assigned")

    def _revoked(self, _consumer: Any, _partitions: list[TopicPartition]) -> None:
        self._drop()

    def _drop(self) -> None:
        self._tenure += 1
        self._groups.clear()
        self._at_end.clear()
        self._paused.clear()

    def _lag(self) -> dict[str, int]:
        """Return how many records of each topic are written but not handled, by what the consumer heard last."""
        lag = dict.fromkeys(INPUTS, 0)
        for number, group in self._groups.items():
            for name, topic, handled in zip(INPUTS, self._worker.topics, group.handled(), strict=True):
                ends = self._consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
                lag[name] += max(0, ends[1] - handled) if ends else 0
        return lag
