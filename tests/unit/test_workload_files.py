"""A workload's files: the same from the same seed, in time order, and such that every other verb reads them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from dualgate.cli.main import main
from dualgate.producers.workload.database import COLUMNS, SHARED
from dualgate.producers.workload.files import write_workload
from dualgate.producers.workload.log import MIGRATION, VERSIONS
from dualgate.schemas.archive import Archived, read_archive
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.grants import load_grants
from dualgate.schemas.migration import load_migration
from dualgate.schemas.records import Query, Response

N = 150
FILES = ["databases", "golden.jsonl", "grants.yaml", "log.jsonl.zst", "migration.yaml"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "new" / "folder"
    write_workload(out, 4, N)
    return out


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[Archived]:
    return list(read_archive(folder / "log.jsonl.zst"))


def test_the_promised_names_are_there(folder: Path) -> None:
    """The folder holds the log, the golden answers, the migration, the grants and the databases."""
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert [path.name for path in (folder / "databases").iterdir()] == ["ads.sqlite"]


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Two runs agree in every file; another seed gives another log."""
    write_workload(tmp_path / "same", 4, N)
    write_workload(tmp_path / "other", 5, N)
    for name in (*FILES[1:], "databases/ads.sqlite"):
        assert (tmp_path / "same" / name).read_bytes() == (folder / name).read_bytes(), name
    assert (tmp_path / "other" / "log.jsonl.zst").read_bytes() != (folder / "log.jsonl.zst").read_bytes()


def test_every_query_has_three_answers_after_it(lines: list[Archived]) -> None:
    """The log is in time order; each query is followed by the incumbent's answer, its re-run and the challenger's."""
    times = [line.timestamp_ms for line in lines]
    assert times == sorted(times)
    answers: dict[str | None, set[str]] = {}
    for line in lines:
        if line.topic == "queries":
            answers[line.key] = set()
        else:
            answers[line.key].add(line.topic)
    assert len(answers) == N
    assert all(topics == {"responses.incumbent", "responses.challenger", "responses.rerun"} for topics in answers.values())


def test_records_say_what_scoring_needs(folder: Path, lines: list[Archived]) -> None:
    """Queries name dialect, database, caller, tenant, session turn and golden answer; answers carry SQL, trace and result."""
    grants = load_grants(folder / "grants.yaml")
    golden = {orjson.loads(line)["golden_id"] for line in (folder / "golden.jsonl").read_bytes().splitlines()}
    for line in lines:
        record = line.record()
        assert record.migration_id == MIGRATION
        if isinstance(record, Query):
            assert record.context == {"dialect": "sqlite", "database": "ads", "caller": record.tenant}
            assert record.tenant in grants
            assert record.golden_id in golden
            assert record.rerun
            assert record.session_turn is not None
        else:
            assert isinstance(record, Response)
            assert record.agent_version == VERSIONS[record.arm]
            assert record.output.startswith(("SELECT", "WITH"))
            assert record.trace
            assert record.lane == ("live" if line.topic == "responses.incumbent" else "shadow")


def test_recorded_results_are_those_of_the_database(folder: Path, lines: list[Archived]) -> None:
    """A recorded result is what the answer's SQL gives; where the database refuses it there is none."""
    with closing(sqlite3.connect(folder / "databases" / "ads.sqlite")) as connection:
        for record in (line.record() for line in lines if line.topic != "queries"):
            try:
                cursor = connection.execute(record.output)
            except sqlite3.OperationalError:
                assert record.result is None
                continue
            recorded = orjson.loads(record.result)
            assert recorded["columns"] == [column[0] for column in cursor.description]
            assert recorded["rows"] == [list(row) for row in cursor.fetchall()][:50]


def test_each_account_is_granted_its_own_rows_of_every_table(folder: Path) -> None:
    """Every table may be read; each but the shared ones by the account's rows only."""
    for caller, grant in load_grants(folder / "grants.yaml").items():
        number = int(caller.removeprefix("account-"))
        for table in COLUMNS:
            assert grant.may_read(table, "any")
            found = grant.filter_of(table)
            assert (found is None) == (table in SHARED)
            assert found is None or (found.column, found.value) == ("account_id", number)


def test_the_migration_file_fits_the_log(folder: Path) -> None:
    """The file loads, replays, counts first turns, and its live phases fit 12,000 queries."""
    spec = load_migration(folder / "migration.yaml").spec
    assert (spec.migration, spec.incumbent, spec.challenger) == (MIGRATION, VERSIONS["incumbent"], VERSIONS["challenger"])
    assert (spec.mode, spec.unit.by) == ("replay", "first")
    assert len(spec.dimensions.on) == 4
    assert (spec.phases.canary.share, spec.phases.canary.observations) == (0.05, 1000)
    assert (spec.phases.rollout.steps, spec.phases.rollout.observations) == ((0.25, 0.5), 1000)
    assert spec.phases.tail.observations == 2000


@pytest.mark.parametrize(("seed", "n", "words"), [(-1, 10, "seed=-1"), (1, 0, "queries=0 must be from 1"), (1, -5, "queries=-5")])
def test_impossible_numbers_are_refused(tmp_path: Path, seed: int, n: int, words: str) -> None:
    """A negative seed or no queries at all are errors that name the value."""
    with pytest.raises(ConfigError, match=words):
        write_workload(tmp_path, seed, n)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Where a file stands in the way the error names the folder."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"folder .*file.out"):
        write_workload(tmp_path / "file" / "out", 1, 5)


def test_the_verb_prints_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the verb prints one document with the numbers of queries, sessions, questions and records."""
    with pytest.raises(SystemExit) as ended:
        main(["workload", "--out", str(tmp_path / "out"), "--seed", "3", "--queries", "20", "--json"])
    assert ended.value.code == 0
    document = orjson.loads(capsys.readouterr().out)
    assert (document["n_queries"], document["n_records"], document["seed"]) == (20, 80, 3)
