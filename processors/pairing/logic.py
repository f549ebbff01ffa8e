"""The fold of one group: the partitions of one number of the four input topics. No Kafka, no clock of its own.

`handle` takes runs of records, `advance` moves T between batches, `positions` is what to commit for all partitions of the
group together. After a crash the same is built from the committed positions: records below H are joined silently and with
nothing closed, those at or above H wait until every partition has reached its own H; then T is set from the metadata, what
it closes is closed silently, and the fold goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dualgate.processors.pairing import positions
from dualgate.processors.pairing.clocks import Clocks, Patience
from dualgate.processors.pairing.positions import Book, Expired, Position
from dualgate.processors.pairing.records import QUERY, ROLES, Outputs, Writer
from dualgate.processors.pairing.runs import Cutter, Part, Run
from dualgate.processors.pairing.window import Window
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import StateError
from dualgate.schemas.records import Pair, Unpaired
from dualgate.schemas.settings import PairingTimes


@dataclass(slots=True)
class _Migration:
    """One migration's part of the group."""

    window: Window
    clocks: Clocks
    books: list[Book] = field(default_factory=list)
    over: bool = False


class GroupLogic:
    """The join of one group of partitions; `start` holds the committed position of each role, in the order of the roles."""

    def __init__(
        self,
        number: int,
        times: PairingTimes,
        patience: Patience,
        codec: Codec,
        start: Sequence[Position],
        now_ms: int,
        worker: str = "pairing",
        topics: Sequence[str] = (),
    ) -> None:
        self.number = number
        self._times, self._patience = times, patience
        self._writer = Writer(codec.header(Pair), codec.header(Unpaired))
        self._cutter = Cutter(codec, number, worker, *((topics,) if topics else ()))
        self._migrations: dict[str, _Migration] = {}
        self._handled = [position.offset for position in start]
        self._goals = [position.handled for position in start]
        self._lineages = [position.lineage for position in start]
        self._stored = positions.greatest(start)
        self._ends_ms: list[int | None] = [None] * len(ROLES)
        self._stash: list[Run] = []
        self._changed = False
        self.rebuilding = True
        for position in start:
            if position.offset > position.handled:
                raise StateError(
                    f"group {number}: committed offset {position.offset} is beyond H {position.handled} of its metadata"
                )
        self._finish_rebuild(now_ms, Outputs())

    def handle(self, run: Run, now_ms: int, out: Outputs) -> None:
        """Handle a run, in offset order per role; while the group is rebuilt, what lies at or above H waits."""
        if not self.rebuilding:
            self._fold(run, now_ms, out)
            return
        below, above = run.split(self._goals[run.role])
        if below.offsets:
            self._fold(below, now_ms, Outputs())
        if above.offsets:
            self._handled[run.role] = self._goals[run.role]
            self._stash.append(above)
        self._finish_rebuild(now_ms, out)

    def at_end(self, role: int, next_offset: int, now_ms: int, out: Outputs) -> None:
        """Note that a partition is read to its end, where the next record will have at least this offset."""
        self._ends_ms[role] = now_ms
        for migration in self._migrations.values():
            migration.clocks.confirm(role, now_ms)
        if self.rebuilding and next_offset >= self._goals[role]:
            self._handled[role] = self._goals[role]
            self._finish_rebuild(now_ms, out)

    def was_deaf(self, now_ms: int) -> None:
        """Note that the broker did not answer until now: what was not heard meanwhile was not silent."""
        for migration in self._migrations.values():
            migration.clocks.was_deaf(now_ms)

    def advance(self, out: Outputs) -> None:
        """Move T of each migration as far as the clocks allow, and close what it passes. Called between batches."""
        if self.rebuilding:
            return
        for migration in self._migrations.values():
            due = migration.clocks.due(self._ends_ms, migration.window.awaits_reruns)
            expired = migration.window.expired
            if due is not None and (expired is None or due > expired):
                migration.window.move(due, out)
                self._changed = True
            was_over, migration.over = migration.over, migration.clocks.is_over(self._ends_ms)
            if migration.over and not was_over:
                self._release(migration)

    def paused(self) -> set[int]:
        """Return the roles that must not be read on now: too far ahead of T, or waiting for their siblings' rebuild.

        Each of two migrations may be ahead in the partition that the other waits for: what any of them waits for is read.
        """
        if self.rebuilding:
            return {role for role in ROLES if self._handled[role] >= self._goals[role]}
        if sum(self.sizes()[:2]) <= self._patience.crowd:
            return set()
        ahead: set[int] = set()
        behind: set[int] = set()
        for migration in self._migrations.values():
            roles = migration.clocks.ahead(migration.window.expired)
            if roles:
                ahead |= roles
                behind |= migration.clocks.behind()
        return ahead - behind

    def has_changed(self) -> bool:
        """Return whether positions moved since they were last taken."""
        return self._changed and not self.rebuilding

    def positions(self) -> list[Position]:
        """Return what to commit for each role, and take the group as committed."""
        self._changed = False
        expired = self._expired()
        return [Position(self._offset(role), self._handled[role], self._lineages[role], expired) for role in ROLES]

    def handled(self) -> list[int]:
        """Return H of each role."""
        return list(self._handled)

    def sizes(self) -> tuple[int, int, int]:
        """Return how many queries wait, how many answers wait for their query, and how many ids are remembered."""
        each = [migration.window.sizes() for migration in self._migrations.values()]
        return sum(s[0] for s in each), sum(s[1] for s in each), sum(s[2] for s in each)

    def expired(self) -> Mapping[str, int]:
        """Return T by migration."""
        return {name: times.through_ms for name, times in self._times_of_all().items()}

    def _times_of_all(self) -> dict[str, Expired]:
        found = {name: migration.window.times() for name, migration in sorted(self._migrations.items())}
        return {name: times for name, times in found.items() if times is not None}

    def _fold(self, run: Run, now_ms: int, out: Outputs) -> None:
        if run.offsets[0] < self._handled[run.role]:
            raise StateError(
                f"group {self.number}, role {run.role}: offset {run.offsets[0]} comes again after {self._handled[run.role]}"
            )
        for part in self._cutter.parts(run, out.dead.append):
            out.read[part.migration_id] = out.read.get(part.migration_id, 0) + part.n_read
            self._join(run.role, part, now_ms, out)
        self._handled[run.role] = run.offsets[-1] + 1
        self._changed = True

    def _join(self, role: int, part: Part, now_ms: int, out: Outputs) -> None:
        migration = self._migration(part.migration_id, now_ms)
        migration.clocks.hear(role, part.least_ms, part.greatest_ms, now_ms)
        migration.books[role].add(part.first_offset, part.greatest_ms)
        if role == QUERY:
            migration.window.queries(part.keys, part.times, part.bodies, part.reruns, out)
        else:
            migration.window.answers(role, part.keys, part.times, part.bodies, out)

    def _migration(self, name: str, now_ms: int) -> _Migration:
        if name not in self._migrations:
            books = [Book(self._times.grain_ms) for _ in ROLES]
            self._migrations[name] = _Migration(
                Window(self._times, self._writer), Clocks(self._times, self._patience, now_ms), books
            )
        return self._migrations[name]

    def _finish_rebuild(self, now_ms: int, out: Outputs) -> None:
        """Go on where every partition has reached its H: set T, close and forget silently, then handle what waited."""
        if any(handled < goal for handled, goal in zip(self._handled, self._goals, strict=True)):
            return
        self.rebuilding = False
        for name, (through_ms, forgotten_ms) in self._stored.items():
            window = self._migration(name, now_ms).window
            window.move(through_ms, Outputs())
            window.forget(forgotten_ms)
        stash, self._stash = self._stash, []
        for run in stash:
            self._fold(run, now_ms, out)

    def _release(self, migration: _Migration) -> None:
        """A migration that has ended holds no partition back: all that it left is older than its answers could be."""
        migration.window.forget()
        for book in migration.books:
            book.clear()
        self._changed = True

    def _offset(self, role: int) -> int:
        held = []
        for migration in self._migrations.values():
            queries_ms, answers_ms = migration.window.bounds()
            held.append(migration.books[role].first(queries_ms if role == QUERY else answers_ms))
        return positions.least(held, self._handled[role])

    def _expired(self) -> dict[str, Expired]:
        """Return what of T goes into the metadata: where it has no room for all, migrations that have ended are left out."""
        expired = self._times_of_all()
        if positions.fits(expired):
            return expired
        return {name: t for name, t in expired.items() if not self._migrations[name].over}
