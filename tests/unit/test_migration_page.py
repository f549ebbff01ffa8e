"""The guide's page of the migration file: every key, and the defaults that the code has."""

import re
from pathlib import Path
from typing import Any

import yaml

from dualgate.schemas.migration import MigrationSpec, load_migration

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "migration-file.md"
FREE = ("shadow_sampling", "rater", "scorers")


def _shown() -> str:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def _keys(node: Any, path: str = "") -> set[str]:
    if not isinstance(node, dict) or path.endswith(FREE):
        return {path}
    return set().union(*(_keys(inner, f"{path}.{'null' if key is None else key}") for key, inner in node.items())) or {path}


def test_the_page_shows_the_defaults(tmp_path: Path) -> None:
    """The file on the page, given to lint, is the migration that its first three keys alone make."""
    (file := tmp_path / "m.yaml").write_text(_shown(), encoding="utf-8")
    names = {key: yaml.safe_load(_shown())[key] for key in ("migration", "incumbent", "challenger")}
    assert load_migration(file).spec == MigrationSpec.model_validate(names)


def test_the_page_shows_every_key(tmp_path: Path) -> None:
    """A key that the code takes and the page leaves out would not be found by anybody."""
    (file := tmp_path / "m.yaml").write_text(_shown(), encoding="utf-8")
    whole = load_migration(file).spec.model_dump(mode="json", by_alias=True)
    missing = _keys(whole) - _keys(yaml.safe_load(_shown()))
    assert missing <= {".dimensions.latency.margin"}, missing  # of measure relative only: in a comment of the page
