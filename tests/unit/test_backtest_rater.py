"""A backtest whose file names a rater says what the rater does, and does not go on for one that says nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from dualgate.cli.main import main
from dualgate.lab.backtest.asking import HOPELESS
from dualgate.schemas.archive import write_archive
from dualgate.schemas.records import Query, Response
from support.rater_server import Reply, endpoint, verdict

NONSENSE: Reply = (200, {}, b'{"answer": "yes"}')
FILE = """
migration: m
incumbent: i
challenger: c
mode: replay
unit: {{by: query}}
dimensions: {{latency: off, semantic: off, safety: off, correctness: {{null: 0.0, design: 0.1}}}}
scoring: {{dialect: none, rater: {{url: "{url}", model: judge, retries: 0, timeout: 60s, due: 120s, label_probability: 1}}}}
"""


def log_of(folder: Path, n: int) -> Path:
    """Write a log of n pairs, each answer another one."""
    lines: list[tuple[str, str, int, Any]] = []
    for number in range(n):
        at, key, name = number * 1_000, f"m/q{number}", f"q{number}"
        lines.append(("queries", key, at, Query(query_id=name, migration_id="m", asked_at_ms=at, text=f"how many of {name}?")))
        for arm, version in (("incumbent", "i"), ("challenger", "c")):
            told: Any = {
                "query_id": name,
                "migration_id": "m",
                "arm": arm,
                "agent_version": version,
                "output": f"{version} {name}",
            }
            lines.append((f"responses.{arm}", key, at + 20, Response(service_ms=20.0, started_at_ms=at, **told)))
    write_archive(folder / "log.jsonl", lines)
    return folder / "log.jsonl"


def run(folder: Path, url: str, n: int) -> int:
    """Run `dualgate backtest --json` over n pairs with the rater at an address, and return the exit code."""
    (folder / "migration.yaml").write_text(FILE.format(url=url))
    with pytest.raises(SystemExit) as ended:
        main(["backtest", str(log_of(folder, n)), "--config", str(folder / "migration.yaml"), "--json"])
    return int(ended.value.code or 0)


def test_a_rater_that_says_nothing_of_use_ends_the_backtest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its first fault is told at once; after so many nobody waits for the rest, and the tool has failed: exit code 1."""
    with endpoint(*[NONSENSE] * HOPELESS, None) as server:
        code = run(tmp_path, server.url, 300)
    told = capsys.readouterr()
    assert (code, told.out) == (1, "")
    assert "of 600 answers rated" in told.err
    last = told.err.splitlines()[-1]
    assert last.startswith("dualgate: scoring.rater: all of the first ")
    assert 'not what was asked for (choices[0].message.content with JSON of reason and correct): b\'{"answer": "yes"}\'' in last


def test_what_a_rater_did_not_say_is_told_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where some ratings can be used the backtest goes on; how many could not, and why the first could not, is told."""

    def moody(body: dict[str, Any]) -> Reply:
        return verdict(True) if '"answer": "c ' in body["messages"][1]["content"] else NONSENSE

    with endpoint(moody) as server:
        code = run(tmp_path, server.url, HOPELESS - 1)
    told = capsys.readouterr()
    assert code == 4
    rater = json.loads(told.out)["rater"]
    assert (rater["asked"], rater["rated"], rater["unusable"]) == (30, 30, 15)
    assert "note: 15 of 30 ratings were unusable, the first: rater judge: an answer that is not what was asked for" in told.err
