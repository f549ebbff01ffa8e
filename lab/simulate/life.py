"""The whole life of one simulated migration: the gate's own walk through its rules, over drawn pairs instead of a ledger.

Calibrating, shadow, canary, rollout steps and the tail are walked as the live gate does; approvals that the file asks for are
given at once, labels come at once, nothing is ever missing, and where no rate of queries is given no minimum duration binds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from dualgate.gate import incumbent, phases, rated
from dualgate.gate.calibration import calibrated
from dualgate.gate.decide import entered
from dualgate.gate.observations import NOT_ELIGIBLE, SCORED, Rows, observed
from dualgate.gate.rules import Rule
from dualgate.gate.state import MigrationState
from dualgate.gate.stats.lattice import MISSING
from dualgate.gate.walk import walk
from dualgate.gate.watched import begun
from dualgate.lab.simulate.pairs import Outcomes, blocks, incumbent_codes
from dualgate.lab.simulate.rated import rated_rows
from dualgate.lab.simulate.watch import Watch
from dualgate.sinks.report.summary import verdict_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended, and after how many sampled pairs; accepted: after how many the shadow phase accepted, if it did."""

    verdict: str
    reason: str
    pairs: int
    accepted: int | None = None


@dataclass(slots=True)
class Life:
    """One run: the gate's state, and its monitors from the acceptance on. pair_ms: evidence time from pair to pair.

    rng: for what a rater says and who is labelled, where the file names a rater.
    """

    state: MigrationState
    pair_ms: float
    live: bool
    watch: Watch | None = None
    accepted: int | None = None
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def run(self, batches: Iterator[Outcomes], limit: int) -> Outcome:
        """Return the outcome; where `limit` pairs bring no end, the verdict of the phase in which they ran out."""
        for batch in batches:
            rows = self.rows(batch).part(0, limit - self.state.n_units)
            while len(rows):
                before = self.state.n_units
                ended = self._segment(rows)
                if ended is not None:
                    return ended
                rows = rows.part(self.state.n_units - before, len(rows))
            if self.state.n_units >= limit:
                return Outcome(verdict_of(self.state.phase), "the pairs ran out", limit, self.accepted)
        raise ValueError("the stream of pairs ended; accepted: an endless one")

    def _segment(self, rows: Rows) -> Outcome | None:
        """Walk up to the next rule; return the outcome where the migration ends."""
        before = self.state
        self.state, n, fired = walk(before, rows, approved=True)
        here = rows.part(0, n)
        alarm = (
            self.watch.first_alarm(rated.filled(before, here, rated.taken(before, here, observed(here)))) if self.watch else None
        )
        worse_first = fired is not None and fired.name == "worse" and alarm == n - 1
        if alarm is not None and not worse_first:
            return Outcome("rolled_back", f"alarm in {before.phase}", before.n_units + alarm + 1, self.accepted)
        return None if fired is None else self._enter(fired)

    def _alarm(self, before: MigrationState, rows: Rows) -> int | None:
        """Return at which of the units the live watch alarms, None at none."""
        if self.watch is None:
            return None
        return self.watch.first_alarm(rated.filled(before, rows, rated.taken(before, rows, observed(rows))))

    def _enter(self, fired: Rule) -> Outcome | None:
        phase, self.accepted = self.state.phase, self.state.n_units if fired.name == "accepted" else self.accepted
        if fired.name == "calibrated" and incumbent.beyond(self.state.specs, self.state.incumbents):
            return self._ended("incumbent beyond a boundary", phases.INCONCLUSIVE)
        if fired.to_phase in phases.TERMINAL:
            return self._ended(f"{fired.name} in {phase}" if phases.is_live(phase) else fired.name, fired.to_phase)
        if fired.name == "accepted" and not self.live:
            return Outcome("promoted", "accepted", self.state.n_units, self.accepted)
        if fired.name == "calibrated":
            self.state = calibrated(self.state)
        elif fired.name == "accepted":
            watched = begun(self.state, screen=True)
            self.watch, self.state = Watch(self.state, watched), replace(watched, monitors={})
        elif self.watch:
            self.watch.step(fired.to_phase)
        self.state = entered(self.state, fired.to_phase)
        return None

    def _ended(self, reason: str, phase: str) -> Outcome:
        return Outcome(verdict_of(phase), reason, self.state.n_units, self.accepted)

    def rows(self, batch: Outcomes) -> Rows:
        """Return pairs as the gate's rows: all scored, semantics only where it is eligible."""
        made, n = blocks(self.state.specs, batch), len(batch)
        at = np.arange(self.state.n_units, self.state.n_units + n)
        fate = {name: np.full(n, SCORED) for name in self.state.on}
        for spec, block in zip(self.state.specs, made, strict=True):
            if spec.name == "semantic":
                fate["semantic"] = np.where(block.accept == MISSING, NOT_ELIGIBLE, SCORED)
        rater, brought = self.state.spec.scoring.rater, None
        if rater is not None and self.state.line is not None:
            brought = rated_rows(batch, rater.label_probability, self.rng)
            fate["correctness"] = np.full(n, NOT_ELIGIBLE)
        return Rows(
            row=np.arange(n),
            clock_ms=np.floor((at + 1) * self.pair_ms).astype(np.int64),
            sequence=np.full(n, -1),
            blocks=tuple(made),
            fate=fate,
            stratum=np.zeros(n, dtype=np.int64),
            late=np.full(n, -1),
            incumbent=incumbent_codes(self.state.specs, batch) if self.state.phase == phases.CALIBRATING else {},
            rated=brought,
        )
