"""The Kafka shell of scoring: `pairs` and `unpaired` in, blocks on the `ledger` out, each vector counted once.

No transaction is needed. In this order: (1) fold a batch of each partition into blocks; (2) send them and wait until every one
is acknowledged; (3) only then commit the offsets, with the clocks as their metadata. A crash between 2 and 3 sends the same
vectors again, perhaps in blocks cut elsewhere, and the gate applies only what is above its high-water mark of the partition.
Pairs of a migration that has a rater wait beside the batches (`waiting`), and the committed offset stays before them.
"""

import contextlib
import gc
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from dualgate.processors.runtime.bounded import Bounded, close_in_time
from dualgate.processors.runtime.clients import (
    Linger,
    consumer_config,
    gather,
    kafka_errors,
    make_admin,
    make_consumer,
    partition_counts,
    start_positions,
    topic_ids,
    wait_for_broker,
)
from dualgate.processors.runtime.faults import error_of
from dualgate.processors.runtime.hearing import Hearing
from dualgate.processors.runtime.loop import Stop, run_sessions
from dualgate.processors.runtime.points import VARIABLE, fault
from dualgate.processors.scoring.clock import STALE_MS, Clocks, decode_clocks
from dualgate.processors.scoring.fold import Folded, Origin, Raw, ScoringLogic
from dualgate.processors.scoring.follow import Migrations
from dualgate.processors.scoring.metrics import Reporter
from dualgate.processors.scoring.migrations import open_migration
from dualgate.processors.scoring.outlet import Outlet
from dualgate.processors.scoring.turns import Place, Turns
from dualgate.processors.scoring.waiting import Line
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import OwnershipLost
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import DEAD_LETTERS, LEDGER, MIGRATIONS, PAIRS, UNPAIRED

log = logging.getLogger(__name__)

BLOCK_PAIRS = 500
"""Rows of a block: well under a megabyte, and few enough that a phase does not wait for one."""
TURN_PAIRS = 50
"""Rows of a block where partitions take turns: their order is kept to about as many rows of each."""
BATCH = 2_000
POLL_S, LINGER = 0.3, Linger(0.05)
TURN_S = 0.05
"""How long to wait for more records while some wait for their turn."""
COMMIT_TIMEOUT_S = 30.0


def run(settings: Settings, stop: Stop, reporter: Reporter | None = None) -> None:
    """Score until the flag is set; raises ConfigError or StateError where going on would be wrong."""
    settle_collector()
    reporter = reporter or Reporter()
    admin = wait_for_broker(settings)
    names = [settings.topic_prefix + name for name in (PAIRS, UNPAIRED, LEDGER, MIGRATIONS, DEAD_LETTERS)]
    partition_counts(admin, names)
    codec = codec_for(settings.schema_registry_url)
    run_sessions(lambda: _session(settings, codec, reporter), stop)


def settle_collector() -> None:
    """Let the garbage collector look at young objects often, at old ones seldom: thousands of syntax trees stay for long.

    All pairs wait while it looks. Measured on the sample log, new texts: 5 ms of the processor for 20,000 young objects, 430 ms
    for a million (half a second to a second and a half on a busy machine), and in all no more for the former. Trees are cycles:
    what a cache has dropped is freed by a look after two million new objects, some 20,000 new templates, and what such a look
    has met before by one of the next three, at all there is. Memory and the wait grow with it: at a tenth of it (1,000
    templates kept, looks after 200,000) 55 MB wait to be freed and the longest look takes 0.3 s; after a million they were
    150 MB and 1.0 s, at the same cost in all, after 100,000 48 MB and 0.35 s, at a tenth more for each new text.
    """
    gc.set_threshold(20_000, 100, 1)


@contextlib.contextmanager
def _session(settings: Settings, codec: Codec, reporter: Reporter) -> Iterator["ScoringSession"]:
    migrations = Migrations(settings, codec, lambda record: replace(open_migration(record), timed=reporter.timed))
    with (
        contextlib.closing(migrations),
        contextlib.closing(ScoringSession(settings, codec, make_admin(settings), migrations, reporter)) as session,
    ):
        yield session


