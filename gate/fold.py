"""The gate as a fold of its ledger: (state, entry) → (state, outputs). No clock, no socket, no randomness.

Whoever holds the ledger recomputes every decision: the state carries the accepted configuration, and time is the append time
of the entries.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dualgate.gate.commands import obey
from dualgate.gate.decide import At, Output
from dualgate.gate.intake import take
from dualgate.gate.labels import take_label
from dualgate.gate.routers import acknowledged
from dualgate.gate.state import MigrationState
from dualgate.gate.watch import lapsed, tick
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import LedgerEntry

__all__ = ["At", "Output", "fold_ledger", "migration_of", "step"]


def migration_of(entry: LedgerEntry) -> str | None:
    """Return the migration that an entry belongs to, None for a claim; RecordError where not exactly one part is given."""
    parts = [
        part
        for part in (entry.command, entry.quality, entry.coverage, entry.label, entry.tick, entry.ack, entry.claim)
        if part is not None
    ]
    if len(parts) != 1:
        raise RecordError(f"a ledger entry has exactly one of its parts; this one has {len(parts)}")
    return getattr(parts[0], "migration_id", None)


def step(
    state: MigrationState | None, migration_id: str, entry: LedgerEntry, at: At, *, closed: bool = False
) -> tuple[MigrationState | None, list[Output]]:
    """Apply one entry to one migration; None is a migration of which nothing is known.

    closed: the whole log is at hand (a backtest): sessions may be units, and the evidence clock may be ahead of the ledger's.
    Raises RecordError for an entry of another migration, or evidence that is not on its lattice; the state is then unchanged.
    """
    if migration_of(entry) != migration_id:
        raise RecordError(f"entry of migration {migration_of(entry)} stands under the key {migration_id}")
    if entry.command is not None:
        before = None if state is None else _at(state, at)
        return obey(before, entry.command, at, closed=closed)
    if state is None:
        return None, []
    return _evidence(_at(state, at), entry, at, closed)


def _at(state: MigrationState, at: At) -> MigrationState:
    """Move the ledger clock, the greatest append time so far; a lease that has run out by then is noted."""
    return lapsed(replace(state, ledger_clock_ms=max(state.ledger_clock_ms, at.time_ms)))


def _evidence(state: MigrationState, entry: LedgerEntry, at: At, closed: bool) -> tuple[MigrationState, list[Output]]:
    try:
        if entry.quality is not None:
            return take(state, entry.quality, at, closed=closed)
        if entry.coverage is not None:
            return take(state, entry.coverage, at, closed=closed)
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise RecordError(f"block of migration {state.migration_id} cannot be counted: {error}") from error
    if entry.tick is not None:
        return tick(state, at)
    if entry.ack is not None:
        return acknowledged(state, entry.ack, at)
    if entry.label is not None:
        return take_label(state, entry.label, at)
    return state, []


def fold_ledger(entries: Iterable[tuple[At, LedgerEntry]]) -> Iterator[Output]:
    """Yield everything that a gate publishes over a ledger; entries that cannot be applied change nothing."""
    states: dict[str, MigrationState | None] = {}
    for at, entry in entries:
        try:
            name = migration_of(entry)
            if name is None:
                continue
            states[name], outputs = step(states.get(name), name, entry, at)
        except RecordError:
            continue
        yield from outputs
