"""Builders of routing commands."""

from typing import Any

from dualgate.schemas.records import RoutingCommand

MIGRATION = "sql-agent-v7"


def command(sequence: int = 1, live_share: float = 0.25, **changes: Any) -> RoutingCommand:
    """Return a routing command with plausible values; name what matters to the test."""
    values: dict[str, Any] = {
        "migration_id": MIGRATION,
        "epoch": 1,
        "sequence": sequence,
        "phase": "CANARY",
        "incumbent_version": "agent:v6",
        "challenger_version": "agent:v7",
        "salt": "salt",
        "live_share": live_share,
        "shadow_share": {"all": 1.0},
        "lease_ms": 60_000,
        "issued_at_ms": 1_000_000,
        "reason": "accepted: correctness log e 3.41 ≥ 3.00",
        "config_hash": "0123456789abcdef",
        "ledger_partition": 0,
        "ledger_offset": sequence,
    }
    return RoutingCommand(**(values | changes))