class ScoringSession:
    """One life of the worker: its place in the group, the clocks of its partitions, its producer."""

    def __init__(self, settings: Settings, codec: Codec, admin: Any, migrations: Migrations, reporter: Reporter) -> None:
        self._reporter = reporter
        self._admin = admin
        self._migrations = migrations
        self._topics = {name: settings.topic_prefix + name for name in (PAIRS, UNPAIRED)}
        self._behind_ms = settings.window_ms + STALE_MS
        self._logic = ScoringLogic(codec, migrations.scoring, f"scoring {settings.slot or ''}".strip())
        self._tenure = 0
        self._slot = settings.slot is not None
        self._at = fault(os.environ.get(VARIABLE))
        self._lineages: Mapping[str, str] = {}
        self._clocks: dict[Place, Clocks] = {}
        self._next: dict[Place, int] = {}
        # Of each partition: behind the last record that was read, and what that was at its end with where the end is.
        self._read: dict[Place, int] = {}
        self._ends: dict[Place, tuple[int, int]] = {}
        self._lines: dict[Place, Line] = {}
        self._turns = Turns()
        self._paused: set[Place] = set()
        instance = None if settings.slot is None else settings.name("scoring", settings.slot)
        self._outlet = Outlet(settings, instance or settings.name("scoring"), codec, reporter)
        self._consumer = make_consumer(consumer_config(settings, settings.name("scoring"), instance))
        self._consumer.subscribe(
            [self._topics[PAIRS], self._topics[UNPAIRED]], on_assign=self._assigned, on_revoke=self._gone, on_lost=self._gone
        )
        self._hearing = Hearing(settings, self._consumer, self._topics[PAIRS])
        self._calls = Bounded("scoring")

    def step(self) -> bool:
        """Score one batch and commit it; return whether there was any."""
        committed = self._step()
        self._reporter.tick(self._lag, len(self._next), lambda: sum(map(len, self._lines.values())))
        return committed

    def _step(self) -> bool:
        with kafka_errors("reading pairs"):
            messages = gather(self._consumer, BATCH, TURN_S if self._turns.waiting() else POLL_S, LINGER, lambda: self._tenure)
        self._hearing.tick(bool(messages))
        self._migrations.drain()
        batches = self._batches(messages)
        if batches:
            self._at("consumed")
        rows = TURN_PAIRS if len(batches) > 1 else BLOCK_PAIRS
        for _round in zip_longest(*(self._chunks(place, records, rows) for place, records in batches.items())):
            self._outlet.settle()
            self._at("sent")
        moved = {*batches, *self._rated()}
        if not moved:
            return False
        self._at("scored")
        self._commit(list(moved))
        self._at("committed")
        return True

    def close(self) -> None:
        """Leave the group and let go of the producer."""
        self._reporter.look({}, 0, 0)
        self._calls.close()
        close_in_time("leaving the group of scoring", self._consumer.close)
        self._outlet.close()
        log.info("scored: %s", dict(self._reporter.counts))

    def _batches(self, messages: Sequence[Any]) -> dict[Place, list[Raw]]:
        """Return what is to be scored now: records whose partition's turn it is."""
        found: dict[Place, list[Raw]] = {}
        now_s = time.time()
        for message in messages:
            error = message.error()
            if error is None:
                place = (message.topic(), message.partition())
                self._read[place] = message.offset() + 1
                raw = Raw(message.offset(), message.timestamp()[1], message.key(), message.value())
                if place in self._turns:
                    self._turns.add(place, raw, now_s)
                else:
                    found.setdefault(place, []).append(raw)
            elif error.code() == KafkaError._PARTITION_EOF:
                place = (message.topic(), message.partition())
                self._ends[place] = (self._read.get(place, 0), message.offset())
            else:
                raise error_of(error, f"reading pairs: {error}", self._slot)
        found |= self._turns.take(BATCH, now_s)
        self._pause()
        return found

    def _pause(self) -> None:
        """Read no further ahead in a partition than the others can follow."""
        wanted = self._turns.full(BATCH)
        with kafka_errors("pausing"):
            self._consumer.pause([TopicPartition(*place) for place in wanted - self._paused])
            self._consumer.resume([TopicPartition(*place) for place in self._paused - wanted])
        self._paused = wanted

    def _chunks(self, place: Place, records: list[Raw], rows: int) -> Iterator[None]:
        """Fold one partition's batch block by block and send each at once: it need not wait for the other partitions' blocks.

        Of a partition each is made only when the one before was acknowledged.
        """
        if place not in self._next:
            raise OwnershipLost(f"{place[0]}/{place[1]} was revoked in mid-batch")
        for start in range(0, len(records), rows):
            chunk = records[start : start + rows]
            origin = Origin(place[0], self._lineages[place[0]], place[1], self._next[place])
            fold = self._logic.pairs if place[0] == self._topics[PAIRS] else self._logic.unpaired
            before = self._clocks[place].encode()
            folded = fold(origin, chunk, self._clocks[place])
            self._lines[place].add(folded.waiting, before)
            self._next[place] = chunk[-1].offset + 1
            self._reporter.counts.update(folded.counts)
            self._outlet.send(folded)
            yield

    def _rated(self) -> Iterator[Place]:
        """Send what the rater has spoken on by now, and yield the partitions it came from."""
        for place, line in self._lines.items():
            entries = list(line.ready())
            if entries:
                self._outlet.send(Folded(entries=entries))
                self._outlet.settle()
                yield place

    def _commit(self, places: Sequence[Place]) -> None:
        epochs = self._migrations.epochs
        offsets = []
        for place in places:
            if place not in self._next:
                raise OwnershipLost(f"{place[0]}/{place[1]} was revoked in mid-batch")
            self._clocks[place].keep(epochs)
            begins = self._lines[place].begins() or (self._next[place], self._clocks[place].encode())
            offsets.append(TopicPartition(*place, *begins))
        with kafka_errors("committing offsets"):
            commit = partial(self._consumer.commit, offsets=offsets, asynchronous=False)
            for committed in self._calls.call("committing offsets", COMMIT_TIMEOUT_S, commit):
                if committed.error is not None:
                    raise error_of(committed.error, f"committing {committed.topic}/{committed.partition}: {committed.error}")

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        """Go on from what was committed, with its clocks; a topic's id is its lineage."""
        self._lineages = topic_ids(self._admin, [self._topics[PAIRS], self._topics[UNPAIRED]])
        places = start_positions(consumer, partitions) if partitions else []
        self._clocks = {(p.topic, p.partition): decode_clocks(p.metadata, self._behind_ms) for p in places}
        self._next = {(p.topic, p.partition): p.offset for p in places}
        self._read, self._ends = dict(self._next), {}
        self._lines = {place: Line() for place in self._next}
        pairs = [place for place in self._next if place[0] == self._topics[PAIRS]]
        self._turns = Turns.of(pairs, beside=self._next.keys() - pairs)
        self._paused = set()
        self._tenure += 1
        self._reporter.assignments += 1
        consumer.assign([TopicPartition(p.topic, p.partition, p.offset) for p in places])
        consumer.resume(partitions)  # a pause outlives its assignment inside the client
        self._at("assigned")

    def _gone(self, _consumer: Any, _partitions: list[TopicPartition]) -> None:
        self._tenure += 1
        self._clocks, self._next, self._lines = {}, {}, {}
        self._turns, self._paused = Turns(), set()

    def _lag(self) -> dict[str, int]:
        """Return how many records of each topic are written but not scored, by what the consumer heard last.

        The last record of a partition is followed by the marker of its transaction, which is no record.
        """
        lag = dict.fromkeys((PAIRS, UNPAIRED), 0)
        for place, next_offset in self._next.items():
            last, end = self._ends.get(place, (0, 0))
            reached = max(next_offset, end) if next_offset >= last else next_offset
            marks = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            lag[PAIRS if place[0] == self._topics[PAIRS] else UNPAIRED] += max(0, marks[1] - reached) if marks else 0
        return lag
