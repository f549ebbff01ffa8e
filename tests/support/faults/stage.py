"""A broker, workers of both kinds, a story that is published to them, and the comparison of what came out with the oracle."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from dualgate.cli.topic_admin import create_topics
from dualgate.schemas.records import LedgerEntry
from dualgate.schemas.settings import PairingTimes, Settings
from dualgate.schemas.topics import LEDGER, MIGRATIONS
from support.faults.story import GOOD, WORSE, Story, applied, make_story, verdict
from support.pairing_kafka import found, inputs, publish, publish_values, read_all
from support.pairing_sim import compare
from support.tail import Tail
from support.traffic import CODEC, Sent, Shape
from support.worker_process import Workers, workers

SESSION_MS = 3_000
TRANSACTION_MS = 5_000
TIMES = {"window_ms": 1_000, "skew_ms": 250, "grain_ms": 50}
# Windows end by record time all along, the last by sentinels: no outage in a test is taken for a silence.
IDLE_MS = 300_000
SHAPE = Shape(gap_ms=10, delay_ms=600, missing=0.015, late=0.015, migrations=(GOOD, WORSE))
N_QUERIES = 1_500
"""A quarter more than any order of the pairs needs for the verdict: with fewer it would depend on who wrote first."""


@dataclass(frozen=True)
class Outcome:
    """What a run gave, after it was found equal to what the oracle says; `again` rows stood on the ledger and did not count."""

    queries: int
    pairs: int
    unpaired: int
    late: int
    vectors: int
    again: int
    verdicts: tuple[str, ...]
    seconds: float


class Stage:
    """One run: publish, start, break, wait, compare."""

    def __init__(self, settings: Settings, story: Story, tail: Tail, made: Workers, log: Path) -> None:
        self.settings, self.story, self.tail, self.workers, self.log = settings, story, tail, made, log
        self._left = list(story.records)
        self._began = time.monotonic()

    def publish(self, share: float = 1.0) -> None:
        """Write the next share of the story's records."""
        n = round(share * len(self.story.records))
        self.send(self._left[:n])
        self._left = self._left[n:]

    def send(self, records: Iterable[Sent]) -> None:
        """Write records to their topics."""
        publish(self.settings.bootstrap_servers, self.settings.topic_prefix, records)

    def start(self, kind: str, fault: str = "", slot: str = "") -> "subprocess.Popen[bytes]":
        """Start a worker of a kind."""
        return self.workers.start(fault, slot, kind)

    def has_begun(self, kind: str) -> None:
        """Wait until a kind of worker has put something out."""
        rows = self.tail.settled if kind == "pairing" else self.tail.rows
        self.tail.until(lambda: rows() > 0, f"the first output of {kind}")

    def goes_on(self) -> None:
        """Wait until more queries were settled than so far."""
        settled = self.tail.settled()
        self.tail.until(lambda: self.tail.settled() > settled, "more output")

    def assigned(self, n: int) -> None:
        """Wait for the n-th assignment of a pairing worker."""
        self.tail.until(lambda: self.log.read_text().count('"assigned"') >= n, f"assignment {n}")

    def ends(self, process: "subprocess.Popen[bytes]", code: int) -> None:
        """Wait until a worker ends, with this code."""
        self.tail.until(lambda: process.poll() is not None, "the end of a worker")
        assert process.returncode == code, self.log.read_text()[-4_000:]

    def stops(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until a worker has stopped itself."""
        self.tail.until(lambda: _status(process.pid) == psutil.STATUS_STOPPED, "the stop of a worker")

    def wake(self, process: "subprocess.Popen[bytes]") -> None:
        """Wake a worker when its session is surely over: this is what is tested, not hoped for."""
        until = time.monotonic() + SESSION_MS / 1000 + 1.0
        while time.monotonic() < until:
            self.tail.poll()
        process.send_signal(signal.SIGCONT)

    def await_all(self) -> None:
        """Wait until everything that must come out is there, in whatever number."""
        expected, tail = self.story.expected, self.tail
        wanted = len(expected.pairs) + len(expected.unpaired)
        tail.until(lambda: tail.settled() >= wanted and tail.late() >= len(expected.late), f"all of {wanted} queries settled")
        tail.until(lambda: self._counted() >= wanted, f"all of {wanted} queries on the ledger")

    def _counted(self) -> int:
        """Return how many queries the ledger knows, by blocks that may yet repeat each other."""
        found = {name for entry in self.tail.blocks if entry.quality for name in entry.quality.query_hash}
        for block in [entry.coverage for entry in self.tail.blocks if entry.coverage]:
            found |= {name for name, reason in zip(block.query_hash, block.reason, strict=True) if reason != "late"}
        return len(found)

    def finish(self, more_late: int = 0) -> Outcome:
        """End all workers, each of which must stop in order, and compare."""
        codes = self.workers.end()
        assert all(code == 0 for code in codes), self.log.read_text()[-4_000:]
        return self.compare(more_late)

    def compare(self, more_late: int = 0) -> Outcome:
        """Hold pairs, expiries, vectors and verdicts to the oracle of the input topics, when all workers have ended.

        more_late is how many records at most may be told as late beyond the oracle: those of later replays.
        """
        servers, prefix = self.settings.bootstrap_servers, self.settings.topic_prefix
        story = replace(self.story, records=inputs(servers, prefix))
        got, times_settled = found(servers, prefix)
        expected = story.expected
        surplus = Counter(got.late) - Counter(expected.late)
        assert surplus.total() <= more_late, f"{surplus.total()} records told as late too often > {more_late}"
        compare(expected, replace(got, late=sorted((Counter(got.late) - surplus).elements())), times_settled)
        entries = [CODEC.decode(LedgerEntry, message.value()) for message in read_all(servers, prefix + LEDGER)]
        by_name = {name: of_migration(name, entries) for name in story.configs}
        for name, wanted in story.vectors.items():
            vectors = applied(by_name[name])
            differing = {h for h in wanted.keys() | vectors.keys() if wanted.get(h) != vectors.get(h)}
            assert not differing, f"{len(differing)} vectors of {name} differ; lost {len(wanted.keys() - vectors.keys())}"
        verdicts = {name: verdict(config, by_name[name]) for name, config in story.configs.items()}
        assert verdicts == story.verdicts, (verdicts, story.verdicts)
        blocks = [(bool(entry.quality), block) for entry in entries for block in [entry.quality or entry.coverage] if block]
        rows = [(paired, block.partition, offset) for paired, block in blocks for offset in block.offset]
        n = sum(map(len, story.vectors.values()))
        return Outcome(
            queries=n,
            pairs=len(got.pairs),
            unpaired=len(got.unpaired),
            late=len(expected.late),
            vectors=n,
            again=len(rows) - len(set(rows)),
            verdicts=tuple(verdicts.values()),
            seconds=time.monotonic() - self._began,
        )


def of_migration(name: str, entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """Return the entries with blocks of one migration."""
    return [entry for entry in entries if (block := entry.quality or entry.coverage) is not None and block.migration_id == name]


@contextmanager
def stage(
    servers: str,
    prefix: str,
    folder: Path,
    *,
    n: int = N_QUERIES,
    seed: int = 1,
    shape: Shape = SHAPE,
    partitions: int = 2,
    idle_ms: int = IDLE_MS,
    **env: str,
) -> Iterator[Stage]:
    """Topics and a story under a prefix, with the migrations accepted; workers end kindly with the block."""
    create_topics(servers, prefix, partitions)
    given = {"bootstrap_servers": servers, "topic_prefix": prefix, "partitions": partitions, "idle_ms": idle_ms, **TIMES}
    settings = Settings.model_validate(given)
    story = make_story(folder, n, seed, PairingTimes.of(settings), shape, partitions)
    accepted = [(migration.migration_id.encode(), CODEC.encode(migration)) for migration in story.migrations()]
    publish_values(servers, prefix + MIGRATIONS, accepted)
    log = folder / "workers.log"
    short = {"SESSION_MS": str(SESSION_MS), "TRANSACTION_MS": str(TRANSACTION_MS), "BATCH": "300", **env}
    with Tail(servers, prefix) as tail, workers(settings, log, **short) as made:
        try:
            yield Stage(settings, story, tail, made, log)
        except BaseException:
            print(log.read_text()[-6_000:], file=sys.stderr)
            raise


def _status(pid: int) -> str:
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return "gone"
