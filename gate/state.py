"""What the gate remembers of one migration: a value, small, exact in JSON, versioned; everything else is recomputed from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any

from dualgate.gate import phases
from dualgate.gate.budget import Spent
from dualgate.gate.line import Line
from dualgate.gate.stats import DimensionSpec, DimensionState
from dualgate.gate.stats.dimension import Counts
from dualgate.gate.stats.monitor import MonitorSpec, MonitorState
from dualgate.schemas.migration import MigrationConfig, MigrationSpec
from dualgate.schemas.plain import from_plain, to_plain
from dualgate.schemas.records import DimensionStatus, Migration, RoutingCommand

VERSION = 5
REMEMBERED_TOPICS, REMEMBERED_GAPS = 32, 32
PHASE = "phase."
"""Begins the names of counters that start anew with each phase."""

Monitored = tuple[MonitorSpec, MonitorState]


@dataclass(frozen=True, slots=True)
class Source:
    """One source partition of evidence: its topic's id, the next offset to apply, its clock, and when it last had data.

    gaps are the newest ranges of offsets below the next one of which no block was ever read (first, one beyond the last).
    """

    lineage: str
    next_offset: int
    asked_at_ms: int | None
    heard_ms: int
    gaps: tuple[tuple[int, int], ...] = ()

    def gaps_after(self, first: int, end: int) -> tuple[tuple[int, int], ...]:
        """Return the gaps once the offsets first … end - 1 were read."""
        cut = [part for a, b in self.gaps for part in ((a, min(b, first)), (max(a, end), b)) if part[0] < part[1]]
        return (*cut, *([(self.next_offset, first)] if first > self.next_offset else []))[-REMEMBERED_GAPS:]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Source":
        """Return the source that `asdict` made plain."""
        return cls(**{**data, "gaps": tuple((a, b) for a, b in data["gaps"])})


@dataclass(frozen=True, slots=True)
class Plan:
    """How many counted units the phases before the canary take."""

    calibrating: int
    min_pairs: int
    max_pairs: int

    @property
    def calibrating_at_most(self) -> int:
        """How long is waited for a dimension that is hardly observed: its pairs, and as many more as SHADOW takes at most."""
        return self.calibrating + self.max_pairs


@dataclass(frozen=True, slots=True)
class RouterSeen:
    """A router's last acknowledgement: the command that it obeys, the ledger time, and what it routed since the one before."""

    epoch: int
    sequence: int
    heard_ms: int
    incumbent: int = 0
    challenger: int = 0

    @property
    def order(self) -> tuple[int, int]:
        """The command that it obeys, as commands are ordered."""
        return self.epoch, self.sequence


