"""What the gate's table holds, and what one ledger entry makes of it: pure, and all that the Faust shell decides by.

Each ledger entry is one record of the table: its migration's, or the partition's own (claims, unknown migrations, what could
not be applied). A record is one consistent snapshot: the offset that it has applied, and the state after it. The applied
offset of the partition is the greatest of its records'.

Keys carry the process that wrote them, and of several records of one migration the greatest offset counts: a gate that was
suspended and has been replaced may still deliver one old record, which must not stand in the place of its successor's.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dualgate.gate.fold import At, Output, migration_of, step
from dualgate.gate.state import MigrationState
from dualgate.schemas.errors import RecordError, StateError
from dualgate.schemas.records import DeadLetter, LedgerEntry
from dualgate.schemas.topics import DEAD_LETTERS, DECISIONS, LEDGER, MIGRATIONS

OWN = ""
"""Name of the partition's own record; no migration has it."""
MAX_ROW_BYTES = 1_000_000
"""A broker takes records of a little more than this, unless told otherwise."""
MAX_DEAD_BYTES = 4 << 20
"""A larger value is cut in its dead letter, and says so: a dead letter must itself fit its topic."""
MAX_DEAD_WORDS = 4_000
"""So are its key and its reason, which may repeat what somebody has written: bytes and characters."""
NONE = -1
WORKER = "gate"


@dataclass(frozen=True, slots=True)
class Row:
    """One record of the table: the ledger offset that it has applied, the newest claim that it knows, and a state."""

    off: int
    claim: int = NONE
    state: Mapping[str, Any] | None = None

    def encode(self) -> bytes:
        """Return the record's bytes; StateError where the broker would refuse them."""
        plain = {"off": self.off, "claim": self.claim, "state": self.state}
        value = json.dumps(plain, allow_nan=False, separators=(",", ":")).encode()
        if len(value) > MAX_ROW_BYTES:
            raise StateError(f"state at ledger offset {self.off} has {len(value)} bytes > {MAX_ROW_BYTES} that a record may have")
        return value

    @classmethod
    def decode(cls, value: bytes) -> "Row":
        """Return the record of bytes that `encode` made."""
        return cls(**json.loads(value))


@dataclass(frozen=True, slots=True)
class Applied:
    """What one entry makes: the record to be written (`name`, `claim`, `state`) and what is published before."""

    name: str
    claim: int
    state: MigrationState | None
    outputs: list[Output]


class Book:
    """What a gate holds in memory of one partition's records; states are decoded once, then kept."""

    def __init__(self, records: Mapping[bytes, bytes], writer: str) -> None:
        """Take the table's records, several of a name or none; `writer` is this process."""
        self._writer = writer
        self._rows: dict[str, Row] = {}
        self._states: dict[str, MigrationState] = {}
        self._foreign: dict[str, list[bytes]] = {}
        for key, value in records.items():
            name, _, by = key.decode().partition("@")
            row = Row.decode(value)
            if name not in self._rows or row.off > self._rows[name].off:
                self._rows[name] = row
            if by != writer:
                self._foreign.setdefault(name, []).append(key)
        self.applied = max((row.off for row in self._rows.values()), default=NONE)
        self.claim = max((row.claim for row in self._rows.values()), default=NONE)

    def key(self, name: str) -> bytes:
        """Return the key of this process's record of a migration, or of the partition's own."""
        return f"{name}@{self._writer}".encode()

    def row(self, off: int, applied: Applied) -> bytes:
        """Return the record that an entry at offset `off` writes."""
        return Row(off, applied.claim, applied.state.to_json() if applied.state else None).encode()

    def put(self, off: int, applied: Applied) -> list[bytes]:
        """Note what was written; return the keys of other processes that it replaces."""
        self._rows[applied.name] = Row(off, applied.claim)
        if applied.state is not None:
            self._states[applied.name] = applied.state
        self.applied, self.claim = off, max(self.claim, applied.claim)
        return self._foreign.pop(applied.name, [])

    def state(self, name: str) -> MigrationState | None:
        """Return what is known of a migration; StateError where another version of Dualgate wrote it."""
        plain = self._rows[name].state if name in self._rows else None
        if name not in self._states and plain is not None:
            try:
                self._states[name] = MigrationState.from_json(plain)
            except ValueError as error:
                raise StateError(f"migration {name}: {error}") from error
        return self._states.get(name)

    def states(self) -> Iterator[MigrationState]:
        """Yield what is known of each migration, by name."""
        for name in sorted(self._rows):
            state = self.state(name)
            if state is not None:
                yield state


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the ledger as it was read: decoded, or with the reason why it cannot be."""

    at: At
    key: bytes | None
    value: bytes | None
    entry: LedgerEntry | None
    reason: str = ""

    @property
    def claim_id(self) -> str | None:
        """The id of the process that claims the ledger with this entry, if it is a claim."""
        return self.entry.claim.claim_id if self.entry is not None and self.entry.claim is not None else None


def apply(book: Book, read: Entry, me: str) -> Applied:
    """Apply one entry; what cannot be applied is a dead letter and changes no migration.

    This process's own claim publishes each migration and its command again: a predecessor may have died between its outputs,
    and a compacted topic may have been made anew.
    """
    try:
        if read.entry is None:
            raise RecordError(read.reason)
        name = migration_of(read.entry)
        if name is None:
            return _claimed(book, read, me)
        state, outputs = step(book.state(name), name, read.entry, read.at)
    except RecordError as error:
        return Applied(OWN, book.claim, None, [_dead_letter(read, str(error))])
    return Applied(OWN if state is None else name, book.claim, state, outputs)


def _claimed(book: Book, read: Entry, me: str) -> Applied:
    again = [output for state in book.states() for output in current(state)] if read.claim_id == me else []
    return Applied(OWN, max(book.claim, read.at.offset), None, again)


def current(state: MigrationState) -> list[Output]:
    """Return what readers of the compacted topics must know of a migration."""
    name = state.migration_id
    return [Output(MIGRATIONS, name, state.migration), Output(DECISIONS, name, state.last_command)]


def _dead_letter(read: Entry, reason: str) -> Output:
    value = read.value
    letter = DeadLetter(
        topic=LEDGER,
        partition=read.at.partition,
        offset=read.at.offset,
        timestamp_ms=read.at.time_ms,
        key=None if read.key is None else read.key[:MAX_DEAD_WORDS],
        value=None if value is None else value[:MAX_DEAD_BYTES],
        truncated=len(value or b"") > MAX_DEAD_BYTES or len(read.key or b"") > MAX_DEAD_WORDS,
        reason=reason if len(reason) <= MAX_DEAD_WORDS else f"{reason[:MAX_DEAD_WORDS]}… ({len(reason):,} characters)",
        worker=WORKER,
    )
    return Output(DEAD_LETTERS, OWN if read.key is None else read.key[:MAX_DEAD_WORDS].decode(errors="replace"), letter)
