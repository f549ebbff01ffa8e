"""Faults beyond the matrix: of the input, of topics, of the broker's ground, and workers that come and go."""

import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from dualgate.cli.broker import LocalBroker
from dualgate.schemas.topics import RESPONSES_CHALLENGER, traffic_key
from support.faults.stage import N_QUERIES, Outcome, Stage, stage
from support.faults.story import GOOD, WORSE
from support.pairing_kafka import found
from support.traffic import CHALLENGER, INCUMBENT, QUERY, Sent, Shape
from support.waiting import WAIT_S, await_true

ROUGH = Shape(
    gap_ms=10, delay_ms=500, missing=0.03, late=0.03, early=0.1, twice=0.2, rerun=0.2, orphans=0.05, migrations=(GOOD, WORSE)
)
DISORDER_MS = 300
"""Far enough below the window that what belongs together still does, whatever is read first."""
N_POISON = 200
FULL_BYTES = 64 << 10
# The broker is asked for its topics six times in this.
ASKING_MS = 6_000


def replayed_twice(servers: str) -> Outcome:
    """An archive comes twice at once, and again when its ids are forgotten: nothing is settled or counted twice."""
    with _run(servers) as run:
        archive = [sent for sent in run.story.records if sent.partition < 0]
        run.send(archive)
        run.publish()
        _both(run)
        run.await_all()
        wanted = run.tail.late() + len(archive)
        run.send(archive)
        run.tail.until(lambda: run.tail.late() >= wanted, "the third replay told as late")
        return run.finish(more_late=2 * len(run.story.records))


def poisoned(servers: str) -> Outcome:
    """A migration of which nothing can be read is held, each of its records a dead letter; the others are decided."""
    with _run(servers) as run:
        n = len(run.story.records) // 2
        run.send([*run.story.records[:n], *_poison(run.story.records[0].time), *run.story.records[n:]])
        _both(run)
        run.await_all()
        run.tail.until(lambda: len(run.tail.dead()) >= N_POISON, "all dead letters")
        assert len(run.tail.dead()) == N_POISON
        assert {letter.migration_id for letter in run.tail.dead()} == {"poison"}
        assert '"held": "poison"' in run.log.read_text()
        return run.finish()


def _poison(at_ms: int) -> Iterable[Sent]:
    for i in range(N_POISON):
        yield Sent((QUERY, INCUMBENT, CHALLENGER)[i % 3], at_ms, traffic_key("poison", f"p{i}"), b"\x01garbage")


def rough_input(servers: str) -> Outcome:
    """Repeated, dropped, early, late and orphaned records, out of order within partitions, whole topics behind others."""
    with _run(servers, n=2 * N_QUERIES, shape=ROUGH) as run:
        _both(run)
        for role in (CHALLENGER, QUERY, INCUMBENT, None):
            part = [sent for sent in run.story.records if sent.role == role or (role is None and sent.role > CHALLENGER)]
            run.send(sorted(part, key=lambda sent: sent.time + crc32(sent.key + sent.note.encode()) % DISORDER_MS))
        run.await_all()
        return run.finish()


def broker_restarts(_servers: str) -> Outcome:
    """The broker is killed and started twice while traffic flows."""
    with LocalBroker() as broker, _run(broker.bootstrap_servers) as run:
        _both(run)
        writer = threading.Thread(target=_slowly, args=(run,))
        writer.start()
        for _ in range(2):
            run.goes_on()
            broker.kill()
            broker.start()
        writer.join()
        run.await_all()
        return run.finish()


def _slowly(run: Stage) -> None:
    for _ in range(20):
        run.publish(0.05)
        time.sleep(0.2)
    run.publish()


def full_disk(_servers: str) -> Outcome:
    """The broker can write no further and dies; the worker says so and stops; when there is room again nothing is missing."""
    with LocalBroker() as broker, _run(broker.bootstrap_servers, lives=2) as run:
        run.publish(0.5)
        worker = run.start("pairing")
        run.has_begun("pairing")
        psutil.Process(broker.pid).rlimit(psutil.RLIMIT_FSIZE, (FULL_BYTES, psutil.RLIM_INFINITY))
        writer = threading.Thread(target=run.publish)
        writer.start()
        run.tail.until(lambda: not broker.alive, "the end of the broker")
        run.ends(worker, 1)
        broker.start()
        writer.join()
        _both(run)
        run.await_all()
        return run.finish()