@dataclass(frozen=True, slots=True)
class Ordered:
    """A command that was carried out: its id, what and whose it was, a digest of all it said, and when it was issued."""

    command_id: str
    kind: str
    actor: str
    digest: str
    issued_at_ms: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Users are being taken back: since when on the ledger clock, and the lease of the command before (None: for ever)."""

    since_ms: int
    lease_ms: int | None


@dataclass(frozen=True, slots=True)
class MigrationState:
    """One migration at one ledger entry. Counts are units; times are milliseconds.

    phase_sequence is the command that began the phase, or let the challenger re-enter it;
    decided_at the unit at which a dimension's own condition first held;
    verdicts what a decision has latched; withdrawal lasts until no router that counts has anybody on the challenger;
    unlisted stands for the routers beyond those that are listed; commands issued until forgotten_ms are no longer known.
    reentry says how the challenger comes back after a lapsed lease: "lapsed" until the next tick, then "back" from reentry_ms
    of the evidence clock on. strata are the names met so far, by_stratum the eligible and lost queries of the phase,
    mirrored what routers say they mirrored in it and what of it arrived. planned are
    the observations expected in each live phase, spent the use of its error budgets, unwatched why a
    dimension has no monitor, limits those of a chart that is reset at each step.
    checks are the sums of the phase's betting tests, waiting the (stratum, lost) of a unit without a partner yet, assigned the
    (challenger's, all) queries that routers have counted under the present command. incumbents is what its own answers
    observed while calibrating; gone are topics that were made anew. line is where pairs of a rated correctness wait for labels.
    """

    config: str
    migration: Migration
    phase: str
    specs: tuple[DimensionSpec, ...]
    dims: tuple[DimensionState, ...]
    plan: Plan
    last_command: RoutingCommand
    paused: bool = False
    held: str = ""
    retreated: bool = False
    silent: bool = False
    n_units: int = 0
    n_counted: int = 0
    n_phase: int = 0
    phase_sequence: int = 1
    phase_began_ms: int | None = None
    evidence_clock_ms: int | None = None
    ledger_clock_ms: int = 0
    last_evidence_ms: int = 0
    n_decisions: int = 0
    sources: Mapping[str, Source] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    decided_at: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, DimensionStatus] = field(default_factory=dict)
    scorer_versions: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[Ordered, ...] = ()
    forgotten_ms: int = -1
    routers: Mapping[str, RouterSeen] = field(default_factory=dict)
    unlisted: RouterSeen | None = None
    withdrawal: Withdrawal | None = None
    monitors: Mapping[str, Monitored] = field(default_factory=dict)
    unwatched: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    reentry: str = ""
    reentry_ms: int | None = None
    strata: tuple[str, ...] = ()
    by_stratum: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    mirrored: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)
    planned: Mapping[str, int] = field(default_factory=dict)
    spent: Mapping[str, Spent] = field(default_factory=dict)
    checks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    waiting: tuple[int, int] | None = None
    assigned: tuple[int, int] = (0, 0)
    incumbents: Mapping[str, Counts] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    line: Line | None = None

    @property
    def active(self) -> bool:
        """Whether evidence is still gathered and leases are renewed."""
        return self.phase not in phases.TERMINAL

    @property
    def timed(self) -> bool:
        """Whether the passing of time can still change anything."""
        return self.active or (self.withdrawal is not None and self.withdrawal.lease_ms is not None)

    @property
    def begins_ms(self) -> int | None:
        """Where on the evidence clock something begins that is commanded now; live not before the command itself.

        After an outage the clock still stands where the last evidence was, and would jump over a duration that begins there.
        """
        if self.spec.mode == "replay":
            return self.evidence_clock_ms
        return max(self.ledger_clock_ms, -1 if self.evidence_clock_ms is None else self.evidence_clock_ms)

    @property
    def migration_id(self) -> str:
        """The migration's id."""
        return self.migration.migration_id

    @property
    def spec(self) -> MigrationSpec:
        """The accepted specification."""
        return parsed(self.config).spec

    @property
    def on(self) -> tuple[str, ...]:
        """The dimensions that are on, in their fixed order."""
        return self.spec.dimensions.on

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "version": VERSION,
            "migration": to_plain(self.migration),
            "specs": [spec.to_json() for spec in self.specs],
            "dims": [dim.to_json() for dim in self.dims],
            "plan": asdict(self.plan),
            "last_command": to_plain(self.last_command),
            "sources": {name: asdict(source) for name, source in self.sources.items()},
            "commands": [asdict(each) for each in self.commands],
            "routers": {name: asdict(seen) for name, seen in self.routers.items()},
            "unlisted": None if self.unlisted is None else asdict(self.unlisted),
            "withdrawal": None if self.withdrawal is None else asdict(self.withdrawal),
            "monitors": {name: [spec.to_json(), held.to_json()] for name, (spec, held) in self.monitors.items()},
            "strata": list(self.strata),
            "by_stratum": {name: list(counts) for name, counts in self.by_stratum.items()},
            "mirrored": {name: list(counts) for name, counts in self.mirrored.items()},
            "spent": {name: [each.used, each.n, list(each.marks)] for name, each in self.spent.items()},
            "checks": {name: list(sums) for name, sums in self.checks.items()},
            "waiting": None if self.waiting is None else list(self.waiting),
            "assigned": list(self.assigned),
            "incumbents": {name: [list(c) for c in counts] for name, counts in self.incumbents.items()},
            "gone": list(self.gone),
            "line": None if self.line is None else self.line.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "MigrationState":
        """Return the state that `to_json` wrote. Raises ValueError for another version, or other fields."""
        if data.get("version") != VERSION:
            raise ValueError(f"state of a migration has version {data.get('version')!r}; this gate reads version {VERSION}")
        plain = {name: value for name, value in data.items() if name != "version"}
        if unlike := {f.name for f in fields(cls)} ^ set(plain):
            raise ValueError(f"state of a migration of version {VERSION} differs from this gate's in {', '.join(sorted(unlike))}")
        return cls(
            **plain
            | {
                "migration": from_plain(Migration, plain["migration"]),
                "specs": tuple(DimensionSpec.from_json(spec) for spec in plain["specs"]),
                "dims": tuple(DimensionState.from_json(dim) for dim in plain["dims"]),
                "plan": Plan(**plain["plan"]),
                "last_command": from_plain(RoutingCommand, plain["last_command"]),
                "sources": {name: Source.from_json(source) for name, source in plain["sources"].items()},
                "commands": tuple(Ordered(**each) for each in plain["commands"]),
                "routers": {name: RouterSeen(**seen) for name, seen in plain["routers"].items()},
                "unlisted": None if plain["unlisted"] is None else RouterSeen(**plain["unlisted"]),
                "withdrawal": None if plain["withdrawal"] is None else Withdrawal(**plain["withdrawal"]),
                "monitors": {
                    name: (MonitorSpec.from_json(spec), MonitorState.from_json(held))
                    for name, (spec, held) in plain["monitors"].items()
                },
                "strata": tuple(plain["strata"]),
                "by_stratum": {name: tuple(counts) for name, counts in plain["by_stratum"].items()},
                "mirrored": {name: (c[0], c[1], c[2], c[3]) for name, c in plain["mirrored"].items()},
                "spent": {name: Spent(used, n, tuple(marks)) for name, (used, n, marks) in plain["spent"].items()},
                "checks": {name: tuple(sums) for name, sums in plain["checks"].items()},
                "waiting": None if plain["waiting"] is None else (plain["waiting"][0], plain["waiting"][1]),
                "assigned": (plain["assigned"][0], plain["assigned"][1]),
                "incumbents": {name: tuple((c[0], c[1], c[2]) for c in counts) for name, counts in plain["incumbents"].items()},
                "gone": tuple(plain["gone"]),
                "line": None if plain["line"] is None else Line.from_json(plain["line"]),
            }
        )


@lru_cache(maxsize=64)
def parsed(config: str) -> MigrationConfig:
    """Return an accepted configuration; a cache of a pure function."""
    return MigrationConfig.from_json(config)


def counted(counters: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Return counters with more in them, in a fixed order."""
    total = dict(counters)
    for name, n in more.items():
        if n:
            total[name] = total.get(name, 0) + n
    return dict(sorted(total.items()))
