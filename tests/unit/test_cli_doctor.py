"""`dualgate doctor` says what is missing and ends with 1 only where Dualgate cannot work."""

import json
from pathlib import Path

import pytest

from dualgate.cli.main import main


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing has been started or downloaded yet."""
    monkeypatch.setenv("DUALGATE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DUALGATE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("dualgate.cli.doctor.REACH_TIMEOUT_S", 0.2)


def examine(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, tuple[bool | None, str]]]:
    """The exit code and each check's sign and words."""
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["fit"] == (ended.value.code == 0)
    return int(ended.value.code or 0), {c["name"]: (c["ok"], c["words"]) for c in document["checks"]}


def test_a_new_machine_is_fit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Jars that are still to be downloaded and a default address where nobody listens are remarks, not faults."""
    monkeypatch.delenv("DUALGATE_BOOTSTRAP_SERVERS", raising=False)
    code, checks = examine(capsys)
    assert code == 0
    assert "0 of 46" in checks["jars"][1]
    assert checks["local broker"] == (None, "none runs ('dualgate broker start')")
    assert set(checks) == {"python", "java", "jars", "ports", "disk", "local broker", "broker"}


def test_a_broker_that_was_asked_for_must_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An address in DUALGATE_BOOTSTRAP_SERVERS that nobody answers at is a fault that names the address."""
    monkeypatch.setenv("DUALGATE_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    code, checks = examine(capsys)
    assert code == 1
    assert checks["broker"][0] is False
    assert "127.0.0.1:9" in checks["broker"][1]


def test_a_setting_that_is_wrong_is_a_fault_with_its_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt DUALGATE_JAVA shows up under java."""
    monkeypatch.setenv("DUALGATE_JAVA", "none")
    code, checks = examine(capsys)
    assert code == 1
    assert checks["java"][0] is False
    assert "DUALGATE_JAVA='none'" in checks["java"][1]


def test_a_changed_jar_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar whose checksum is wrong is named before a broker is started with it."""
    monkeypatch.delenv("DUALGATE_BOOTSTRAP_SERVERS", raising=False)
    (tmp_path / "cache" / "jars").mkdir(parents=True)
    (tmp_path / "cache" / "jars" / "kafka_2.13-4.2.2.jar").write_bytes(b"not Kafka")
    code, checks = examine(capsys)
    assert code == 1
    assert checks["jars"][0] is False
    assert "kafka_2.13-4.2.2.jar" in checks["jars"][1]
