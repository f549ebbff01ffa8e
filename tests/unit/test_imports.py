"""An import keeps what was published, says what it composed, and names every fault with file and line."""

import os
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from dualgate.cli.main import main
from dualgate.producers.compose import office_hours
from dualgate.producers.imports import Imported, import_predictions, migration_id
from dualgate.schemas.archive import read_archive
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.grants import load_grants
from dualgate.schemas.migration import load_migration
from dualgate.schemas.records import Query

PROFILE = office_hours(14, 0.5)


def row(i: int, **changes: Any) -> dict[str, Any]:
    plain = {
        "id": f"dev_{i}",
        "db_id": "shop",
        "question": f"question {i}?",
        "gold_sql": f"SELECT {i} FROM item",
        "hardness": "easy" if i % 2 else "hard",
        "executable": True,
        "pred": {"old": f"SELECT {i} FROM item", "new": f"SELECT {i}, 1 FROM item", "third": "SELECT 1"},
    }
    return {**plain, **changes}


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    (folder / "nested").mkdir(parents=True)
    for file in (folder / "shop.sqlite", folder / "nested" / "nested.sqlite"):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE item (item_id INTEGER)")
            connection.commit()
    return folder


def predictions(tmp_path: Path, *rows: dict[str, Any] | bytes) -> Path:
    path = tmp_path / "dev.jsonl"
    path.write_bytes(b"".join((r if isinstance(r, bytes) else orjson.dumps(r)) + b"\n" for r in rows))
    return path


def imported(path: Path, databases: Path, out: Path, seed: int = 1, **given: Any) -> Imported:
    return import_predictions(
        path,
        databases,
        given.pop("incumbent", "old"),
        given.pop("challenger", "new"),
        out,
        seed=seed,
        profile=PROFILE,
        **given,
    )


def test_questions_and_answers_are_kept_as_published(tmp_path: Path, databases: Path) -> None:
    """Each question is one query with the answer of each system, and its reference query is the golden answer."""
    made = imported(predictions(tmp_path, *(row(i) for i in range(20))), databases, tmp_path / "out")
    records = [line.record() for line in read_archive(tmp_path / "out" / "log.jsonl.zst")]
    golden = {g["golden_id"]: g["sql"] for g in map(orjson.loads, (tmp_path / "out" / "golden.jsonl").read_bytes().splitlines())}
    queries = {r.query_id: r for r in records if isinstance(r, Query)}
    assert (made.n_queries, made.n_records, made.left_out) == (20, 60, {})
    answers = {(r.query_id, r.arm): r for r in records if not isinstance(r, Query)}
    for query_id, query in queries.items():
        assert query.golden_id is not None
        i = int(query.golden_id.removeprefix("dev_"))
        assert query.text == f"question {i}?"
        assert query.stratum == ("easy" if i % 2 else "hard")
        assert golden[query.golden_id] == f"SELECT {i} FROM item"
        assert answers[query_id, "incumbent"].output == f"SELECT {i} FROM item"
        assert answers[query_id, "challenger"].output == f"SELECT {i}, 1 FROM item"
        assert answers[query_id, "challenger"].agent_version == "new"


def test_what_is_composed_is_said(tmp_path: Path, databases: Path) -> None:
    """Every query's context says that arrival and latency are composed."""
    made = imported(predictions(tmp_path, row(1)), databases, tmp_path / "out")
    (query,) = (r for r in (line.record() for line in read_archive(tmp_path / "out" / "log.jsonl.zst")) if isinstance(r, Query))
    assert query.context["composed"] == made.composed == "arrival,latency"


def test_the_log_is_in_time_order_and_queries_precede_their_answers(tmp_path: Path, databases: Path) -> None:
    """Lines never go back in time, and no answer stands before its query."""
    imported(predictions(tmp_path, *(row(i) for i in range(50))), databases, tmp_path / "out")
    lines = list(read_archive(tmp_path / "out" / "log.jsonl.zst"))
    times = [line.timestamp_ms for line in lines]
    assert times == sorted(times)
    seen: set[str | None] = set()
    for line in lines:
        assert line.topic == "queries" or line.key in seen
        seen.add(line.key)


