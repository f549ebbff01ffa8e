"""From kill -9 of the gate to the first entry that its successor applies, and how that grows with the length of the ledger.

Each length in turn: entries (ticks of one active migration, the smallest there are) are written to the ledger and applied, the
gate is killed, one more entry is written, and another gate is started; the clock stops when the table has applied it. Last, the
table is deleted: the whole ledger is folded anew.

python -m benchmarks.gate_recovery [--json]        BENCH_LENGTHS=1000,5000,15000
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.side_by_side import Measurement, report
from confluent_kafka.admin import AdminClient

from dualgate.cli.broker import LocalBroker
from dualgate.cli.topic_admin import create_topics
from dualgate.schemas.records import LedgerEntry, Tick

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.gate_process import World, world  # the gate's processes belong to the tests
from support.ledgers import GOOD, Ledger

LENGTHS = [int(n) for n in os.environ.get("BENCH_LENGTHS", "1000,5000,15000").split(",")]
TICK = LedgerEntry(tick=Tick(migration_id="m", issued_at_ms=0))
CHANGELOG = "dualgate-gate-state-changelog"
WAIT_S = 600.0


def _restarted(at: World) -> float:
    """Write one entry, start a gate, and return the seconds until it is applied."""
    before = len(at.ledger())
    at.append([TICK])
    began = time.perf_counter()
    at.gate()
    at.await_applied(before, WAIT_S)
    return time.perf_counter() - began


def main() -> None:
    """Grow one ledger, and restart at each length."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="dualgate-bench-") as folder, LocalBroker() as broker:
        create_topics(broker.bootstrap_servers, "", 1)
        with world(broker.bootstrap_servers, "", Path(folder)) as at:
            ledger = Ledger.started()
            ledger.pairs(*[GOOD] * 40, block=10)
            at.gate()
            at.append(entry for _, entry in ledger.entries)
            for length in LENGTHS:
                at.append([TICK] * max(0, length - len(at.ledger())))
                at.await_applied(length - 1, WAIT_S)
                at.end()
                words = f"dualgate kill to ready, ledger of {length:,} ({at.kept():,} table records)"
                rows.append(Measurement(words, _restarted(at), "s"))
            at.end()
            admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
            admin.delete_topics([CHANGELOG])[CHANGELOG].result()
            rows.append(Measurement(f"dualgate whole fold anew, ledger of {LENGTHS[-1]:,}", _restarted(at), "s"))
    report(rows, [], __doc__ or "")


if __name__ == "__main__":
    main()
