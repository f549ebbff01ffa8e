"""Answers of one role that wait for their query: by key, and by the grain in which their time is over."""

from collections.abc import Iterator

Answer = tuple[int, bytes]
"""Time and body."""


class Waiting:
    """What waits of one role; `keys` is what to look a key up in."""

    __slots__ = ("_bucket", "_buckets", "_grain_ms", "_last", "keys")

    def __init__(self, grain_ms: int) -> None:
        self._grain_ms = grain_ms
        self.keys: dict[bytes, list[Answer]] = {}
        self._buckets: dict[int, list[bytes]] = {}
        # The bucket of the last answer: answers come in the order of time, nearly.
        self._last: int | None = None
        self._bucket: list[bytes] = []

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: bytes, time: int, body: bytes) -> None:
        """Let an answer wait."""
        self.keys.setdefault(key, []).append((time, body))
        grain = time // self._grain_ms
        if grain != self._last:
            self._last, self._bucket = grain, self._buckets.setdefault(grain, [])
        self._bucket.append(key)

    def take(self, key: bytes, least_ms: int, greatest_ms: int) -> list[Answer]:
        """Return the answers of a key within a span of time, both ends included, in their order; they wait no longer."""
        found = self.keys.pop(key, [])
        stay = [answer for answer in found if not least_ms <= answer[0] <= greatest_ms]
        if stay:
            self.keys[key] = stay
        return [answer for answer in found if least_ms <= answer[0] <= greatest_ms]

    def over(self, before_ms: int) -> Iterator[tuple[bytes, Answer]]:
        """Yield the answers older than a time, a multiple of the grain, in the order of time; they wait no longer."""
        self._last = None
        for grain in sorted(g for g in self._buckets if g < before_ms // self._grain_ms):
            for key in self._buckets.pop(grain):
                yield from ((key, answer) for answer in self.take(key, -(1 << 62), before_ms - 1))