def order(out: Path) -> list[str]:
    records = (line.record() for line in read_archive(out / "log.jsonl.zst"))
    return [r.golden_id for r in records if isinstance(r, Query) and r.golden_id]


def test_the_seed_shuffles(tmp_path: Path, databases: Path) -> None:
    """The same seed gives the same bytes, another seed another order of the same questions."""
    path = predictions(tmp_path, *(row(i) for i in range(30)))
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        imported(path, databases, tmp_path / name, seed)
    assert (tmp_path / "a" / "log.jsonl.zst").read_bytes() == (tmp_path / "b" / "log.jsonl.zst").read_bytes()
    first, other = order(tmp_path / "a"), order(tmp_path / "c")
    assert first != other
    assert Counter(first) == Counter(other) == Counter(f"dev_{i}" for i in range(30))


def test_questions_that_cannot_be_executed_are_left_out(tmp_path: Path, databases: Path) -> None:
    """A question that says so, whose reference query the database refuses, or whose database is absent, is counted."""
    unusable = [row(2, executable=False), row(3, gold_sql="SELECT nothing FROM item"), row(4, pred={"old": "x"})]
    absent = [row(5, db_id="absent"), row(6, db_id="absent", executable=False)]
    made = imported(predictions(tmp_path, row(1), *unusable, *absent), databases, tmp_path / "out")
    assert made.n_queries == 1
    assert made.left_out == {"without a database of their db_id": 1, "not executable": 3, "not asked of both": 1}


def test_questions_without_a_name_are_called_by_their_line(tmp_path: Path, databases: Path) -> None:
    """An id may be a number or absent: the golden answer is found all the same."""
    imported(predictions(tmp_path, row(1, id=17), row(2, id=None)), databases, tmp_path / "out")
    golden = [orjson.loads(line)["golden_id"] for line in (tmp_path / "out" / "golden.jsonl").read_bytes().splitlines()]
    records = [line.record() for line in read_archive(tmp_path / "out" / "log.jsonl.zst")]
    assert golden == sorted(str(r.golden_id) for r in records if isinstance(r, Query)) == ["17", "line-2"]


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_a_system_that_gave_nothing_has_answered_with_an_error(tmp_path: Path, databases: Path, nothing: str | None) -> None:
    """No prediction is an explicit error of that system, which is evidence."""
    imported(predictions(tmp_path, row(1, pred={"old": "SELECT 1", "new": nothing})), databases, tmp_path / "out")
    records = [line.record() for line in read_archive(tmp_path / "out" / "log.jsonl.zst")]
    assert {r.arm: r.status for r in records if not isinstance(r, Query)} == {"incumbent": "ok", "challenger": "error"}


def test_databases_are_copied_from_either_layout(tmp_path: Path, databases: Path) -> None:
    """DB.sqlite and DB/DB.sqlite are found, only those in use are copied, and the query's context names its own."""
    made = imported(predictions(tmp_path, row(1), row(2, db_id="nested")), databases, tmp_path / "out")
    assert made.databases == ["nested", "shop"]
    assert sorted(p.name for p in (tmp_path / "out" / "databases").iterdir()) == ["nested.sqlite", "shop.sqlite"]
    records = (line.record() for line in read_archive(tmp_path / "out" / "log.jsonl.zst"))
    found = {r.golden_id: r.context["database"] for r in records if isinstance(r, Query)}
    assert found == {"dev_1": "shop", "dev_2": "nested"}


