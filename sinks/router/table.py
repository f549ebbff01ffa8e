"""Which arm serves a key, as a pure function of the newest command, the key and the time."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from dualgate.schemas.records import Arm, RoutingCommand

FOR_EVER_MS = float("inf")
DIGEST_BYTES = 8
"""Of SHA-256, which every language has: routers in several languages choose the same users (docs/guide/router.md)."""
ALL_STRATA = "all"


@dataclass(frozen=True, slots=True)
class RouterState:
    """What a router does at this moment and why.

    `share` is the one in effect: 0 where the lease has run out or nothing was heard yet; `commanded_share` is what the
    newest command said. `lease_age_ms` counts from the command's `issued_at_ms`; `lease_left_ms` is None without a lease.
    """

    migration_id: str
    phase: str | None
    share: float
    commanded_share: float
    epoch: int | None
    sequence: int | None
    lease_age_ms: int | None
    lease_left_ms: int | None
    valid: bool
    reason: str


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """The command in force, prepared for routing; a value, so threads share it without a lock.

    Times are milliseconds: `now_ms` on the wall clock, where leases are issued, `mono_ms` on this process's monotonic
    clock, where they run out. So a wall clock that is set back while a lease runs does not lengthen it.
    """

    migration_id: str
    command: RoutingCommand | None = None
    deadline_mono_ms: float = -FOR_EVER_MS
    threshold: bytes = b""
    order: tuple[int, int] | None = None
    _route_hash: Any = field(default=None, compare=False, repr=False)
    _shadow_hash: Any = field(default=None, compare=False, repr=False)
    _mirrors: dict[str, tuple[bytes, float]] = field(default_factory=dict, compare=False, repr=False)

    def apply(self, command: RoutingCommand, now_ms: int, mono_ms: float) -> "RoutingTable":
        """Return the table after a command: itself where the command is stale, foreign, a repeat, or has a share that is none.

        A renewal repeats (epoch, sequence) with a later `issued_at_ms`: it prolongs the lease and changes nothing else.
        """
        if command.migration_id != self.migration_id or command_fault(command):
            return self
        held = self.command
        if held is not None:
            order, known = (command.epoch, command.sequence), (held.epoch, held.sequence)
            if order < known or (order == known and command.issued_at_ms <= held.issued_at_ms):
                return self
            if order == known:
                renewed = replace(held, issued_at_ms=command.issued_at_ms)
                return replace(self, command=renewed, deadline_mono_ms=_deadline(renewed, now_ms, mono_ms))
        return _prepared(command, now_ms, mono_ms)

    def valid(self, mono_ms: float) -> bool:
        """Tell whether there is a command whose lease has not run out."""
        return mono_ms < self.deadline_mono_ms

    def route(self, key: str, mono_ms: float) -> Arm:
        """Return the arm that serves this key; the keys on the challenger at a share are on it at every greater one."""
        if mono_ms >= self.deadline_mono_ms or not self.threshold:
            return "incumbent"
        return "challenger" if _digest(self._route_hash, key) < self.threshold else "incumbent"

    def shadow(self, key: str, stratum: str, mono_ms: float) -> float | None:
        """Return the probability with which this key is mirrored where it was drawn, else None."""
        if mono_ms >= self.deadline_mono_ms:
            return None
        drawn = self._mirrors.get(stratum) or self._mirrors.get(ALL_STRATA)
        if drawn is None or _digest(self._shadow_hash, key) >= drawn[0]:
            return None
        return drawn[1]

    def state(self, now_ms: int, mono_ms: float) -> RouterState:
        """Return what routers, people and metrics want to know."""
        command, valid = self.command, self.valid(mono_ms)
        if command is None:
            return RouterState(self.migration_id, None, 0.0, 0.0, None, None, None, None, False, "no command has been heard yet")
        left = None if command.lease_ms is None else max(0, int(self.deadline_mono_ms - mono_ms))
        expired = f"the lease of {command.lease_ms} ms ran out: the incumbent serves until the gate is heard again"
        return RouterState(
            migration_id=self.migration_id,
            phase=command.phase,
            share=command.live_share if valid else 0.0,
            commanded_share=command.live_share,
            epoch=command.epoch,
            sequence=command.sequence,
            lease_age_ms=now_ms - command.issued_at_ms,
            lease_left_ms=left,
            valid=valid,
            reason=command.reason if valid else expired,
        )


def command_fault(command: RoutingCommand) -> str:
    """Return which share of a command is none, nothing where all are; NaN would end the thread that follows the commands."""
    shares = {"live_share": command.live_share} | {f"shadow_share.{name}": p for name, p in command.shadow_share.items()}
    wrong = [f"{name}={share!r}" for name, share in shares.items() if not 0 <= share <= 1]
    return f"{', '.join(wrong)}; accepted: 0 to 1" if wrong else ""


def _prepared(command: RoutingCommand, now_ms: int, mono_ms: float) -> RoutingTable:
    return RoutingTable(
        migration_id=command.migration_id,
        command=command,
        deadline_mono_ms=_deadline(command, now_ms, mono_ms),
        threshold=_threshold(command.live_share),
        order=(command.epoch, command.sequence),
        _route_hash=hashlib.sha256(f"route/{command.salt}/".encode()),
        _shadow_hash=hashlib.sha256(f"shadow/{command.salt}/".encode()),
        _mirrors={stratum: (_threshold(p), p) for stratum, p in command.shadow_share.items()},
    )


def _deadline(command: RoutingCommand, now_ms: int, mono_ms: float) -> float:
    """Return when the lease ends on the monotonic clock; never later than one whole lease from now."""
    if command.lease_ms is None:
        return FOR_EVER_MS
    return mono_ms + min(command.lease_ms, command.issued_at_ms + command.lease_ms - now_ms)


def _threshold(share: float) -> bytes:
    """Return what digests are compared with: below it lies this share of them, and nothing lies below no bytes."""
    if share <= 0:
        return b""
    if share >= 1:
        return b"\xff" * (DIGEST_BYTES + 1)  # one byte longer than the greatest digest, so above it
    return int(share * 2 ** (8 * DIGEST_BYTES)).to_bytes(DIGEST_BYTES, "big")


def _digest(base: Any, key: str) -> bytes:
    hashed = base.copy()
    hashed.update(key.encode("utf-8", "surrogatepass"))
    digest: bytes = hashed.digest()
    return digest[:DIGEST_BYTES]