def topic_deleted(servers: str) -> Outcome | None:
    """A topic that is deleted under way stops the worker, which expires nothing for it."""
    with _run(servers, idle_ms=ASKING_MS) as run:
        run.publish(0.5)
        worker = run.start("pairing")
        run.has_begun("pairing")
        _delete(run, RESPONSES_CHALLENGER)
        run.ends(worker, 1)
        name = run.settings.topic_prefix + RESPONSES_CHALLENGER
        assert name in run.log.read_text()
        got, times_settled = found(servers, run.settings.topic_prefix)
        assert set(times_settled.values()) == {1}
        assert got.pairs.items() <= run.story.expected.pairs.items()
        assert got.unpaired.items() <= run.story.expected.unpaired.items()
    return None


def topic_made_anew(servers: str) -> Outcome | None:
    """A topic that is deleted, made again and filled beyond the old positions stops the worker: its id is another."""
    with _run(servers, idle_ms=ASKING_MS) as run:
        run.publish(0.5)
        worker = run.start("pairing")
        run.has_begun("pairing")
        _delete(run, RESPONSES_CHALLENGER)
        name = run.settings.topic_prefix + RESPONSES_CHALLENGER
        admin = AdminClient({"bootstrap.servers": servers})
        for future in admin.create_topics([NewTopic(name, run.settings.partitions)]).values():
            future.result(30)
        run.send([sent for sent in run.story.records if sent.role == CHALLENGER])
        run.ends(worker, 1)
        assert run.start("pairing").wait(WAIT_S) == 1
        assert name in run.log.read_text()
    return None


def _delete(run: Stage, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": run.settings.bootstrap_servers})
    name = run.settings.topic_prefix + topic
    for future in admin.delete_topics([name]).values():
        future.result(30)
    await_true(lambda: name not in admin.list_topics(timeout=WAIT_S).topics, "the deletion")


def scaled_out_and_in(servers: str) -> Outcome:
    """From one worker to four and back to one while traffic flows, windows ending all the time."""
    with _run(servers, partitions=4) as run:
        run.start("scoring")
        run.start("pairing")
        writer = threading.Thread(target=_slowly, args=(run,))
        writer.start()
        run.has_begun("pairing")
        more = []
        for n in (2, 3, 4):
            more.append(run.start("pairing"))
            run.assigned(n * (n + 1) // 2)  # each of the n workers anew
        run.tail.until(lambda: _members(run) == 4, "four workers with a group each")
        for worker in more:
            worker.terminate()
            run.ends(worker, 0)
        writer.join()
        run.await_all()
        return run.finish()


def _members(run: Stage) -> int:
    """Return how many assignments of exactly one group were told."""
    return sum(run.log.read_text().count(f'"assigned": [{number}]') > 0 for number in range(4))


def rolled(servers: str) -> Outcome:
    """Each of three static workers is stopped and started again in turn while traffic flows; nobody else's groups move."""
    with _run(servers, partitions=3) as run:
        run.start("scoring")
        processes = {slot: run.start("pairing", slot=slot) for slot in ("0", "1", "2")}
        writer = threading.Thread(target=_slowly, args=(run,))
        writer.start()
        run.tail.until(lambda: _members(run) == 3, "three workers with a group each")
        for slot, process in processes.items():
            before = run.log.read_text().count('"assigned"')
            process.terminate()
            run.ends(process, 0)
            run.start("pairing", slot=slot)
            run.assigned(before + 1)
        writer.join()
        run.await_all()
        return run.finish()


SPECIALS: dict[str, Callable[[str], Outcome | None]] = {
    "archive-replayed-twice": replayed_twice,
    "one-migration-poisoned": poisoned,
    "rough-input": rough_input,
    "broker-restarts-under-load": broker_restarts,
    "full-disk": full_disk,
    "topic-deleted": topic_deleted,
    "topic-made-anew": topic_made_anew,
    "scaled-out-and-in": scaled_out_and_in,
    "rolling-restart": rolled,
}


def _both(run: Stage) -> None:
    run.start("scoring")
    run.start("pairing")


@contextmanager
def _run(servers: str, *, lives: int = 12, **how: Any) -> Iterator[Stage]:
    """A stage of its own prefix and temporary folder; `how` as for `stage`."""
    with (
        tempfile.TemporaryDirectory(prefix="dualgate-faults-") as folder,
        stage(servers, f"f{uuid.uuid4().hex[:10]}.", Path(folder), LIVES=str(lives), **how) as run,
    ):
        yield run
