"""Files of verdicts, the hidden order of answers, and labels in a backtest."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dualgate.cli.label import lacking, told
from dualgate.cli.main import main
from dualgate.cli.operate.labelling import Wanted
from dualgate.lab.backtest.labels import of_epochs, with_labels
from dualgate.lab.backtest.run import archived_epochs, rated_note
from dualgate.processors.scoring.block import hash_of
from dualgate.producers.labels import hidden, read_labels
from dualgate.schemas.archive import Archived
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import DeadLetter, EvidenceRecord, Label, LedgerEntry, Migration
from dualgate.sinks.archive.manifest import Manifest
from dualgate.sinks.archive.segments import OpenSegments
from support.gate import config
from support.rated import Rated, block, migration, verdicts


def file(tmp_path: Path, text: str, name: str = "labels.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sheet_with_both_verdicts(tmp_path: Path) -> None:
    """A row of both verdicts gives two labels by the query's hash; who is the row's, or else the caller's; empty is not yet."""
    path = file(tmp_path, "query_id,incumbent,challenger,who\nq1,right,WRONG,bea\nq2,,1,\nq3,,,\n")
    found = read_labels(path, "m", "ann")
    told = [(label.query_hash, label.arm, label.verdict, label.who) for label in found.labels]
    assert told == [
        (hash_of("m", "q1"), "incumbent", 1.0, "bea"),
        (hash_of("m", "q1"), "challenger", 0.0, "bea"),
        (hash_of("m", "q2"), "challenger", 1.0, "ann"),
    ]
    assert found.blank == 1


def test_a_sheet_names_the_epoch(tmp_path: Path) -> None:
    """The sheet's own epoch goes with each verdict, as CSV, a spreadsheet's or JSON lines; --epoch is for rows without."""
    path = file(tmp_path, "query_id,incumbent,epoch\nq1,right,2\nq2,right,3.0\nq3,right,\n")
    assert [label.epoch for label in read_labels(path, "m", "ann").labels] == [2, 3, None]
    assert [label.epoch for label in read_labels(path, "m", "ann", 7).labels] == [2, 3, 7]
    path = file(tmp_path, '{"query_id": "q1", "challenger": "wrong", "epoch": 4}', "labels.jsonl")
    assert [label.epoch for label in read_labels(path, "m", "ann").labels] == [4]


def test_a_backtest_takes_the_verdicts_of_its_versions() -> None:
    """Of archived verdicts those of its versions' epochs count, of given ones also those that name none; the rest is told."""
    (one,) = [Label(migration_id="m", query_hash="a", arm="incumbent", verdict=1.0, who="x")]
    archived = [replace(one, epoch=epoch, who=f"{epoch}") for epoch in (None, 1, 2)]
    found, others = of_epochs([replace(one, who="given")], archived, {2})
    assert ([(each.who, each.epoch) for each in found], others) == ([("given", None), ("2", None)], 2)
    assert of_epochs([], archived, {1})[1] == 1
    assert of_epochs([], archived, set()) == ([replace(archived[2], epoch=None)], 2)


def test_an_archive_tells_which_epochs_compared_the_versions(tmp_path: Path) -> None:
    """Of the migrations in an archive those with both versions of the file count; what could not be decoded is passed by."""
    made = Migration(
        migration_id="m", epoch=1, config_hash="", config="", incumbent_version="agent:v1", challenger_version="agent:v0",
        accepted_at_ms=1,
    )  # fmt: skip
    dead = DeadLetter(topic="migrations", partition=0, offset=2, timestamp_ms=1, reason="no Avro", worker="w")
    held = OpenSegments(tmp_path, 0)
    held.write("migrations", 0, 0, 1, "m", ("migrations", made))
    held.write("migrations", 0, 1, 1, "m", ("migrations", replace(made, epoch=2, challenger_version="agent:v2")))
    held.write("migrations", 0, 2, 1, "m", ("dead-letters", dead))
    Manifest().having(held.close(), closed=True).write(tmp_path)
    assert archived_epochs(tmp_path, config(migration="m")) == {2}


def test_an_archived_label_of_before_is_read() -> None:
    """A label on an archive of before its epoch was written has none."""
    value = {"label": {"migration_id": "m", "query_hash": "a", "arm": "incumbent", "verdict": 1.0, "who": "x"}}
    assert Archived("ledger", "m", 1, value, 0, 0, "f", 1).record().label.epoch is None


