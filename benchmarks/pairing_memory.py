"""What pairing keeps in memory, in bytes each: a query that waits with one answer, an answer without a query, a settled id.

python -m benchmarks.pairing_memory [--json]

Counted by the interpreter's own tracing of allocations, payload included: 300 bytes a query, 600 an answer, keys of 36 bytes.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from itertools import islice

from benchmarks.pairing_traffic import Record, records
from benchmarks.side_by_side import Measurement, report

from dualgate.processors.pairing.clocks import Patience
from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.positions import Position
from dualgate.processors.pairing.records import CHALLENGER, INCUMBENT, QUERY, Outputs
from dualgate.processors.pairing.runs import Run
from dualgate.schemas.codec import Codec
from dualgate.schemas.settings import PairingTimes

N = 50_000
BATCH = 5_000


def bytes_each(roles: Sequence[int]) -> float:
    """Return how much a group grows by for each query of which the records of these roles are handled, batch by batch."""
    group = GroupLogic(0, PairingTimes(300_000, 60_000, 250), Patience(), Codec(), [Position(0, 0)] * 4, 0)
    tracemalloc.start()
    made = records(N, 500.0)
    for first in range(0, N, BATCH):
        part = list(islice(made, 3 * BATCH))
        for role in roles:
            _handle(group, role, first, part[role::3])
    del part
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after / N


def _handle(group: GroupLogic, role: int, first: int, part: Sequence[Record]) -> None:
    """Let a group handle copies of records, as the client would hand them over."""
    keys, values = [bytes(bytearray(r[1])) for r in part], [bytes(bytearray(r[2])) for r in part]
    offsets = list(range(first, first + len(part)))
    group.handle(Run(role, offsets, [r[3] for r in part], keys, values, [False] * len(part)), 0, Outputs())


def main() -> None:
    """Measure each kind in a group of its own."""
    kinds = {
        "waiting query (300 B) with one answer (600 B)": (QUERY, INCUMBENT),
        "waiting answer (600 B) without a query": (CHALLENGER,),
        "settled id": (QUERY, INCUMBENT, CHALLENGER),
    }
    report([Measurement(f"dualgate, {name}", bytes_each(roles), "bytes") for name, roles in kinds.items()], [], __doc__ or "")


if __name__ == "__main__":
    main()
