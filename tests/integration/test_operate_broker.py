"""The operators' verbs on a real broker, with a gate that is the pure fold in a thread."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from dualgate.cli.main import main
from dualgate.cli.metrics import Watched
from dualgate.cli.operate.watching import Follower
from dualgate.gate.fold import At, migration_of, step
from dualgate.gate.state import MigrationState
from dualgate.lab.verify import verify_archive
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import LedgerEntry
from dualgate.schemas.settings import Settings, load_settings
from dualgate.sinks.archive.sink import DECIDED, Archiver
from support.gate_process import CLI
from support.ledgers import BETTER, EASY, GOOD, HEAD, SHORT, WORSE, quality
from support.waiting import WAIT_S

pytestmark = pytest.mark.kafka


class FoldingGate(threading.Thread):
    """Applies the ledger from its start by the pure fold and publishes what comes out, until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._prefix, self._codec = settings.topic_prefix, Codec()
        self._stopped = threading.Event()
        self._states: dict[str, MigrationState | None] = {}
        servers = settings.bootstrap_servers
        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": "folding-gate", "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(self._prefix + "ledger", 0, OFFSET_BEGINNING)])
        self._producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})

    def run(self) -> None:
        while not self._stopped.is_set():
            for message in self._consumer.consume(100, 0.1):
                if message.error() is None:
                    self._apply(message)
            self._producer.flush(10)
        self._consumer.close()

    def _apply(self, message: Any) -> None:
        entry = self._codec.decode(LedgerEntry, message.value())
        name = migration_of(entry)
        assert name is not None
        at = At(message.partition(), message.offset(), message.timestamp()[1])
        self._states[name], outputs = step(self._states.get(name), name, entry, at)
        for output in outputs:
            self._producer.produce(self._prefix + output.topic, self._codec.encode(output.record), output.key)

    def __enter__(self) -> "FoldingGate":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()


