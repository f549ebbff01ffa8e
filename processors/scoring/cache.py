"""A bounded memory of what was computed before; the oldest half is forgotten when it is full."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values by key. What it forgets is computed again to the same value, so its size changes cost and nothing else."""

    __slots__ = ("_limit", "_values", "get")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: dict[K, V] = {}
        self.get = self._values.get

    def of(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made now where it is not known."""
        found = self.get(key)
        if found is None:
            found = make()
            if len(self._values) >= self._limit:
                self._forget()
            self._values[key] = found
        return found

    def _forget(self) -> None:
        for key in list(self._values)[: self._limit // 2 + 1]:
            del self._values[key]
