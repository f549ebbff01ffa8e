"""The join of one migration within one group of partitions: what waits, what is remembered, what is closed.

W is the window, S the allowed clock skew, G the grain. T is the expired-through time: a multiple of G that never falls.

- An answer of time r belongs to a query of time t iff -S <= r - t <= W, by timestamps alone.
- A query is closed when t + W < T. Until then its first answers in range make the pair; at closing, what is missing is told.
- An answer that belongs to no query handled so far waits until r + W + S < T and is then late, once.
- A query's id is remembered while t >= F, F being T - 2W - S or later, or while a repeat of it has t >= F: an archive that is
  replayed brings the repeat again, as if it were the first. Answers are remembered while r >= T - W - S.
- A query that comes with t < F may have been settled before: it is told as late, and never as missing.

W, S and T being multiples of G, "t + W < T" is a comparison of whole grains, so closing goes by buckets of one grain.
An id lives once: a repeat within W of a remembered one is dropped; so is one further away while the first is still open.
"""

from collections.abc import Iterable, Sequence

from dualgate.processors.pairing.positions import Expired
from dualgate.processors.pairing.records import ANSWERS, RERUN, Outputs, Writer
from dualgate.processors.pairing.settling import ALL, BIT, BODY, Entry, Settler, remembered
from dualgate.processors.pairing.waiting import Waiting
from dualgate.schemas.settings import PairingTimes

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
        "_repeated",
        "_settled",
        "_settler",
        "_times",
        "_waiting",
        "_writer",
        "awaits_reruns",
        "expired",
    )

    def __init__(self, times: PairingTimes, writer: Writer) -> None:
        self._times = times
        self._grain = times.grain_ms
        self._writer, self._settler = writer, Settler(writer)
        self._open: dict[bytes, Entry] = {}
        self._settled: dict[bytes, int] = {}
        self._repeated: dict[bytes, int] = {}
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
            mask = BIT[RERUN]
            if rerun:
                mask, self.awaits_reruns = 0, True
            if (key in open_ or key in settled) and self._is_repeat(key, time, out):
                continue
            entry = [time, mask, body, None, None, None]
            if key in incumbents or key in challengers or key in others:
                self._claim(key, entry, out)
            if entry[1] == ALL:
                self._settler.pair(key, entry, out)
                settled[key] = remembered(entry)
            elif time < closed_ms:
                if time < self._forgotten_ms:
                    self._settler.forgotten(key, entry, out)
                    continue
                self._settler.close(key, entry, out)
                settled[key] = remembered(entry)
            else:
                open_[key] = entry
            if time // grain != last:
                last = time // grain
                bucket = self._query_buckets.setdefault(last, [])
            bucket.append(key)

    def answers(self, role: int, keys: Sequence[bytes], times: Sequence[int], bodies: Sequence[bytes], out: Outputs) -> None:
        """Handle the answers of one role in offset order."""
        open_, settled, wait, late_ms = self._open, self._settled, self._waiting[role].add, self._late_ms
        bit, slot, window_ms, early_ms = BIT[role], role + BODY, self._times.window_ms, -self._times.skew_ms
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
                if mask == ALL:
                    asked, _, query, incumbent, challenger, rerun = entry
                    emit((key, pair(query, incumbent, challenger, rerun), asked))
                    del open_[key]
                    settled[key] = asked << 4 | mask
            elif key in settled and self._belongs_to_settled(role, key, time, body, out):
                pass
            elif time < late_ms:
                self._settler.late(role, key, time, body, out)
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
                self._settler.late(role, key, time, body, out)
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
            if time > self._repeated.get(key, known):
                self._repeated[key] = time
                self._query_buckets.setdefault(time // self._grain, []).append(key)
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
                if entry[1] & BIT[role]:
                    out.count("duplicate_answers")
                else:
                    entry[role + BODY] = body
                    entry[1] |= BIT[role]

    def _belongs_to_settled(self, role: int, key: bytes, time: int, body: bytes, out: Outputs) -> bool:
        """Drop a second answer of a settled query, or tell the one it was closed without; False where it is out of range."""
        settled = self._settled[key]
        if not -self._times.skew_ms <= time - (settled >> 4) <= self._times.window_ms:
            return False
        if settled & BIT[role]:
            out.count("duplicate_answers")
        else:
            self._settled[key] = settled | BIT[role]
            self._settler.late(role, key, time, body, out)
        return True

    def _close_due(self, keys: Iterable[bytes], out: Outputs) -> None:
        open_, closed_ms = self._open, self._closed_ms
        for key in keys:
            entry = open_.get(key)
            if entry is not None and entry[0] < closed_ms:
                del open_[key]
                self._settler.close(key, entry, out)
                self._settled[key] = remembered(entry)

    def _forget(self, keys: Iterable[bytes]) -> None:
        settled, repeated, oldest_ms = self._settled, self._repeated, self._forgotten_ms
        for key in keys:
            if repeated and repeated.get(key, oldest_ms) < oldest_ms:
                del repeated[key]
            if settled.get(key, oldest_ms << 4) < oldest_ms << 4 and key not in repeated:
                del settled[key]

    def _passed(self, buckets: dict[int, list[bytes]], before_ms: int, until_ms: int) -> Iterable[list[bytes]]:
        first, end = before_ms // self._grain, until_ms // self._grain
        return [buckets[bucket] for bucket in sorted(b for b in buckets if first <= b < end)]


def _below(buckets: dict[int, list[bytes]], end: int) -> list[int]:
    return sorted(bucket for bucket in buckets if bucket < end)