@pytest.mark.parametrize(("all_dimensions", "on"), [(False, 1), (True, 4)])
def test_the_migration_file_is_valid(tmp_path: Path, databases: Path, all_dimensions: bool, on: int) -> None:
    """The file loads with correctness alone, or with all four dimensions; its grants let the analyst read everything."""
    imported(predictions(tmp_path, row(1)), databases, tmp_path / "out", all_dimensions=all_dimensions)
    config = load_migration(tmp_path / "out" / "migration.yaml")
    assert len(config.spec.dimensions.on) == on
    assert config.spec.dimensions.correctness is not None
    assert (config.spec.dimensions.correctness.null, config.spec.dimensions.correctness.design) == (0.0, 0.05)
    assert (config.spec.mode, config.spec.unit.by) == ("replay", "query")
    assert (config.spec.incumbent, config.spec.challenger) == ("old", "new")
    assert load_grants(tmp_path / "out" / "grants.yaml")["analyst"].may_read("anything", "at all")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (b"{", "dev.jsonl:2: not JSON"),
        (b"[]", "dev.jsonl:2: is list"),
        (row(2, gold_sql=None), "dev.jsonl:2: gold_sql is None; it must be a text"),
        (row(2, db_id="../shop"), "dev.jsonl:2: db_id '../shop' must match"),
        (row(2, pred="SELECT 1"), "dev.jsonl:2: pred is 'SELECT 1'; it must be an object of system to SQL"),
        (row(1), "dev.jsonl:2: id 'dev_1' is given twice (first at "),
        (row(2, id=True), "dev.jsonl:2: id is True; it must be a text or a whole number"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, databases: Path, second: Any, words: str) -> None:
    """Every fault of the file is an error with file, line, value and what is accepted."""
    with pytest.raises(ConfigError) as caught:
        imported(predictions(tmp_path, row(1), second), databases, tmp_path / "out")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"challenger": "newer"}, "has no system 'newer'; it has new, old, third"),
        ({"challenger": "old"}, "incumbent and challenger are both 'old'"),
        ({"seed": -1}, "seed=-1 must be 0 or greater"),
    ],
)
def test_an_impossible_argument_is_named(tmp_path: Path, databases: Path, given: dict[str, Any], words: str) -> None:
    """Systems that the file does not have, one system twice, and a negative seed are refused."""
    with pytest.raises(ConfigError) as caught:
        imported(predictions(tmp_path, row(1)), databases, tmp_path / "out", **given)
    assert words in str(caught.value)


def test_a_file_of_which_nothing_is_left_is_refused(tmp_path: Path, databases: Path) -> None:
    """An import without a single usable question is an error that says why, and where it looked for databases."""
    path = predictions(tmp_path, row(1, executable=False), row(2, db_id="absent"))
    with pytest.raises(ConfigError, match=r"published: no question .*without a database of their db_id 1, not executable 1"):
        imported(path, databases, tmp_path / "out")


def test_a_migration_id_is_made_of_the_systems_names() -> None:
    """Whatever the names are, the id is one that keys and files can carry."""
    assert migration_id("GPT-4 (few shot)", "DIN/SQL") == "gpt-4-few-shot-to-din-sql"


def test_the_verb_says_what_is_composed_and_what_was_left_out(
    tmp_path: Path, databases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verb's words name the laws of what is composed, and count what was left out."""
    path = predictions(tmp_path, row(1), row(2, executable=False))
    words = ["import", str(path), "--databases", str(databases), "--incumbent", "old", "--challenger", "new"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--out", str(tmp_path / "out")])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "left out: 1 not executable" in said
    assert "composed, not recorded: arrival times (14 days of office hours); latencies (lognormal with median 40 ms" in said


PUBLISHED = Path(os.environ.get("DUALGATE_DATA", "")) / "spider"


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="DUALGATE_DATA does not name the folder of published predictions")
def test_the_published_predictions_are_imported_whole(tmp_path: Path) -> None:
    """Of 1,034 published questions the 972 on databases that have rows are imported, for any two of the systems."""
    made = imported(
        PUBLISHED / "spider_dev_paired.jsonl",
        PUBLISHED / "databases",
        tmp_path / "out",
        incumbent="dtssql_deepseek",
        challenger="dtssql_mistral",
    )
    assert (made.n_queries, made.left_out, len(made.databases)) == (972, {"not executable": 62}, 19)
