"""Units through the rules, with nothing put out: what the live gate and a simulated migration have in common."""

from dataclasses import replace

import numpy as np

from dualgate.gate import incumbent, monitors, phases, vigil
from dualgate.gate.observations import Rows
from dualgate.gate.rules import Paths, Rule, along, first, rules, tally
from dualgate.gate.state import MigrationState, counted
from dualgate.gate.stats import Trace, update_many


def walk(state: MigrationState, rows: Rows, *, approved: bool = False) -> tuple[MigrationState, int, Rule | None]:
    """Apply units of one phase up to the first at which a rule fires; return the state there, how many it took, and the rule.

    approved: an operator's approval of the next phase is at hand. Entering the phase that the rule leads to is the caller's.
    """
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
        held = monitors.advanced(state.monitors, state.specs, here)
    return replace(_advanced(state, here, traces, paths), monitors=held), n, hit[1] if hit else None


def _advanced(state: MigrationState, rows: Rows, traces: list[Trace], paths: Paths) -> MigrationState:
    """Return the state after these units."""
    n, calibrating = len(rows), state.phase == phases.CALIBRATING
    clock = int(rows.clock_ms[-1])
    began = int(rows.clock_ms[0]) if state.phase_began_ms is None else state.phase_began_ms
    decided = state.decided_at if calibrating else _decided(state, paths, n)
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
        n_counted=state.n_counted if calibrating else state.n_counted + n,
        evidence_clock_ms=clock if clock >= 0 else state.evidence_clock_ms,
        phase_began_ms=began if began >= 0 else None,
        counters=counted(state.counters, tally(state, rows) | {"units": n}),
        decided_at=decided,
    )


def _decided(state: MigrationState, paths: Paths, n: int) -> dict[str, int]:
    """Note the first unit at which each dimension's own condition held: claimed by its evidence, or shown futile."""
    found = dict(state.decided_at)
    for i, name in enumerate(state.on):
        own = [j for j, s in enumerate(state.specs) if s.dimension == name]
        holds = paths.claimed[i, :n] | paths.futile[own, :n].any(axis=0)
        if name not in found and holds.any():
            found[name] = state.n_units + int(np.argmax(holds)) + 1
    return dict(sorted(found.items()))
