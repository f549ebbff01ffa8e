"""The transactional producer: outputs of a batch and the positions of its groups, together or not at all."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from dualgate.processors.pairing.records import Output, Outputs
from dualgate.processors.runtime import clients
from dualgate.processors.runtime.bounded import Bounded
from dualgate.processors.runtime.clients import kafka_errors
from dualgate.processors.runtime.dead_letters import dead_letter
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import TransientError
from dualgate.schemas.records import DeadLetter
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import DEAD_LETTERS, PAIRS, UNPAIRED

BEGIN_TIMEOUT_S = 30.0
ABORT_TIMEOUT_S = 5.0
GRACE_S = 2.0


class Outlet:
    """Writes transactions under one transactional id; opening it fences and ends whatever the id's last owner had open."""

    def __init__(self, settings: Settings, transactional_id: str, codec: Codec, at: Callable[[str], None]) -> None:
        self._prefix = settings.topic_prefix
        self._worker = transactional_id
        self._slot = settings.slot is not None
        self._codec = codec
        self._at = at
        self._producer = Producer(clients.transactional_config(settings, transactional_id))
        self._open = False
        self._bounded = Bounded(transactional_id)
        with kafka_errors(f"beginning transactions as {transactional_id}"):
            self._call("init_transactions", BEGIN_TIMEOUT_S, self._producer.init_transactions, BEGIN_TIMEOUT_S)

    def commit(self, outs: Iterable[tuple[int, Outputs]], offsets: Sequence[TopicPartition], group_metadata: Any) -> None:
        """Write the outputs of groups, by number, and the positions in one transaction."""
        with kafka_errors("writing a transaction", self._slot):
            self._producer.begin_transaction()
            self._open = True
            for number, out in outs:
                self._write(PAIRS, number, out.pairs)
                self._write(UNPAIRED, number, out.unpaired)
                self._bury(out.dead)
            self._at("produced")
            timeout_s, producer = clients.TRANSACTION_TIMEOUT_MS / 1000, self._producer
            self._call(
                "sending offsets", timeout_s, producer.send_offsets_to_transaction, list(offsets), group_metadata, timeout_s
            )
            self._at("offsets")
            self._call("commit", timeout_s, producer.commit_transaction, timeout_s)
            self._open = False

    def close(self) -> None:
        """Abort what is open and let go of the producer; what cannot be aborted, the broker ends when its time is over."""
        if self._open:
            with contextlib.suppress(KafkaException, TransientError):
                self._call("abort", ABORT_TIMEOUT_S, self._producer.abort_transaction, ABORT_TIMEOUT_S)
        # The library's close aborts what is open without any time-out: with no broker it would never return.
        with contextlib.suppress(KafkaException, TransientError):  # says again why a fenced producer can do nothing more
            self._call("closing", ABORT_TIMEOUT_S, self._let_go)
        self._bounded.close()

    def _let_go(self) -> None:
        self._producer.purge()
        self._producer.close()

    def _call(self, what: str, timeout_s: float, function: Callable[..., Any], *arguments: Any) -> None:
        self._bounded.call(what, timeout_s + GRACE_S, function, *arguments)

    def _write(self, name: str, partition: int, records: Iterable[Output]) -> None:
        produce, topic = self._producer.produce, self._prefix + name
        for key, value, timestamp_ms in records:
            try:
                produce(topic, value, key, partition, timestamp=timestamp_ms)
            except BufferError:
                self._when_there_is_room(topic, value, key, partition, timestamp_ms)
            except KafkaException as failure:
                if failure.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                self._bury([self._oversized(name, partition, key, value, timestamp_ms)])

    def _when_there_is_room(self, topic: str, value: bytes, key: bytes | None, partition: int, timestamp_ms: int) -> None:
        while True:
            self._producer.poll(0.1)
            with contextlib.suppress(BufferError):
                self._producer.produce(topic, value, key, partition, timestamp=timestamp_ms)
                return

    def _oversized(self, name: str, partition: int, key: bytes, value: bytes, timestamp_ms: int) -> DeadLetter:
        """Return the dead letter of an output that no topic would take; its inputs were within their limits each."""
        return dead_letter(
            (self._prefix + name, partition, -1),
            timestamp_ms,
            key,
            value,
            reason=f"record of {len(value)} bytes for {name} > {clients.MAX_MESSAGE_BYTES}, the largest that is written",
            worker=self._worker,
            migration_id=key.partition(b"/")[0].decode(),
        )

    def _bury(self, letters: Iterable[DeadLetter]) -> None:
        for letter in letters:
            value = self._codec.encode(letter)
            try:
                self._producer.produce(self._prefix + DEAD_LETTERS, value, letter.key)
            except BufferError:
                self._when_there_is_room(self._prefix + DEAD_LETTERS, value, letter.key, 0, 0)
