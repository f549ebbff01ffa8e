"""Write `jars.lock` anew after a change of COORDINATES: `python -m dualgate.cli.broker.relock`."""

from pathlib import Path

import jgo

from dualgate.cli.broker.jars import COORDINATES, LOCK, digest


def write_lock(path: Path = LOCK) -> int:
    """Resolve COORDINATES with all that they depend on and write the lock; returns how many jars it holds."""
    lines = [
        f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {digest(Path(artifact.resolve()))}\n"
        for artifact in jgo.resolve(COORDINATES)
    ]
    head = f"# {COORDINATES} and what it depends on; written by python -m dualgate.cli.broker.relock\n"
    path.write_text(head + "".join(sorted(lines)))
    return len(lines)


if __name__ == "__main__":
    print(f"{write_lock()} jars in {LOCK}")
