"""The gate as one Faust agent on the ledger. The only file that knows Faust, and what Faust does not promise.

Faust applies records twice after a kill, and at some restarts and rebalances it drops records that it has already fetched and
commits past them. So nothing here trusts its position: the table says what has been applied, and

1. only the entry after it is applied; on a gap the entry is dropped without an acknowledgement, and a timer (never the agent,
   whose own seek is overwritten) seeks back to where the table stands;
2. outputs delivered → table written → its changelog record delivered → acknowledged, in this order: a kill anywhere repeats
   the entry's outputs, byte for byte, and loses none;
3. each start claims the ledger by an entry in it; a process that sees a higher claim than its own ends itself;
4. what cannot be decoded or applied is a dead letter and counts as applied; any other exception ends the process.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import faust

from dualgate.gate.fold import At, Output
from dualgate.gate.process import MUST_NOT_SKIP, STOOD_STILL, SUPERSEDED, end, settle_collector
from dualgate.gate.table import Book, Entry, apply
from dualgate.gate.trust import distrust, look
from dualgate.schemas.errors import RecordError, TransientError
from dualgate.schemas.records import Claim, LedgerEntry, Tick
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE, LEDGER, MIGRATIONS

log = logging.getLogger(__name__)

IDLE_S = 120.0
HEAL_S, PATIENCE_S, TICK_S = 0.5, 1.0, 2.0
# The table is read whole at each start: kept short by compacting early and often. It acts where Faust creates the topic.
COMPACTION = {
    "segment.ms": "10000",
    "segment.bytes": "1048576",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "10000",
    "delete.retention.ms": "1000",
}
SETTINGS: dict[str, Any] = {
    "store": "memory://",
    "processing_guarantee": "at_least_once",
    "broker_session_timeout": 15,
    "broker_heartbeat_interval": 3,
    "broker_max_poll_records": 200,
    "consumer_max_fetch_size": 8 << 20,
    "producer_max_request_size": 9 << 20,
    "topic_partitions": 1,
    "topic_disable_leader": True,
    "table_standby_replicas": 0,
    "stream_wait_empty": False,
    "consumer_auto_offset_reset": "earliest",
    "web_enabled": False,
}


class Gate:
    """The Faust application: what is read, held, published and written, and the order of these."""

    def __init__(self, settings: Settings, folder: str, fault: Callable[[str], None]) -> None:
        self._me = uuid.uuid4().hex
        self._codec = codec_for(settings.schema_registry_url)
        self._fault = fault
        self._settings = settings
        identity = settings.name("gate")
        servers = ";".join(f"kafka://{server.strip()}" for server in settings.bootstrap_servers.split(","))
        # One instance id for all gates of a prefix: a second one takes the partition at once, and the claim ends the first.
        # With ids of their own the second would wait for the first one's session, or the first lose the partition unseen.
        self.app = faust.App(identity, broker=servers, consumer_group_instance_id=identity, datadir=folder, **SETTINGS)
        self.ledger = settings.topic_prefix + LEDGER
        self._topics = {
            bare: self.app.topic(settings.topic_prefix + bare, partitions=1, allow_empty=True, **_raw("key"), **_raw("value"))
            for bare in (LEDGER, MIGRATIONS, DECISIONS, EVIDENCE, DEAD_LETTERS)
        }
        self.book: Book | None = None
        self._claimed_at: int | None = None
        self._gap = self._busy = False
        self._n_applied = self._n_before = 0
        self._moved_s, self._patience_s = time.monotonic(), PATIENCE_S
        self._wire()

    def _wire(self) -> None:
        self._table = self.app.Table(
            "state", partitions=1, key_type=bytes, value_type=bytes, extra_topic_configs=COMPACTION, on_recover=self._recovered
        )
        self._written: Any = None
        send = self._table.send_changelog

        def send_changelog(*args: Any, **kwargs: Any) -> Any:
            self._written = send(*args, **kwargs)
            return self._written

        self._table.send_changelog = send_changelog  # type: ignore[method-assign]  # the future is hidden otherwise
        self.app.agent(self._topics[LEDGER], name="gate")(self._follow)
        self.app.task(self._claim)
        self.app.timer(HEAL_S, name="heal")(self._heal)
        self.app.timer(TICK_S, name="tick")(self._tick)

    async def _recovered(self) -> None:
        """Faust has read the changelog: what is held in memory begins anew from the table, if that can be trusted.

        A gate that refuses has not claimed the ledger: it supersedes none that works.
        """
        self._fault("recovered")
        book = Book(dict(self._table.items()), self._me)
        try:
            doubt = distrust(book, await asyncio.to_thread(look, self._settings, self._codec))
        except TransientError as error:
            end(1, f"the gate cannot tell whether to trust its table: {error}")
        if doubt:
            changelog = self._table.changelog_topic.get_topic_name()
            end(
                MUST_NOT_SKIP,
                f"the gate does not start: {doubt}. To fold the whole ledger anew, delete topic {changelog}; "
                "`dualgate verify ID` then tells whether the decisions are the same",
            )
        settle_collector()
        self.book = book

    def _settled(self) -> Book | None:
        """Return the book where the table is whole: while Faust reads the changelog, records go back in time."""
        return None if self.app.rebalancing or self.app.in_recovery else self.book

    async def _follow(self, stream: Any) -> None:
        stream = stream.noack()
        async for event in stream.events():
            try:
                self._busy = True
                if await self._taken(self._read(event.message)):
                    await stream.ack(event)
                    self._fault("acknowledged")
                self._busy = False
            except Exception as error:
                log.exception("ledger entry %d must not be skipped", event.message.offset)
                end(MUST_NOT_SKIP, f"the gate ends itself: {error}")

    def _read(self, message: Any) -> Entry:
        at = At(message.partition, message.offset, round(message.timestamp * 1000))
        try:
            return Entry(at, message.key, message.value, self._codec.decode(LedgerEntry, message.value))
        except RecordError as error:
            return Entry(at, message.key, message.value, None, str(error))

    async def _taken(self, read: Entry) -> bool:
        """Apply the entry if it is the next one; return whether it is applied by now."""
        book, offset = self._settled(), read.at.offset
        self._fence(book, read)
        if book is None or offset > book.applied + 1:
            self._gap = True
            return False
        return offset <= book.applied or await self._applied(book, read)

    def _fence(self, book: Book | None, read: Entry) -> None:
        """End this process where another has claimed the ledger after it."""
        if read.claim_id == self._me and self._claimed_at is None:
            self._claimed_at = read.at.offset
        foreign = read.at.offset if read.claim_id not in (None, self._me) else -1
        newest = max(foreign, book.claim if book else -1)
        if self._claimed_at is not None and newest > self._claimed_at:
            end(
                SUPERSEDED,
                f"a newer gate has claimed the ledger at offset {newest} > {self._claimed_at}; do not restart this one",
            )

    async def _applied(self, book: Book, read: Entry) -> bool:
        """Publish, write, and wait for both; a table that was read anew meanwhile decides for itself what is next."""
        made = apply(book, read, self._me)
        record = book.row(read.at.offset, made)
        self._fault("stepped")
        await self._publish(made.outputs)
        self._fault("published")
        if self._settled() is not book:
            self._gap = True
            return False
        self._table[book.key(made.name)] = record
        self._fault("written")
        await self._written
        self._fault("delivered")
        for key in book.put(read.at.offset, made):
            self._table.pop(key, None)
            await self._written
        self._n_applied += 1
        return True

    async def _publish(self, outputs: Iterable[Output]) -> None:
        """Send in their order, and wait until the broker has all."""
        for sent in [await self._send(output.topic, output.key, output.record) for output in outputs]:
            await sent

    async def _send(self, topic: str, key: str, record: Any) -> Any:
        return await self._topics[topic].send(key=key.encode(), value=self._codec.encode(record))

    async def _claim(self) -> None:
        """Faust starts this when the first recovery is over."""
        claim = Claim(claim_id=self._me, issued_at_ms=_now_ms())
        await (await self._send(LEDGER, "_claim", LedgerEntry(claim=claim)))
        self._fault("claimed")
        log.warning("gate claims the ledger as %s", self._me)

    async def _heal(self) -> None:
        """Seek to where the table stands after a gap, or where nothing moves although there is more to read."""
        book = self._settled()
        if book is None:
            return
        moved, self._n_before = self._n_applied != self._n_before, self._n_applied
        behind = [place for place in self._places() if book.applied + 1 < (self.app.consumer.highwater(place) or 0)]
        if moved or not behind:
            self._moved_s, self._patience_s = time.monotonic(), PATIENCE_S
        still_s = time.monotonic() - self._moved_s
        if still_s > IDLE_S:
            _stood_still(book.applied)
        for place in behind:
            if not self._busy and (self._gap or still_s >= self._patience_s):
                # Each time twice as long: a seek throws away what is on its way, and on a slow road nothing would arrive.
                self._patience_s = max(PATIENCE_S, 2 * still_s)
                self._gap = False
                # In the client's own thread: from this one it may take away the records that it is just handing out.
                await self.app.consumer.seek_wait({place: book.applied + 1})

    def _places(self) -> list[Any]:
        """Return the ledger's partition, where this process has it."""
        return [place for place in self.app.consumer.assignment() if place.topic == self.ledger]

    async def _tick(self) -> None:
        """Let time pass in the ledger for each migration that is under way."""
        book = self._settled()
        if book is None or self._claimed_at is None or book.applied < self._claimed_at or not self._places():
            return
        for state in [state for state in book.states() if state.timed]:
            entry = LedgerEntry(tick=Tick(migration_id=state.migration_id, issued_at_ms=_now_ms()))
            try:
                await (await self._send(LEDGER, state.migration_id, entry))
            except Exception as error:  # a tick that is lost is followed by another
                log.warning("a tick was not written: %s", error)


def _stood_still(applied: int) -> NoReturn:
    end(STOOD_STILL, f"nothing was applied for {IDLE_S:.0f} s after ledger offset {applied}, although there is more to read")


def _raw(which: str) -> dict[str, Any]:
    """Values and keys stay bytes: the codec of the project frames them."""
    return {f"{which}_type": bytes, f"{which}_serializer": "raw"}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
