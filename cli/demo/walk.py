"""The demo's walk: each step in its order, and everything ended however it goes."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from dualgate.cli.broker import LocalBroker
from dualgate.cli.demo.crew import Crew, ProcessDied, last_lines
from dualgate.cli.demo.place import claimed, emptied
from dualgate.cli.demo.sample import Sample, sample
from dualgate.cli.demo.screen import Screen
from dualgate.cli.demo.watch import Seen, Watch
from dualgate.cli.output import emit, json_text, say
from dualgate.cli.topic_admin import create_topics
from dualgate.schemas.errors import TransientError
from dualgate.schemas.migration import load_migration
from dualgate.sinks.archive import DECIDED, read_topic
from dualgate.sinks.report import Story, sentence, summary, write_report
from dualgate.sinks.report.summary import EXIT_CODES
from dualgate.sinks.report.words import move_words

PARTITIONS = 4
WORKERS = ("pairing", "scoring", "gate", "router")
POLL_S = 0.2
START_S = 180.0
QUIET_S = 30.0


class Interrupted(KeyboardInterrupt):
    """The demo was asked to end by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def walk(out: Path, seed: int, json: bool) -> int:
    """Run the demo and return its exit code: 0 completed, 3 turned away, 4 not decided, 1 failed, 128 + n by a signal."""
    try:
        with _signals(), claimed(out):
            document = _run(out, seed)
    except Interrupted as interrupted:
        say(f"\ninterrupted by {interrupted}; every process has been ended")
        return interrupted.exit_code
    emit(document, json, lambda console: _tell(console, out, document))
    return EXIT_CODES[document["verdict"]] if document["verified"] else 1


def _run(out: Path, seed: int) -> dict[str, Any]:
    making = _in_background(lambda: sample(out / "workload", seed, say))
    logs, archive = emptied(out / "logs"), emptied(out / "archive")
    with LocalBroker(progress=say) as broker:
        say(f"Apache Kafka runs on {broker.bootstrap_servers}")
        create_topics(broker.bootstrap_servers, "", PARTITIONS)
        with Crew(logs, _environment(broker.bootstrap_servers)) as crew, Watch(broker.bootstrap_servers, PARTITIONS) as watch:
            _start_workers(crew, archive)
            _until(making.done, crew, broker, "the sample workload")
            made = making.result()
            config = load_migration(made.migration)
            _start_migration(crew, watch, broker, made, config.spec.migration)
            seconds = _follow(crew, watch, broker, Screen(config.spec, made.n_queries), made)
            crew.finish(*WORKERS)
            crew.finish("archive")
            seen = watch.seen
    story = Story.of(config, (line.record() for line in read_topic(archive, "evidence")), seen.n_paired)
    document = _document(story, seen, seconds, _verified(archive))
    write_report(story, out / "report.html")
    (out / "summary.json").write_text(json_text(document) + "\n", encoding="utf-8")
    return document


def _start_workers(crew: Crew, archive: Path) -> None:
    for kind in ("pairing", "scoring", "gate"):
        crew.start(kind, "worker", kind)
    crew.start("archive", "archive", "--out", str(archive), *(word for name in DECIDED for word in ("--topic", name)))


def _start_migration(crew: Crew, watch: Watch, broker: LocalBroker, made: Sample, migration_id: str) -> None:
    """Start the router and the migration, and wait until the gate has accepted it."""
    crew.start("router", "router", migration_id, "--router-id", "demo")
    crew.start("start", "start", str(made.migration), "--reason", "demo", "--timeout", str(START_S), errand=True)
    say(f"started {', '.join((*WORKERS, 'archive'))}, each a process of its own; their logs are beside the archive")
    _until(lambda: crew.done("start") and bool(watch.poll(POLL_S).decisions), crew, broker, "the gate to accept the migration")
    say(f"the gate accepted {migration_id}: {watch.seen.decisions[0].reason}")


