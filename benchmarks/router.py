"""What a request pays to be routed: the router beside a bare hash of the key, and a feature flag in a dictionary.

python -m benchmarks.router [--json]
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace

from benchmarks.side_by_side import Measurement, ratio, report, seconds

from dualgate.schemas.records import RoutingCommand
from dualgate.sinks.router import Router

KEYS = [f"user-{i}" for i in range(200_000)]
COMMAND = RoutingCommand(
    migration_id="bench", epoch=1, sequence=1, phase="ROLLOUT(0.25)", incumbent_version="a", challenger_version="b", salt="s",
    live_share=0.25, shadow_share={"all": 1.0, "rare": 0.2}, lease_ms=600_000, issued_at_ms=0, reason="", config_hash="",
    ledger_partition=0, ledger_offset=0,
)  # fmt: skip


def _each(name: str, take: object) -> Measurement:
    def work() -> None:
        for key in KEYS:
            take(key)  # type: ignore[operator]

    return Measurement(name, seconds(work) / len(KEYS) * 1e6, "us/call")


def main() -> None:
    """Time each on the same keys."""
    router = Router("bench")
    router.obey(replace(COMMAND, issued_at_ms=time.time_ns() // 1_000_000))
    flags = dict.fromkeys(KEYS, "incumbent")
    ours = _each("dualgate", router.route)
    shadow = _each("dualgate shadow", lambda key: router.shadow(key, "rare"))
    bare = _each("bare hash", lambda key: hashlib.sha256(key.encode()).digest())
    flag = _each("dictionary", flags.get)
    report([ours, shadow, bare, flag], [ratio("dualgate over bare hash", ours, bare)], __doc__ or "")


if __name__ == "__main__":
    main()
