"""Pairing with transactions on beside a Faust agent that only counts and the raw read, on the same topics of one broker.

python -m benchmarks.pairing [--json]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from contextlib import nullcontext

from benchmarks.pairing_traffic import publish
from benchmarks.side_by_side import Measurement, ratio, report

from dualgate.cli.broker import LocalBroker

N_QUERIES = int(os.environ.get("BENCH_QUERIES", "300000"))
# In record time: T moves on and ids are forgotten, as in live traffic; 300,000 queries are 150 s.
PER_SECOND = 2_000.0


def measure(name: str, servers: str, prefix: str, n: int) -> Measurement:
    """Run a contender in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.pairing_contenders", name, servers, prefix, str(n)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600)
    events, seconds = json.loads(done.stdout.splitlines()[-1])
    return Measurement(name, events / seconds, "events/s")


def main() -> None:
    """Publish once, then let each contender read it from the beginning, one after another."""
    given = os.environ.get("DUALGATE_BOOTSTRAP_SERVERS")
    with nullcontext() if given else LocalBroker(heap="1g") as broker:
        servers = given or broker.bootstrap_servers  # type: ignore[union-attr]
        prefix = f"bench{uuid.uuid4().hex[:8]}."
        n = publish(servers, prefix, N_QUERIES, PER_SECOND)
        ours, raw, faust = (measure(name, servers, prefix, n) for name in ("dualgate", "raw read", "faust"))
    ratios = [ratio("dualgate over faust", ours, faust), ratio("dualgate over raw read", ours, raw)]
    report([ours, raw, faust], ratios, __doc__ or "")


if __name__ == "__main__":
    main()