def _follow(crew: Crew, watch: Watch, broker: LocalBroker, screen: Screen, made: Sample) -> float:
    """Replay the log and show the run until the migration is over and all of the log is paired.

    Returns the seconds from the first record to the last decision that the router obeyed, or, where the log ends
    undecided, to the last pair that was scored.
    """
    crew.start("replay", "replay", str(made.log), errand=True)
    began = changed = time.monotonic()
    progress: tuple[object, ...] = ()
    with screen:
        while not _over(seen := watch.poll(POLL_S), crew.done("replay"), made.n_queries):
            _alive(crew, broker)
            screen.show(seen)
            if (now := (seen.n_scored, seen.sequence, seen.obeyed)) != progress:
                progress, changed = now, time.monotonic()
            elif crew.done("replay") and time.monotonic() - changed > QUIET_S:
                break  # the log has ended and everything that it can tell has been told
        screen.show(seen, last=True)
    return changed - began


def _over(seen: Seen, replayed: bool, n_queries: int) -> bool:
    """Tell whether the migration is over, the router obeys its last command, and every query is paired or is told why not."""
    return replayed and seen.final and seen.obeyed and seen.n_paired + seen.n_unpaired >= n_queries


def _in_background(make: Callable[[], Sample]) -> Future[Sample]:
    """Make the sample while the processes start; a thread that is left behind ends with this process."""
    made: Future[Sample] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=work, name="sample", daemon=True).start()
    return made


def _until(condition: Callable[[], bool], crew: Crew, broker: LocalBroker, what: str) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        _alive(crew, broker)
        if time.monotonic() > deadline:
            raise TransientError(f"waited {START_S:.0f} s in vain for {what}; see the logs")
        time.sleep(POLL_S / 4)


def _alive(crew: Crew, broker: LocalBroker) -> None:
    """Raise where anything has ended that should go on; the broker first, since the others depend on it."""
    if not broker.alive:
        raise ProcessDied(f"Apache Kafka (pid {broker.pid}) ended; the last lines of its log:\n{last_lines(broker.log)}")
    crew.check()


def _document(story: Story, seen: Seen, seconds: float, verified: dict[str, Any]) -> dict[str, Any]:
    return summary(story) | {
        "sentence": sentence(story),
        "seconds": round(seconds, 2),
        "pairs_per_second": round(seen.n_scored / seconds, 1),
        "verified": bool(verified["equal"]),
        "verify": verified,
        "n_scored": seen.n_scored,
        "unpaired": seen.n_unpaired,
        "dead_letters": seen.n_dead,
        "router": None
        if seen.ack is None
        else {"id": seen.ack.router_id, "epoch": seen.ack.epoch, "sequence": seen.ack.sequence},
    }


def _verified(archive: Path) -> dict[str, Any]:
    """Recompute every decision from the archived ledger."""
    from dualgate.lab.verify import verify_archive

    return verify_archive(archive)


def _tell(console: Console, out: Path, document: dict[str, Any]) -> None:
    tone = {0: "bold green", 3: "bold red", 4: "bold yellow"}[EXIT_CODES[document["verdict"]]]
    console.print(f"\n{document['verdict'].replace('_', ' ').upper()}", style=tone, markup=False)
    console.print(document["sentence"], markup=False)
    for each in document["reasons"]:
        move = move_words(each["from_phase"], each["to_phase"], each["rule"])
        console.print(f"{each['n_pairs']:>8,}  {move}: {each['reason']}", markup=False)
    n, seconds, rate = document["n_scored"], document["seconds"], document["pairs_per_second"]
    console.print(
        f"{n:,} pairs in {seconds:.1f} s ({rate:,.0f} pairs/s through Kafka, pairing, scoring and the gate)", markup=False
    )
    equal = "equal to" if document["verified"] else "DIFFERENT FROM"
    console.print(
        f"verify: {document['verify']['decisions']} decisions, recomputed from the archived ledger, {equal} the live ones"
    )
    if difference := document["verify"]["first_difference"] or document["verify"]["incomplete"]:
        console.print(f"  {difference}", markup=False)
    console.print(f"report: {out / 'report.html'}   summary: {out / 'summary.json'}   archive: {out / 'archive'}", markup=False)


@contextmanager
def _signals() -> Iterator[None]:
    """Turn the first signal that asks to end into `Interrupted`; further ones wait until everything is ended."""

    def interrupt(number: int, _frame: object) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _environment(bootstrap_servers: str) -> dict[str, str]:
    """Return the settings of the processes: ours only, whatever the user's shell has for another cluster."""
    return {"DUALGATE_BOOTSTRAP_SERVERS": bootstrap_servers, "DUALGATE_PARTITIONS": str(PARTITIONS)}
