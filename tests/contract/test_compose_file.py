"""docker-compose.yml is valid by the Compose specification, and what it runs exists."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml

from dualgate.cli.broker.jars import COORDINATES
from dualgate.cli.main import build
from dualgate.schemas.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
SPECIFICATION = json.loads((Path(__file__).parent / "data" / "compose-spec.json").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "dualgate"]


def test_the_file_is_valid_by_the_specification() -> None:
    """The Compose specification's own JSON schema takes the file."""
    jsonschema.Draft7Validator(SPECIFICATION).validate(COMPOSE)


def test_the_schema_refuses_a_misspelt_key() -> None:
    """The check above can fail: a service with a key that Compose does not know is refused."""
    wrong = {**COMPOSE, "services": {**SERVICES, "kafka": {**SERVICES["kafka"], "imagee": "x"}}}
    with pytest.raises(jsonschema.ValidationError, match="imagee"):
        jsonschema.Draft7Validator(SPECIFICATION).validate(wrong)


def test_the_whole_pipeline_is_there() -> None:
    """Kafka, a schema registry, the topics, every worker and a router."""
    assert set(SERVICES) == {"kafka", "registry", "topics", "pairing", "scoring", "gate", "router"}


def test_kafka_is_the_version_that_the_tests_run_against() -> None:
    """The image has the version of the jars in the lock."""
    tested = re.search(r"org\.apache\.kafka:kafka_2\.13:([\d.]+)", COORDINATES)
    assert tested is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{tested[1]}"


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_a_verb(name: str) -> None:
    """What a service runs is a command that `dualgate` has."""
    words = SERVICES[name]["command"]
    if words[0] == "sh":
        words = shlex.split(words[2].partition("||")[0])
    assert words[0] == "dualgate"
    command: Any = typer.main.get_command(build())
    for word in words[1:]:
        if not hasattr(command, "commands"):
            break
        assert word in command.commands, f"{' '.join(words)}: no {word!r} among {sorted(command.commands)}"
        command = command.commands[word]
    assert not hasattr(command, "commands"), f"{' '.join(words)} is a group, not a verb"


@pytest.mark.parametrize("name", OURS)
def test_each_environment_is_a_valid_setting(name: str) -> None:
    """The services' environment is read by the same settings as on any machine, and means the broker beside them."""
    settings = load_settings(SERVICES[name]["environment"])
    assert settings.bootstrap_servers == "kafka:19092"
    assert settings.schema_registry_url == "http://registry:8081"


def test_a_superseded_gate_is_not_restarted() -> None:
    """Exit code 4 of the gate ends its service well; every other failure is restarted, a bounded number of times."""
    script = SERVICES["gate"]["command"][2].replace("$$", "$").replace("dualgate worker gate", "exit_with")
    assert {code: _exit_code(script, code) for code in (0, 1, 2, 4)} == {0: 0, 1: 1, 2: 2, 4: 0}
    assert SERVICES["gate"]["restart"] == "on-failure:5"


def _exit_code(script: str, code: int) -> int:
    return subprocess.run(["sh", "-c", f"exit_with() {{ return {code}; }}; {script}"], check=False).returncode
