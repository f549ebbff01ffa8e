"""The comparison as a whole: decisions that were recorded, decisions that come out of the ledger, and what is missing."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dualgate.gate.fold import fold_ledger
from dualgate.lab.verify.compare import compare
from dualgate.lab.verify.ledger import Line, Place, Reading
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import DecisionRecord, EvidenceRecord, RoutingCommand

RENEWED = ("issued_at_ms",)
"""A renewal repeats a routing command with another time."""

Commanded = tuple[str, int, int]


@dataclass(slots=True)
class Recorded:
    """What the gate published, in the order of the topics: decisions of `evidence`, routing commands of `decisions`."""

    decisions: list[DecisionRecord] = field(default_factory=list)
    commands: list[RoutingCommand] = field(default_factory=list)

    def take(self, record: Any) -> None:
        """Take in a record of either topic; snapshots and renewals are left out."""
        if isinstance(record, RoutingCommand):
            self.commands.append(record)
        elif isinstance(record, EvidenceRecord) and record.decision is not None and record.decision.kind != "renewal":
            self.decisions.append(record.decision)


def refold(lines: Iterable[Line], reading: Reading) -> Recorded:
    """Return what a gate publishes over these lines of a ledger."""
    made = Recorded()
    for output in fold_ledger(reading.entries(lines)):
        made.take(output.record)
    return made


def verify(
    lines: Iterable[Line],
    recorded: Recorded,
    *,
    known: Collection[Place] = (),
    faults: Iterable[str] = (),
    unreadable: Sequence[str] = (),
    only: str | None = None,
) -> dict[str, Any]:
    """Compare; `only` is a migration, `faults` is what the caller found missing, `unreadable` what stands among the decisions.

    The keys: decisions (how many were compared), equal, first_difference (None, or decision_id, index, field, recorded,
    recomputed), incomplete (why nothing can be promised, in words), unreadable, entries, migrations (of which the ledger has an
    entry), started (those that ever began; the others have refused commands only). Incomplete is never equal.
    What cannot be read makes nothing incomplete: a decision that it stands in the place of is a difference by itself.
    """
    reading = Reading(known)
    made = refold(lines, reading)
    ours, theirs = _of(recorded, only), _of(made, only)
    missing = [*faults, *reading.faults]
    if not ours.decisions and not theirs.decisions:
        missing.append("no decision to compare: neither recorded nor recomputed")
    difference = next(_differences(ours, theirs), None)
    return {
        "decisions": len({d.decision_id for d in ours.decisions} & {d.decision_id for d in theirs.decisions}),
        "equal": difference is None and not missing,
        "first_difference": difference,
        "incomplete": missing,
        "unreadable": list(unreadable),
        "entries": reading.n_entries,
        "migrations": sorted(reading.migrations),
        "started": sorted({d.migration_id for d in (*recorded.decisions, *made.decisions) if d.epoch > 0}),
    }


def _of(what: Recorded, only: str | None) -> Recorded:
    if only is None:
        return what
    return Recorded([d for d in what.decisions if d.migration_id == only], [c for c in what.commands if c.migration_id == only])


def _differences(recorded: Recorded, made: Recorded) -> Iterator[dict[str, Any]]:
    """Yield differences: of decisions in the ledger's order, then what the ledger does not give, then of commands."""
    told: dict[str, list[DecisionRecord]] = {}
    for each in recorded.decisions:
        told.setdefault(each.decision_id, []).append(each)
    for index, expected in enumerate(made.decisions):
        for found in told.pop(expected.decision_id, [None]):
            yield from _difference(expected.decision_id, index, found, expected)
    for name, extra in told.items():
        yield from _difference(name, len(made.decisions), extra[0], None)
    yield from _commands(recorded.commands, {_name(c): c for c in made.commands}, len(made.decisions))


def _commands(recorded: list[RoutingCommand], made: Mapping[Commanded, RoutingCommand], index: int) -> Iterator[dict[str, Any]]:
    """Yield the commands that routers were given and that the ledger does not give; `decisions` need not have them all."""
    for found in recorded:
        name = f"command {found.migration_id}/{found.epoch}/{found.sequence}"
        yield from _difference(name, index, found, made.get(_name(found)), RENEWED)


def _name(command: RoutingCommand) -> Commanded:
    return command.migration_id, command.epoch, command.sequence


def _difference(name: str, index: int, found: Any, expected: Any, ignore: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    if found is None or expected is None:
        whole: tuple[str, Any, Any] | None = ("record", _short(found), _short(expected))
    else:
        whole = compare(found, expected, ignore)
    if whole is not None:
        where, ours, theirs = whole
        yield {"decision_id": name, "index": index, "field": where, "recorded": ours, "recomputed": theirs}


def _short(record: Any) -> dict[str, Any] | None:
    """Return what names a record that the other side has not."""
    if record is None:
        return None
    names = ("kind", "rule", "phase", "from_phase", "to_phase", "reason", "ledger_partition", "ledger_offset", "ledger_row")
    return {name: value for name, value in to_plain(record).items() if name in names}
