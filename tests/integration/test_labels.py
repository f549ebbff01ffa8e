"""A rated migration on a real broker: rater over HTTP, scoring and gate as they run, a person's file of verdicts, a decision."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from dualgate.cli.main import main
from dualgate.schemas.codec import Codec
from dualgate.schemas.records import Pair
from dualgate.schemas.settings import load_settings
from support.gate_process import world
from support.rater_server import Reply, endpoint, verdict
from support.scoring import pair, shop
from support.scoring_thread import Running
from support.waiting import WAIT_S, await_true

pytestmark = pytest.mark.kafka
CODEC = Codec()
T0 = 1_700_000_000_000
RIGHT, WRONG = "SELECT 1", "SELECT 2"
N = 160
FILE = """migration: m1
incumbent: incumbent:1
challenger: challenger:1
mode: replay
scoring:
  database: sqlite:///shop.sqlite
  rater: {{url: {url}, model: judge, retries: 0, timeout: 60s, label_probability: 0.5}}
dimensions:
  correctness: {{null: 0.0, design: 0.4}}
  latency: {{sla_ms: 200, null: 0.2, design: 0.02, worse_by: 0.05}}
  semantic: {{null: 0.6, design: 0.85, worse_by: 0.1}}
  safety: {{null: 0.2, design: 0.02, worse_by: 0.05, classes: {{}}}}
phases:
  calibrating: {{pairs: 20}}
  shadow: {{min_duration: 0s, min_pairs: 50, max_pairs: 2000}}
  canary: {{share: 0.05, observations: 1000, min_duration: 1h}}
"""


def rates(body: dict[str, Any]) -> Reply:
    """A rater that is always right."""
    return verdict(RIGHT in json.loads(body["messages"][1]["content"])["answer"])


def asked(i: int) -> Pair:
    """Query i, to which the incumbent is right one time in three."""
    query: dict[str, Any] = {"query_id": f"q{i}", "asked_at_ms": T0 + 60_000 * i, "text": f"how many in {i}?"}
    return pair(RIGHT if i % 3 == 0 else WRONG, RIGHT, golden_id=None, **query)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run the command as people do; return what it printed as JSON."""

    def run(*words: str, code: int | None = 0) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*words, "--json"])
        told = capsys.readouterr()
        assert code in (None, ended.value.code or 0), told.err
        return json.loads(told.out)

    return run


def test_a_persons_verdicts_decide_what_a_rater_has_rated(
    kafka: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path, said: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Nothing is accepted by the rater's word; the file that `label --wanted` writes, filled in, decides; verify agrees."""
    make_topics(partitions=1)
    monkeypatch.setenv("DUALGATE_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("DUALGATE_TOPIC_PREFIX", prefix)
    shop(tmp_path, {})
    file, sheet = tmp_path / "m.yaml", tmp_path / "wanted.csv"
    settings = load_settings({}, bootstrap_servers=kafka, topic_prefix=prefix, partitions=1)
    with endpoint(rates) as server, world(kafka, prefix, tmp_path) as there:
        file.write_text(FILE.format(url=server.url))
        there.gate()
        said("start", str(file))
        producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
        for i in range(N):
            producer.produce(prefix + "pairs", CODEC.encode(asked(i)), f"m1/q{i}", timestamp=T0 + 60_000 * i)
        assert producer.flush(WAIT_S) == 0
        scoring = Running(settings)
        try:
            await_true(lambda: said("status", "m1", code=4)["counters"].get("pairs") == N, "every pair in the gate")
        finally:
            scoring.stop()
        before = said("status", "m1", code=4)
        assert before["phase"] == "SHADOW"
        assert "pairs wait for people's verdicts" in before["waiting_for"]
        wanted = said("label", "m1", "--wanted", "--out", str(sheet))["wanted"]
        assert {(each["answer"], each["epoch"]) for each in wanted} == {("first", 1), ("second", 1)}
        assert len(server.asked) == sum(1 if i % 3 == 0 else 2 for i in range(N))  # an answer that both gave is asked about once
        _fill_in(sheet)
        told = said("label", "m1", "--file", str(sheet), "--who", "ann")
        assert (told["published"], told["not_waited_for"], told["other_epoch"]) == (len(wanted), [], 0)
        await_true(lambda: said("status", "m1", code=None)["phase"] == "CANARY", "the canary")
        assert said("verify", "m1")["equal"]
        again = said("label", "m1", "--query", "q1", "--incumbent", "right")
        assert (len(again["not_waited_for"]), again["other_epoch"]) == (1, 0)
        assert said("label", "m1", "--query", "q1", "--incumbent", "right", "--epoch", "2")["other_epoch"] == 1
        assert said("label", "m1", "--wanted")["wanted"] == []


def _fill_in(sheet: Path) -> None:
    """Say of each answer what is true."""
    with sheet.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with sheet.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"verdict": "right" if row["text"] == RIGHT else "wrong"} for row in rows)
