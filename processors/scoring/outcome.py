"""What running a query comes to, and the limits it runs within."""

from dataclasses import dataclass
from typing import Any

from dualgate.processors.scoring.published import Reference


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may cost; `cached_cells` bounds what is remembered of a database, `memory` a server's client process."""

    rows: int = 20_000
    result_bytes: int = 64 << 20
    timeout_ms: int = 30_000
    sqlite_steps: int = 200_000_000
    cached_cells: int = 4_000_000
    memory_bytes: int = 1 << 30


class Result(Reference):
    """The rows of a query."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and self.rows == other.rows

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Result({self.rows!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Result, (self.rows,)


@dataclass(frozen=True, slots=True)
class Refused:
    """The database says that this is no query it can answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A limit or a fault that is not the query's: its result is not known."""

    reason: str


Outcome = Result | Refused | Stopped
