"""The demo's workload: generated where it is absent, or was made by another generator or seed."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dualgate.producers.workload

STAMP = "generated.json"


@dataclass(frozen=True, slots=True)
class Sample:
    """A generated workload on disk."""

    log: Path
    migration: Path
    n_queries: int


def sample(folder: Path, seed: int, tell: Callable[[str], None]) -> Sample:
    """Return the workload of a seed; the stamp, written last, says that its files are whole and who made them."""
    from dualgate.producers.workload.files import LOG, MIGRATION_FILE, write_workload

    wanted = {"seed": seed, "generator": _generator()}
    stamp = folder / STAMP
    known = json.loads(stamp.read_text()) if stamp.exists() else {}
    if {name: known.get(name) for name in wanted} != wanted:
        tell(f"generating the sample workload into {folder} (about half a minute, once)")
        shutil.rmtree(folder, ignore_errors=True)
        made = write_workload(folder, seed)
        known = wanted | {"n_queries": made.n_queries}
        stamp.write_text(json.dumps(known))
    return Sample(folder / LOG, folder / MIGRATION_FILE, known["n_queries"])


def _generator() -> str:
    """Return a hash over the generator's source, so that another version makes its own workload."""
    sources = sorted(Path(next(iter(dualgate.producers.workload.__path__))).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