@pytest.fixture
def settings(kafka: str, prefix: str, make_topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Fresh topics, and the environment that the command reads them from."""
    make_topics()
    monkeypatch.setenv("DUALGATE_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("DUALGATE_TOPIC_PREFIX", prefix)
    return load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix)


@pytest.fixture
def gate(settings: Settings) -> Iterator[FoldingGate]:
    with FoldingGate(settings) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A migration file that needs few pairs."""
    path = tmp_path / "migration.yaml"
    path.write_text(HEAD + SHORT + EASY)
    return path


class Say:
    """Runs the command; `say(...)` returns exit code and the JSON that was printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.err = ""

    def __call__(self, *words: str) -> tuple[int, Any]:
        code, text = self.text(*words, "--json")
        return code, json.loads(text) if text.strip() else {"error": self.err}

    def text(self, *words: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = 0
        try:
            main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = self._capsys.readouterr()
        self.err = captured.err
        return code, captured.out


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    return Say(capsys)


def publish(settings: Settings, *entries: LedgerEntry | bytes, key: str = "m", topic: str = "ledger") -> None:
    """Append to a topic, the ledger unless told otherwise."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "partitioner": "murmur2_random"})
    for entry in entries:
        value = entry if isinstance(entry, bytes) else Codec().encode(entry)
        producer.produce(settings.topic_prefix + topic, value, key)
    assert producer.flush(WAIT_S) == 0


def pairs(settings: Settings, config_hash: str, kinds: list[Any], first: int = 0) -> None:
    """Append a block of pairs."""
    publish(settings, quality(kinds, first, (1, config_hash)))


def test_a_migration_is_operated_from_start_to_abort(settings: Settings, gate: FoldingGate, file: Path, say: Say) -> None:
    """Each command says what it changed; a repeated one that it changed nothing; status and explain follow."""
    code, started = say("start", str(file), "--reason", "ready")
    assert (code, started["outcome"], started["phase"], started["sequence"]) == (0, "applied", "CALIBRATING", 1)
    code, again = say("start", str(file))
    assert (code, again["outcome"]) == (0, "unchanged")
    assert say("status", "m")[0] == 4
    pairs(settings, started["config_hash"], [GOOD, BETTER] * 50)
    code, paused = say("pause", "m", "--reason", "freeze")
    assert (code, paused["outcome"], paused["phase"]) == (0, "applied", "CANARY")
    code, told = say("status", "m")
    assert (code, told["verdict"], told["paused"], told["live_share"]) == (0, "promoted", True, 0.05)
    assert "resume: the migration is paused" in told["waiting_for"]
    code, explained = say("explain", "m", "--sequence", "3")
    assert (code, explained["rule"], len(explained["proof"])) == (0, "accepted", 4)
    assert say("resume", "m")[1]["outcome"] == "applied"
    code, refused = say("approve", "m")
    assert (code, refused["outcome"]) == (2, "refused")
    assert "nothing waits for approval" in refused["reason"]
    code, aborted = say("abort", "m", "--reason", "wrong build")
    assert (code, aborted["from_phase"], aborted["phase"], aborted["live_share"]) == (0, "CANARY", "ABORTED", 0.0)
    assert say("status", "m")[0] == 3
    code, verified = say("verify", "m")
    assert (code, verified["equal"], verified["first_difference"]) == (0, True, None)
    assert verified["decisions"] >= 7
    assert say("retry", "m")[1]["epoch"] == 2


def test_verify_on_the_broker_finds_what_the_ledger_does_not_give(
    settings: Settings, gate: FoldingGate, file: Path, say: Say
) -> None:
    """A record that somebody else put into evidence, under whatever key, and a foreign migration, are told from one another."""
    say("start", str(file))
    _, told = say("explain", "m")
    forged = {name: value for name, value in told.items() if name not in ("proof", "dimensions")}
    forged |= {"decision_id": "m/1/9", "dimensions": {}}
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    producer.produce(settings.topic_prefix + "evidence", json.dumps({"decision": forged}), "x")
    assert producer.flush(WAIT_S) == 0
    code, verified = say("verify", "m")
    assert (code, verified["equal"], verified["first_difference"]["decision_id"]) == (1, False, "m/1/9")
    assert say("verify", "other")[0] == 2
    assert f"there is no migration other on {settings.bootstrap_servers}; known: m" in say.err


def test_verify_says_the_same_of_a_migration_and_of_its_archive(
    settings: Settings, gate: FoldingGate, file: Path, say: Say, tmp_path: Path
) -> None:
    """Bytes that somebody wrote among the decisions are named by both and make neither fail."""
    say("start", str(file))
    publish(settings, b"junk", key="m", topic="evidence")
    publish(settings, b"junk", key="x", topic="evidence")
    code, live = say("verify", "m")
    Archiver(tmp_path / "archive", settings, DECIDED).run(lambda: True)
    archived = verify_archive(tmp_path / "archive")
    assert (code, live["equal"], archived["equal"]) == (0, True, True)
    assert live["unreadable"] == archived["unreadable"]
    assert len(live["unreadable"]) == 2
    assert live["decisions"] == archived["decisions"] == 1


def test_status_watches_until_the_end(settings: Settings, gate: FoldingGate, file: Path, say: Say) -> None:
    """Without a terminal a line at each change, the whole at the end, and the exit code of the verdict."""
    _, started = say("start", str(file))
    with subprocess.Popen([*CLI, "status", "m", "--watch"], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("m: CALIBRATING, challenger serves 0%")
        pairs(settings, started["config_hash"], [WORSE] * 200)
        text = watching.stdout.read()
    assert watching.returncode == 3
    assert "m: REJECTED(worse)" in text
    assert "last decision: " in text


def test_without_a_gate_the_command_stands_in_the_ledger(settings: Settings, file: Path, say: Say) -> None:
    """No answer in time is a failure that says so; a gate that comes later carries the command out."""
    code, sent = say("start", str(file), "--timeout", "0.5")
    assert (code, sent["outcome"], sent["ledger"]["offset"]) == (1, "unanswered", 0)
    assert "no gate answered within 0.5 s" in say.err
    assert say("start", str(file), "--no-wait")[1]["outcome"] == "published"
    assert say("status", "m")[0] == 2
    assert "has told of a migration m; known: none" in say.err
    with FoldingGate(settings):
        assert say("pause", "m")[1]["outcome"] == "applied"
    assert say("status", "m")[1]["paused"] is True


def test_a_command_on_an_unknown_migration_is_refused(gate: FoldingGate, say: Say) -> None:
    """The gate answers, and what it says is bad input. A refusal makes no migration: nothing of it is equal to anything."""
    code, refused = say("rollback", "nobody")
    assert (code, refused["outcome"]) == (2, "refused")
    assert "there is no migration nobody" in refused["reason"]
    assert say("verify", "nobody")[0] == 2
    assert "the ledger has only commands for it that were refused; known: none" in say.err


def test_what_cannot_be_decoded_in_the_ledger_is_no_hole(settings: Settings, file: Path, say: Say) -> None:
    """Bytes that are no entry keep their place: decisions before and after them are recomputed."""
    publish(settings, b"\xff", key="m")
    say("start", str(file), "--no-wait")
    code, verified = say("verify", "m")
    assert (code, verified["entries"], verified["incomplete"]) == (1, 2, [])
    assert verified["first_difference"]["recorded"] is None


def test_several_migrations_are_told_one_by_one(settings: Settings, gate: FoldingGate, file: Path, say: Say) -> None:
    """Without an id status lists all; `--watch` then wants one."""
    say("start", str(file))
    file.write_text(file.read_text().replace("migration: m\n", "migration: n\n"))
    say("start", str(file))
    code, told = say("status")
    assert (code, [each["migration_id"] for each in told["migrations"]]) == (0, ["m", "n"])
    assert say("status", "--watch")[0] == 2
    assert "name one of: m, n" in say.err


def test_no_broker_is_said_with_its_address_in_time(file: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """What writes and what reads names the address that does not answer, and gives up soon."""
    monkeypatch.setenv("DUALGATE_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for words in (("start", str(file)), ("status",)):
        assert say.text(*words)[0] == 1
        assert "no Kafka broker answers at 127.0.0.1:1 within 6 s" in say.err


def test_no_topics_are_told_from_no_migration(kafka: str, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another prefix, or topics that were never created: the message says which topic and how to make it."""
    monkeypatch.setenv("DUALGATE_BOOTSTRAP_SERVERS", kafka)
    assert say.text("pause", "m", "--prefix", "nowhere.")[0] == 2
    assert "no topic nowhere.ledger, nowhere.evidence" in say.err
    assert "dualgate topics create" in say.err
    with pytest.raises(SystemExit) as ended:
        main(["notify", "run", "--webhook", "http://127.0.0.1:9/", "--prefix", "nowhere."])
    assert ended.value.code == 2


def test_an_approval_tells_what_it_let_happen(settings: Settings, gate: FoldingGate, file: Path, say: Say) -> None:
    """A step that is listed waits for its operator, in words; the answer to approve has the new phase and share."""
    file.write_text(file.read_text().replace("steps: [0.5]", "steps: [0.5], approval: [0.5]"))
    _, started = say("start", str(file))
    pairs(settings, started["config_hash"], [GOOD, BETTER] * 100)
    _, told = say("pause", "m")
    assert told["phase"] == "CANARY"
    _, told = say("resume", "m")
    assert told["phase"] == "CANARY"
    assert "an operator's approve of ROLLOUT(0.5)" in say("status", "m")[1]["waiting_for"]
    code, told = say("approve", "m", "--reason", "looked")
    assert (code, told["outcome"], told["phase"], told["live_share"]) == (0, "applied", "ROLLOUT(0.5)", 0.5)
    code, text = say.text("explain", "m", "--history")
    assert code == 0
    assert "approved ROLLOUT(0.5) (looked)" in text


def test_metrics_show_what_status_shows(settings: Settings, gate: FoldingGate, file: Path, say: Say) -> None:
    """The process behind /metrics follows the gate's topics; a migration that no gate has accepted is none."""
    say("start", str(file))
    say("abort", "nobody")
    with Follower(settings) as follower:
        told = {s.name: s for family in Watched(follower.catch_up()).read() for s in family.samples}
    assert told["dualgate_phase"].labels == {"migration": "m", "phase": "CALIBRATING", "verdict": "undecided"}
    assert (told["dualgate_broker_up"].value, told["dualgate_dead_letters"].value) == (1, 0)
