"""Units through the rules, with nothing put out: what the live gate and a simulated migration have in common."""

from dataclasses import replace

import numpy as np

from dualgate.gate import incumbent, monitors, phases, rated, vigil
from dualgate.gate.observations import Rows, observed
from dualgate.gate.paths import Paths, along, tally
from dualgate.gate.rules import Rule, first, rules
from dualgate.gate.state import MigrationState, counted
from dualgate.gate.stats import Trace, update_many
from dualgate.gate.stats.lattice import IntArray


def walk(state: MigrationState, rows: Rows, *, approved: bool = False) -> tuple[MigrationState, int, Rule | None]:
    """Apply units of one phase up to the first at which a rule fires; return the state there, how many it took, and the rule.

    approved: an operator's approval of the next phase is at hand. Entering the phase that the rule leads to is the caller's.
    """
    seen = observed(rows)
    line = rated.taken(state, rows, seen)
    rows = rated.filled(state, rows, line)
    traces = [
        update_many(s, d, b, counted=state.phase != phases.CALIBRATING)
        for s, d, b in zip(state.specs, state.dims, rows.blocks, strict=True)
    ]
    held, watch = monitors.moved(state.monitors, state.specs, rows)
    paths = along(state, rows, traces, watch)
    hit = first(rules(paths, approved=approved))
    n = hit[0] + 1 if hit else len(rows)
    here = rows.part(0, n)
    if n < len(rows):
        held, line = monitors.advanced(state.monitors, state.specs, here), rated.taken(state, here, seen[:n])
    waiting, labels = rated.joined(state, here, line)
    after = _advanced(state, here, traces, paths)
    return replace(after, monitors=held, line=waiting, counters=counted(after.counters, labels)), n, hit[1] if hit else None


def _advanced(state: MigrationState, rows: Rows, traces: list[Trace], paths: Paths) -> MigrationState:
    """Return the state after these units."""
    n, calibrating = len(rows), state.phase == phases.CALIBRATING
    clock = int(rows.clock_ms[-1])
    began = int(rows.clock_ms[0]) if state.phase_began_ms is None else state.phase_began_ms
    found = state.decided_at if calibrating else decided(state, paths, np.arange(state.n_units + 1, state.n_units + n + 1))
    if paths.n_seen[n - 1]:
        state = replace(state, last_evidence_ms=state.ledger_clock_ms, silent=False)
    if calibrating:
        state = replace(state, incumbents=incumbent.advanced(state.incumbents, rows))
    state = vigil.advanced(state, rows)
    return replace(
        state,
        dims=tuple(trace.state_at(n) for trace in traces),
        n_units=state.n_units + n,
        n_phase=int(paths.n_phase[n - 1]),
        n_counted=int(paths.n_counted[n - 1]),
        evidence_clock_ms=clock if clock >= 0 else state.evidence_clock_ms,
        phase_began_ms=began if began >= 0 else None,
        counters=counted(state.counters, tally(state, rows) | {"units": n}),
        decided_at=found,
    )


def decided(state: MigrationState, paths: Paths, units: IntArray) -> dict[str, int]:
    """Note the first unit at which each dimension's own condition held: claimed by its evidence, or shown futile."""
    found, n = dict(state.decided_at), len(units)
    for i, name in enumerate(state.on):
        own = [j for j, s in enumerate(state.specs) if s.dimension == name]
        holds = paths.claimed[i, :n] | paths.futile[own, :n].any(axis=0)
        if name not in found and holds.any():
            found[name] = int(units[int(np.argmax(holds))])
    return dict(sorted(found.items()))
