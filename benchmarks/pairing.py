"""Pairing with transactions on beside the same join by Faust, Quix Streams and arroyo, and the raw read; one broker, one run.

python -m benchmarks.pairing [--json] [--peers]

With --peers Quix Streams and arroyo are installed, each into an environment under out/peers; Faust is here already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
import venv
from contextlib import nullcontext
from pathlib import Path

from benchmarks.pairing_traffic import PARTITIONS, publish
from benchmarks.side_by_side import Measurement, ratio, report
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from dualgate.cli.broker import LocalBroker

N_QUERIES = int(os.environ.get("BENCH_QUERIES", "300000"))
# In record time: T moves on and ids are forgotten, as in live traffic; 300,000 queries are 150 s.
PER_SECOND = 2_000.0
PEERS = {"quix": "quixstreams==3.28.1", "arroyo": "sentry-arroyo==2.48.0"}
SCRIPTS = Path(__file__).parent / "peers"


def ours(name: str, servers: str, prefix: str, n: int) -> tuple[Measurement, Measurement]:
    """Run a contender of ours in a process of its own; return its rate, and its rate by processor time."""
    events, seconds, cpu_seconds = _told([sys.executable, "-m", "benchmarks.pairing_contenders", name, servers, prefix, str(n)])
    by_core = Measurement(f"{name}, by its processor time", events / cpu_seconds, "events/core s")
    return Measurement(name, events / seconds, "events/s"), by_core


def peer(name: str, servers: str, prefix: str, n: int) -> Measurement:
    """Run the join of another library by the Python that has it."""
    python = _python_with(PEERS[name]) if name in PEERS else sys.executable
    events, seconds, joined = _told([python, str(SCRIPTS / f"{name}_join.py"), servers, prefix, str(n)])
    if not joined:
        raise RuntimeError(f"{name} joined nothing of {events:,.0f} records")
    return Measurement(name, events / seconds, "events/s")


def _told(command: list[str]) -> list[float]:
    """Return what a contender prints at last."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600)
    return [float(value) for value in json.loads([line for line in done.stdout.splitlines() if line.startswith(b"[")][-1])]


def _python_with(requirement: str) -> str:
    """Return the Python of an environment that holds the requirement and what it needs, making it at first."""
    home = Path("out") / "peers" / requirement
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", requirement], check=True, stdout=sys.stderr)
    return str(python.absolute())


def main() -> None:
    """Publish once, then let each contender read it from the beginning, one after another."""
    peers = ["faust", *(PEERS if "--peers" in sys.argv else ())]
    sys.argv = [argument for argument in sys.argv if argument != "--peers"]
    given = os.environ.get("DUALGATE_BOOTSTRAP_SERVERS")
    with nullcontext() if given else LocalBroker(heap="1g") as broker:
        servers = given or broker.bootstrap_servers  # type: ignore[union-attr]
        prefix = f"bench{uuid.uuid4().hex[:8]}."
        n = publish(servers, prefix, N_QUERIES, PER_SECOND)
        new = [NewTopic(f"{prefix}joined.{name}", PARTITIONS) for name in peers]
        admin = AdminClient({"bootstrap.servers": servers})
        for future in admin.create_topics(new).values():
            future.result(30)
        (dualgate, by_core), (raw, _) = (ours(name, servers, prefix, n) for name in ("dualgate", "raw read"))
        others = [peer(name, servers, prefix, n) for name in peers]
    ratios = [ratio(f"dualgate over {other.name}", dualgate, other) for other in [raw, *others]]
    report([dualgate, by_core, raw, *others], ratios, __doc__ or "")


if __name__ == "__main__":
    main()
