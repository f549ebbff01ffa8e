"""What is installed from a wheel (the container's image, a package index) has every file that the code reads."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("schemas", "producers", "processors", "gate", "sinks", "lab", "cli")


def test_the_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    """Schemas, templates, the jars' lock: nothing that stands beside the code is left behind."""
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=ignore)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path / "wheels"), "."], cwd=source, check=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("dualgate/")}
    there = {f"dualgate/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name}
    assert {name.rsplit(".", 1)[1] for name in there} >= {"py", "avsc", "j2", "lock"}
    assert packed == there
