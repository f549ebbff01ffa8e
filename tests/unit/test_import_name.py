"""The folders are importable under one name only."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

FOLDERS = ("schemas", "producers", "processors", "gate", "sinks", "lab", "cli")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", FOLDERS)
def test_one_copy_of_each_module(folder: str) -> None:
    """From the repository's root a bare import would load a second copy; it fails and names the right import."""
    assert importlib.import_module(f"dualgate.{folder}").__name__ == f"dualgate.{folder}"
    bare = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"import dualgate.{folder}, not {folder}" in bare.stderr
