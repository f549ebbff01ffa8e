"""The join of one migration within one group of partitions: what waits, what is remembered, what is closed.

W is the window, S the allowed clock skew, G the grain. T is the expired-through time: a multiple of G that never falls.

- An answer of time r belongs to a query of time t iff -S <= r - t <= W, by timestamps alone.
- A query is closed when t + W < T. Until then its first answers in range make the pair; at closing, what is missing is told.
- An answer that belongs to no query handled so far waits until r + W + S < T and is then late, once.
- A query's id is remembered while t >= F, F being T - 2W - S or later; answers while r >= T - W - S.
- A query that comes with t < F may have been settled before: it is told as late, and never as missing.

W, S and T being multiples of G, "t + W < T" is a comparison of whole grains, so closing goes by buckets of one grain.
An id lives once: a repeat within W of a remembered one is dropped; so is one further away while the first is still open.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from dualgate.processors.pairing.positions import Expired
from dualgate.processors.pairing.records import (
    ANSWERS,
    CHALLENGER,
    INCUMBENT,
    LATE,
    NO_ANSWER,
    NO_CHALLENGER,
    NO_INCUMBENT,
    RERUN,
    Outputs,
    Writer,
)
from dualgate.processors.pairing.waiting import Waiting
from dualgate.schemas.settings import PairingTimes

# A query that waits: [time, mask, query, incumbent, challenger, rerun]; the mask has a bit for each answer that is there
# or not awaited. A settled one is time << 4 | mask.
Entry = list[Any]
_BODY = 2
_BIT = {role: 1 << role for role in ANSWERS}
_BOTH = _BIT[INCUMBENT] | _BIT[CHALLENGER]
_ALL = _BOTH | _BIT[RERUN]
_MISSING = {0: NO_ANSWER, _BIT[INCUMBENT]: NO_CHALLENGER, _BIT[CHALLENGER]: NO_INCUMBENT}
_BEFORE_ALL = -(1 << 62)


class Window:
    """The queries and answers of one migration in one group; what comes out is added to the given `Outputs`."""

    __slots__ = (
        "_closed_ms",
        "_forgotten_ms",
        "_grain",
        "_late_ms",
        "_open",
        "_query_buckets",
        "_settled",
        "_times",
        "_waiting",
        "_writer",
        "awaits_reruns",
        "expired",
    )

    def __init__(self, times: PairingTimes, writer: Writer) -> None:
        self._times = times
        self._grain = times.grain_ms
        self._writer = writer
        self._open: dict[bytes, Entry] = {}
        self._settled: dict[bytes, int] = {}
        self._waiting = {role: Waiting(times.grain_ms) for role in ANSWERS}
        self._query_buckets: dict[int, list[bytes]] = {}
        self._closed_ms = self._late_ms = self._forgotten_ms = _BEFORE_ALL
        self.expired: int | None = None
        self.awaits_reruns = False

    def queries(
        self, keys: Sequence[bytes], times: Sequence[int], bodies: Sequence[bytes], reruns: Iterable[bool], out: Outputs
    ) -> None:
        """Handle queries in offset order; reruns says of each whether the incumbent is asked twice."""
        open_, settled, grain, closed_ms = self._open, self._settled, self._grain, self._closed_ms
        incumbents, challengers, others = (waiting.keys for waiting in self._waiting.values())
        last: int | None = None
        bucket: list[bytes] = []
        for key, time, body, rerun in zip(keys, times, bodies, reruns, strict=True):
            mask = _BIT[RERUN]
            if rerun:
                mask, self.awaits_reruns = 0, True
            if (key in open_ or key in settled) and self._is_repeat(key, time, out):
                continue
            entry = [time, mask, body, None, None, None]
            if key in incumbents or key in challengers or key in others:
                self._claim(key, entry, out)
            if entry[1] == _ALL:
                self._emit_pair(key, entry, out)
            elif time < closed_ms:
                if time < self._forgotten_ms:
                    self._emit_forgotten(key, entry, out)
                    continue
                self._close(key, entry, out)
            else:
                open_[key] = entry
            if time // grain != last:
                last = time // grain
                bucket = self._query_buckets.setdefault(last, [])
            bucket.append(key)

    def answers(self, role: int, keys: Sequence[bytes], times: Sequence[int], bodies: Sequence[bytes], out: Outputs) -> None:
        """Handle the answers of one role in offset order."""
        open_, settled, wait, late_ms = self._open, self._settled, self._waiting[role].add, self._late_ms
        bit, slot, window_ms, early_ms = _BIT[role], role + _BODY, self._times.window_ms, -self._times.skew_ms
        emit, pair = out.pairs.append, self._writer.pair
        for key, time, body in zip(keys, times, bodies, strict=True):
            entry = open_.get(key)
            if entry is not None and early_ms <= time - entry[0] <= window_ms:
                mask = entry[1]
                if mask & bit:
                    out.count("duplicate_answers")
                    continue
                entry[slot] = body
                entry[1] = mask = mask | bit
                if mask == _ALL:
                    asked, _, query, incumbent, challenger, rerun = entry
                    emit((key, pair(query, incumbent, challenger, rerun), asked))
                    del open_[key]
                    settled[key] = asked << 4 | mask
            elif key in settled and self._belongs_to_settled(role, key, time, body, out):
                pass
            elif time < late_ms:
                self._emit_late(role, key, time, body, out)
            else:
                wait(key, time, body)

    def move(self, expired: int, out: Outputs) -> None:
        """Set T: close queries, tell late answers, forget. Moves only forward; called between batches."""
        window_ms, skew_ms = self._times.window_ms, self._times.skew_ms
        closed_before, self._closed_ms = self._closed_ms, expired - window_ms
        self.expired, self._late_ms = expired, expired - window_ms - skew_ms
        for keys in self._passed(self._query_buckets, closed_before, self._closed_ms):
            self._close_due(keys, out)
        for role, waiting in self._waiting.items():
            for key, (time, body) in waiting.over(self._late_ms):
                self._emit_late(role, key, time, body, out)
        self.forget(self._late_ms - window_ms)

    def bounds(self) -> tuple[int | None, int | None]:
        """Return the least timestamp of a query, and of an answer, that a new owner has to read again; None: all of them."""
        return (None, None) if self.expired is None else (self._forgotten_ms, self._late_ms)

    def sizes(self) -> tuple[int, int, int]:
        """Return how many queries wait, how many answers wait for their query, and how many ids are remembered."""
        return len(self._open), sum(map(len, self._waiting.values())), len(self._settled)

    def times(self) -> Expired | None:
        """Return T, and F where it is later than T alone says; None before T was ever set."""
        if self.expired is None:
            return None
        early = self._forgotten_ms > self._late_ms - self._times.window_ms
        return Expired(self.expired, self._forgotten_ms if early else 0)

    def forget(self, before_ms: int | None = None) -> None:
        """Forget the ids of queries before a time; None: as late as their answers could still come, when T has passed all."""
        self._forgotten_ms = max(self._forgotten_ms, self._late_ms if before_ms is None else before_ms)
        for bucket in _below(self._query_buckets, self._forgotten_ms // self._grain):
            self._forget(self._query_buckets.pop(bucket))

    def _is_repeat(self, key: bytes, time: int, out: Outputs) -> bool:
        entry = self._open.get(key)
        known = self._settled[key] >> 4 if entry is None else entry[0]
        if abs(time - known) <= self._times.window_ms:
            out.count("duplicate_queries")
        elif entry is not None:
            out.count("reused_ids")
        else:
            return False
        return True

    def _claim(self, key: bytes, entry: Entry, out: Outputs) -> None:
        """Give a query its waiting answers: of each role the first in range; further ones in range are dropped."""
        asked = entry[0]
        for role, waiting in self._waiting.items():
            for _, body in waiting.take(key, asked - self._times.skew_ms, asked + self._times.window_ms):
                if entry[1] & _BIT[role]:
                    out.count("duplicate_answers")
                else:
                    entry[role + _BODY] = body
                    entry[1] |= _BIT[role]

    def _belongs_to_settled(self, role: int, key: bytes, time: int, body: bytes, out: Outputs) -> bool:
        """Drop a second answer of a settled query, or tell the one it was closed without; False where it is out of range."""
        settled = self._settled[key]
        if not -self._times.skew_ms <= time - (settled >> 4) <= self._times.window_ms:
            return False
        if settled & _BIT[role]:
            out.count("duplicate_answers")
        else:
            self._settled[key] = settled | _BIT[role]
            self._emit_late(role, key, time, body, out)
        return True

    def _emit_pair(self, key: bytes, entry: Entry, out: Outputs) -> None:
        asked, mask, query, incumbent, challenger, rerun = entry
        out.pairs.append((key, self._writer.pair(query, incumbent, challenger, rerun), asked))
        self._settled[key] = asked << 4 | mask

    def _emit_late(self, role: int, key: bytes, time: int, body: bytes, out: Outputs) -> None:
        bodies = [None, None, None, None]
        bodies[role] = body  # type: ignore[call-overload]
        out.unpaired.append((key, self._writer.unpaired(key, LATE[1], bodies), time))
        out.count(LATE[0])

    def _emit_forgotten(self, key: bytes, entry: Entry, out: Outputs) -> None:
        """Tell a query so old that its id would be forgotten: an archive replayed again must count nothing twice."""
        out.unpaired.append((key, self._writer.unpaired(key, LATE[1], entry[_BODY:]), entry[0]))
        out.count("forgotten_queries")

    def _close(self, key: bytes, entry: Entry, out: Outputs) -> None:
        """Settle a query whose time is over: a pair that lacks at most its re-run, else what is missing."""
        if entry[1] & _BOTH == _BOTH:
            out.count("without_rerun")
            self._emit_pair(key, entry, out)
            return
        name, reason = _MISSING[entry[1] & _BOTH]
        out.unpaired.append((key, self._writer.unpaired(key, reason, entry[_BODY:]), entry[0]))
        out.count(name)
        self._settled[key] = entry[0] << 4 | entry[1]

    def _close_due(self, keys: Iterable[bytes], out: Outputs) -> None:
        open_, closed_ms = self._open, self._closed_ms
        for key in keys:
            entry = open_.get(key)
            if entry is not None and entry[0] < closed_ms:
                del open_[key]
                self._close(key, entry, out)

    def _forget(self, keys: Iterable[bytes]) -> None:
        settled, oldest = self._settled, self._forgotten_ms << 4
        for key in keys:
            if settled.get(key, oldest) < oldest:
                del settled[key]

    def _passed(self, buckets: dict[int, list[bytes]], before_ms: int, until_ms: int) -> Iterable[list[bytes]]:
        first, end = before_ms // self._grain, until_ms // self._grain
        return [buckets[bucket] for bucket in sorted(b for b in buckets if first <= b < end)]


def _below(buckets: dict[int, list[bytes]], end: int) -> list[int]:
    return sorted(bucket for bucket in buckets if bucket < end)