def test_a_sheet_of_hidden_answers(tmp_path: Path) -> None:
    """first and second stand for the arms in the order of a hash, which differs between queries and is the same again."""
    orders = {hidden(f"{i:016x}") for i in range(50)}
    assert orders == {("incumbent", "challenger"), ("challenger", "incumbent")}
    rows = [{"query_hash": f"{i:016x}", "answer": "second", "verdict": True} for i in range(20)]
    path = file(tmp_path, "\n".join(json.dumps(row) for row in rows), "labels.jsonl")
    assert [label.arm for label in read_labels(path, "m", "ann").labels] == [hidden(str(row["query_hash"]))[1] for row in rows]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("query,verdict\nq1,right\n", "labels.csv:1: no column query_id or query_hash"),
        ("query_id,incumbent\nq1,maybe\n", r"labels.csv:2: incumbent='maybe'; accepted: right"),
        ("query_id,verdict\nq1,right\n", "labels.csv:2: arm=None and answer=None; accepted: arm incumbent or challenger"),
        ("query_id,arm,verdict\nq1,both,right\n", "labels.csv:2: arm='both'"),
        ("query_id,arm,answer,verdict\nq1,incumbent,first,right\n", "labels.csv:2: arm='incumbent' and answer='first'"),
        ("query_id,incumbent\n,right\n", "labels.csv:2: no query_id or query_hash"),
        ('{"query_id": "q1", "incumbent": 2}', "labels.csv:1: incumbent=2; accepted"),
        ("query_id,incumbent,epoch\nq1,right,v2\n", "labels.csv:2: epoch='v2'; accepted: a whole number from 1 on"),
        ('{"query_id": ', "labels.csv:1: not JSON"),
    ],
)
def test_faults_of_a_file_are_named(text: str, words: str, tmp_path: Path) -> None:
    """What is no verdict is an error with the file, the line, the value and what is accepted."""
    with pytest.raises(ConfigError) as error:
        read_labels(file(tmp_path, text), "m", "ann")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "label wants one of --wanted, --file FILE, or --query ID"),
        (["--wanted", "--file", "x.csv"], "label wants one of"),
        (["--query", "q1"], "no verdict: give --incumbent right|wrong"),
        (["--query", "q1", "--challenger", "good"], "--challenger='good'; accepted: right"),
        (["--file", "nowhere.csv"], "labels nowhere.csv: No such file"),
        (["--wanted", "--epoch", "2"], "--epoch goes with --file, --query or --hash"),
        (["--query", "q1", "--out", "x.csv", "--challenger", "right"], "--out goes with --wanted"),
    ],
)
def test_faults_of_the_command_are_named(words: list[str], fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that says nothing, too much or nonsense ends with 2 before any broker is asked."""
    with pytest.raises(SystemExit) as ended:
        main(["label", "m", *words])
    assert ended.value.code == 2
    assert fault in capsys.readouterr().err


def test_verdicts_follow_the_block_of_their_pairs() -> None:
    """In a backtest each verdict stands right after the block that holds its pair, and only where the pair was drawn."""
    ledger = migration()
    parts = [
        [Rated("a", (0, 1), (1, 1), drawn=True), Rated("b", (1, 1), (1, 1), drawn=False)],
        [Rated("c", (1, 0), None, drawn=True)],
    ]
    blocks = [LedgerEntry(quality=block(ledger, part)) for part in parts]
    labels = [
        *verdicts(parts[1]),
        *verdicts(parts[0]),
        Label(migration_id="m", query_hash="b", arm="incumbent", verdict=1.0, who="x"),
    ]
    told = [entry.label.query_hash if entry.label else "block" for entry in with_labels(blocks, labels)]
    assert told == ["block", "a", "a", "block", "c", "c"]


def test_a_backtest_tells_who_rated() -> None:
    """The notes of a rated backtest name the rater, and how people's labels stand beside its word."""
    ledger = migration()
    pairs = [Rated(f"q{i}", (0, 1), (0, 1), drawn=i % 2 == 0) for i in range(100)]
    ledger.append(LedgerEntry(quality=block(ledger, pairs)))
    for each in verdicts(pairs[:10]):
        ledger.append(LedgerEntry(label=each))
    evidence = [EvidenceRecord(snapshot=snapshot) for snapshot in ledger.snapshots]
    (told,) = rated_note(ledger.configuration, evidence)
    assert told.startswith(
        "Correctness is rated by judge 1 and corrected by people's labels. Labels: 5 of 50 drawn pairs counted"
    )
    assert "agree on 5 (100%)" in told


def printed(show: Callable[[Console], None]) -> str:
    """Return what a console prints."""
    stream = StringIO()
    show(Console(file=stream, width=1_000))
    return stream.getvalue()


def test_a_verdict_that_nothing_waits_for_is_told_by_the_name_that_was_typed() -> None:
    """It is written to the ledger and changes nothing: whoever misspelt a query must not think that it counts."""
    document = {"migration_id": "m", "published": 1, "not_filled_in": 0, "other_epoch": 0}
    said = printed(lambda console: told(console, document, ["q17"], 1))
    assert said.startswith("m: 1 verdicts were written to the ledger\nno verdict is waited for on 1 of the queries")
    assert "misspelt: q17. What was said of them changes nothing" in said
    assert "waited for" not in printed(lambda console: told(console, document, [], 1))
    ended = printed(lambda console: told(console, document, ["q17"], 1, "ABORTED"))
    assert ended.endswith("m is ABORTED: no verdict counts any more\n")


def test_what_a_sheet_lacks_is_told() -> None:
    """An empty cell is not an empty answer: no result was mirrored, or the topic keeps the pair no more."""
    whole = Wanted("a", "first", 0, 1, "q1", "how many?", "SELECT 1", "1")
    bare, gone = replace(whole, result=None), Wanted("b", "first", 0, 1)
    assert list(lacking([whole, replace(whole, result="")])) == []
    without_result, without_text = lacking([whole, bare, bare, gone])
    assert without_result.startswith("2 of them have no result: the agent mirrored none")
    assert without_text.startswith("1 of them have no text: the topic pairs keeps them no more")
