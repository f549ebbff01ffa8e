"""How far the record time of one migration has come in one group: its expired-through time T.

T is the least of the partitions' greatest timestamps, rounded down to the grain. A partition that was read to its end and
has brought nothing of this migration for `idle_ms` of wall clock is silent: it follows its siblings. Where all are silent
for the window and `idle_ms`, the migration has ended for now, and T passes everything that it left.

A silent partition follows what its siblings had told when its end was confirmed for the last time but one. What they tell
now may have been answered already, by records that lie in the broker unread: when traffic comes back after a pause, or a
recovered agent's answers do, the queries are read first as often as not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dualgate.processors.pairing.records import RERUN, ROLES
from dualgate.schemas.settings import PairingTimes


@dataclass(frozen=True, slots=True)
class Patience:
    """Wall-clock and record times that do not change what is paired, only when: in milliseconds.

    A partition whose clock is more than `lead_ms` ahead of T is paused where the group holds more than `crowd` records that
    wait: a thin archive may be read far ahead at no cost.
    """

    idle_ms: int = 30_000
    lead_ms: int = 600_000
    crowd: int = 10_000

    @property
    def confirm_ms(self) -> int:
        """How often the end of a partition is confirmed, and how far apart two confirmations are that count."""
        return self.idle_ms // 6


class Clocks:
    """The clocks of one migration, one for each role's partition."""

    __slots__ = ("_clocks", "_confirmed", "_followed", "_heard_ms", "_patience", "_start_ms", "_times")

    def __init__(self, times: PairingTimes, patience: Patience, now_ms: int) -> None:
        self._times = times
        self._patience = patience
        self._clocks: list[int | None] = [None] * len(ROLES)
        self._heard_ms = [now_ms] * len(ROLES)
        self._start_ms: int | None = None
        # Of each role: when its end was confirmed last and what all had told then; and what they had told the time before.
        nothing: list[int | None] = [None] * len(ROLES)
        self._confirmed = [(now_ms, nothing)] * len(ROLES)
        self._followed = [nothing] * len(ROLES)

    def hear(self, role: int, least_ms: int, greatest_ms: int, now_ms: int) -> None:
        """Note the least and the greatest timestamp of records that were just read."""
        clock = self._clocks[role]
        self._clocks[role] = greatest_ms if clock is None else max(clock, greatest_ms)
        self._heard_ms[role] = now_ms
        self._start_ms = least_ms if self._start_ms is None else min(self._start_ms, least_ms)

    def was_deaf(self, now_ms: int) -> None:
        """Begin all silence anew: nothing could have been heard until now."""
        self._heard_ms = [now_ms] * len(ROLES)

    def confirm(self, role: int, now_ms: int) -> None:
        """Note that a partition was at its end just now."""
        before_ms, told = self._confirmed[role]
        if now_ms - before_ms >= self._patience.confirm_ms:
            self._followed[role] = told
            self._confirmed[role] = (now_ms, list(self._clocks))

    def due(self, ends_ms: Sequence[int | None], awaits_reruns: bool) -> int | None:
        """Return the T that the clocks allow, None where they allow none.

        ends_ms is the wall-clock time at which each partition was last known to be read to its end, None: not yet.
        """
        roles = ROLES if awaits_reruns or self._clocks[RERUN] is not None else ROLES[:RERUN]
        quiet_ms = {role: self._quiet_ms(role, ends_ms) for role in roles}
        loud = [role for role in roles if quiet_ms[role] < self._patience.idle_ms]
        if loud:
            told = [self._clocks, *(self._followed[role] for role in roles if role not in loud)]
            known = [clock for clocks in told for role in loud if (clock := clocks[role]) is not None]
            return self._floor(min(known)) if len(known) == len(told) * len(loud) else None
        if min(quiet_ms.values()) < self._patience.idle_ms + self._times.window_ms:
            return None
        greatest = max((clock for clock in self._clocks if clock is not None), default=None)
        if greatest is None:
            return None
        return self._floor(greatest) + self._times.window_ms + self._times.skew_ms + self._times.grain_ms

    def is_over(self, ends_ms: Sequence[int | None]) -> bool:
        """Return whether nothing came for as long as an id is remembered: all of it may be forgotten."""
        remembered_ms = 2 * self._times.window_ms + self._times.skew_ms
        return all(self._quiet_ms(role, ends_ms) >= self._patience.idle_ms + remembered_ms for role in ROLES)

    def ahead(self, expired: int | None) -> set[int]:
        """Return the roles whose clock is further ahead of T than the lead."""
        base = self._start_ms if expired is None else expired
        if base is None:
            return set()
        limit = base + self._patience.lead_ms
        return {role for role in ROLES if (clock := self._clocks[role]) is not None and clock > limit}

    def behind(self) -> set[int]:
        """Return the roles that hold T back: those that have the least clock, or none."""
        least = min((clock for clock in self._clocks if clock is not None), default=0)
        return {role for role in ROLES if (clock := self._clocks[role]) is None or clock <= least + self._times.grain_ms}

    def _quiet_ms(self, role: int, ends_ms: Sequence[int | None]) -> int:
        end_ms = ends_ms[role]
        return -1 if end_ms is None else end_ms - self._heard_ms[role]

    def _floor(self, time_ms: int) -> int:
        return time_ms // self._times.grain_ms * self._times.grain_ms
